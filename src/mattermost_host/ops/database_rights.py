"""SQL that asks whose role, database, schema and tables are, and who may use them."""

_ATTRIBUTES = {
    "rolcanlogin": "l",
    "rolsuper": "s",
    "rolcreatedb": "d",
    "rolcreaterole": "r",
    "rolreplication": "p",
    "rolbypassrls": "b",
    "rolconnlimit <> -1": "c",
    "rolvaliduntil < 'infinity'": "v",
}
ROLE_ATTRIBUTES = "||".join(
    f"case when {holds} then '{letter}' else '' end" for holds, letter in _ATTRIBUTES.items()
)
ONLY_LOGIN = "l"
SCHEMA_OWNER = (
    "select 'schema='||pg_get_userbyid(nspowner) from pg_namespace where nspname='public'"
)


OF_OTHERS = (
    "select 'other=ALTER TABLE public.'||quote_ident(c.relname)||' OWNER TO {name};'"
    " from pg_class c where c.relnamespace = to_regnamespace('public')"
    " and c.relkind in ('r', 'p', 'v', 'm', 'S') and pg_get_userbyid(c.relowner) <> '{name}'"
    # What belongs to an extension, or to a column of a table, goes with these.
    " and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass"
    " and d.objid = c.oid and d.deptype in ('a', 'e', 'i'))"
)


MAY_CONNECT = (
    "select 'withheld=GRANT ALL ON DATABASE '||quote_ident(datname)||' TO {name};'"
    " from pg_database where datname = '{name}' and pg_get_userbyid(datdba) = '{name}'"
    " and not has_database_privilege(datdba, oid, 'CONNECT')"
)
WITHHELD = (
    "select 'withheld=GRANT ALL ON SCHEMA public TO {name};' from pg_namespace"
    " where nspname = 'public' and pg_get_userbyid(nspowner) = '{name}'"
    " and not (has_schema_privilege(nspowner, oid, 'USAGE')"
    " and has_schema_privilege(nspowner, oid, 'CREATE'))",
    "select 'withheld=GRANT ALL ON TABLE public.'||quote_ident(relname)||' TO {name};'"
    " from pg_class where relnamespace = to_regnamespace('public') and relkind in ('r', 'p')"
    " and pg_get_userbyid(relowner) = '{name}' and not ("
    + " and ".join(
        f"has_table_privilege(relowner, oid, '{one}')"
        for one in ("SELECT", "INSERT", "UPDATE", "DELETE")
    )
    + ")",
)
"""An owner may lack the rights to what he owns, once somebody has revoked them."""
AS_GOOD = "('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')"
"""PostgreSQL's own roles that let their members become superuser: they reach its files."""
INSIDE = (SCHEMA_OWNER, OF_OTHERS, *WITHHELD)
"""What is asked in the database itself."""
_WHOSE = (
    "select 'aside=ALTER '||case when s.setrole=0 and s.setdatabase=0 then 'ROLE ALL'"
    " when s.setrole=0 then 'DATABASE '||quote_ident(d.datname)"
    " else 'ROLE '||quote_ident(r.rolname)||coalesce(' IN DATABASE '||"
    "quote_ident(d.datname), '') end"
)
_SETTINGS = (
    " from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase"
    " left join pg_roles r on r.oid = s.setrole"
)
SET_ASIDE = (
    f"{_WHOSE}||' RESET ALL;'{_SETTINGS} where coalesce(d.datname, '{{name}}') = '{{name}}'"
    " and coalesce(r.rolname, '{name}') = '{name}'"
)
"""What ALTER DATABASE and ALTER ROLE said of ours."""
OF_SUPERUSER = (
    f"{_WHOSE}||' RESET '||split_part(c, '=', 1)||';'{_SETTINGS}, unnest(s.setconfig) c"
    " where (s.setrole = 10 or s.setrole = 0 and d.datname = 'postgres')"
    " and coalesce(d.datname, '{name}') in ('{name}', 'postgres')"
    " and split_part(c, '=', 1) in ({parameters})"
)
"""Where they say it of the superuser, our own questions find other values in force; the rest of
what they say of it is an administrator's."""
