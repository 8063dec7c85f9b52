"""Database, files and certificate of a Mattermost that somebody else installed."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.batch import Question
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.foreign import decoded, flat

LOOK_S = 20
SYSTEM_DATABASES = ("postgres", "template0", "template1")


@dataclass(frozen=True)
class Data:
    """What was found."""

    answered: bool = False
    """PostgreSQL said what it was asked."""
    server: str = ""
    """Version of PostgreSQL: ``15.8``."""
    data_folder: str = ""
    access: str = ""
    """The file with its access rules."""
    databases: tuple[str, ...] = ()
    """All of the cluster but PostgreSQL's own."""
    owner: str = ""
    """Of the server's database."""
    encoding: str = ""
    collation: str = ""
    superuser: bool = False
    """Whether the server's role is one."""
    roles: tuple[str, ...] = ()
    """Other roles that may log in, besides postgres."""
    database_mb: int = -1
    people: int = -1
    """Active accounts that are no bots."""
    posts: int = -1
    administrator: str = ""
    """One of the active administrators."""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The configuration, where the database has it."""
    config_files: tuple[str, ...] = ()
    """Files that the database has beside it, such as SAML's certificates."""
    folder: str = ""
    """Where the uploaded files really are, behind links; empty where there is no such folder."""
    apart: bool = False
    """Whether that is another file system than where they go."""
    mounted: bool = False
    """Whether something is mounted at that folder itself."""
    data_mb: int = -1
    free_mb: int = -1
    """Where they go."""
    odd: tuple[str, ...] = ()
    """Links, pipes and devices among the files; the first ones."""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class AskData(Question[Data]):
    """What is behind the server: its database, files and certificate."""

    about = "the data of the server"
    waits = True

    database: str
    """Empty where it is not on the host."""
    role: str
    port: int
    files: str
    """Folder of the uploaded files; empty where they are not on the host."""
    goes_to: str
    certificate: str = ""
    key: str = ""
    config_in_database: bool = False

    def script(self) -> str:
        return "\n".join([*self._of_files(), *self._of_certificate(), *self._of_database()])

    def _of_files(self) -> Iterator[str]:
        if not self.files:
            return
        yield (
            f'real=$(readlink -e {shlex.quote(self.files)}) && [ -d "$real" ] && {{\n'
            'echo "folder=$real"\n'
            f"place={self.goes_to}; while [ ! -d $place ]; do place=${{place%/*}}; done\n"
            '[ "$(stat -c %d "$real")" = "$(stat -c %d $place)" ] || echo apart=yes\n'
            '! mountpoint -q "$real" || echo mounted=yes\n'
            f'echo "data_mb=$(timeout {LOOK_S} du -sxm "$real" | cut -f 1)"\n'
            "echo \"free_mb=$(df -Pm $place | awk 'NR == 2 { print $4 }')\"\n"
            f'timeout {LOOK_S} find "$real" -mindepth 1 -maxdepth 3'
            " \\( -type l -o -type p -o -type b -o -type c \\) -printf 'odd=%p\\n' | head -n 5\n}"
        )

    def _of_certificate(self) -> Iterator[str]:
        for name, path in (("certificate", self.certificate), ("key", self.key)):
            if path:
                quoted = shlex.quote(path)
                yield f'[ -f {quoted} ] && echo "{name}=$(head -c 100000 {quoted} | base64 -w0)"'

    def _of_database(self) -> Iterator[str]:
        if not self.database:
            return
        psql = f"{Client(self.port).command(LOOK_S, asks=True)} -At -F '\n'"
        for database, statements in (
            ("postgres", self._general()),
            (self.database, self._inside()),
        ):
            asked = " ".join(f"-c {shlex.quote(one)}" for one in statements)
            yield f"({psql} -d {shlex.quote(database)} {asked})"

    def _general(self) -> Iterator[str]:
        name, role = _literal(self.database), _literal(self.role)
        yield "SELECT 'server=' || current_setting('server_version')"
        yield (
            "SELECT 'data_folder=' || current_setting('data_directory'),"
            " 'access=' || current_setting('hba_file')"
        )
        known = ", ".join(map(_literal, SYSTEM_DATABASES))
        yield f"SELECT 'database=' || datname FROM pg_database WHERE datname NOT IN ({known})"
        yield (
            "SELECT 'owner=' || pg_get_userbyid(datdba),"
            " 'encoding=' || pg_encoding_to_char(encoding), 'collation=' || datcollate,"
            " 'database_mb=' || pg_database_size(datname) / 1048576"
            f" FROM pg_database WHERE datname = {name}"
        )
        yield f"SELECT 'superuser=yes' FROM pg_roles WHERE rolname = {role} AND rolsuper"
        yield (
            "SELECT 'role=' || rolname FROM pg_roles WHERE rolcanlogin AND oid <> 10"
            f" AND rolname <> {role}"
        )

    def _inside(self) -> Iterator[str]:
        yield "SELECT 'answered=yes' FROM users LIMIT 1"
        if self.config_in_database:
            line = "replace(encode(convert_to(value, 'UTF8'), 'base64'), chr(10), '')"
            yield f"SELECT 'config=' || {line} FROM configurations WHERE active"
            yield "SELECT 'config_file=' || name FROM configurationfiles"
        yield (
            "SELECT 'people=' || count(*) FROM users WHERE deleteat = 0"
            " AND id NOT IN (SELECT userid FROM bots)"
        )
        yield "SELECT 'posts=' || count(*) FROM posts"
        yield (
            "SELECT 'administrator=' || username FROM users WHERE deleteat = 0"
            " AND ' ' || roles || ' ' LIKE '% system_admin %' ORDER BY createat LIMIT 1"
        )

    def parse(self, lines: list[str]) -> Data:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        first = {key: one[0] for key, one in values.items()}

        def number(name: str) -> int:
            text = first.get(name, "")
            return int(text) if text.isdecimal() else -1

        return Data(
            answered="answered" in first,
            server=first.get("server", "").partition(" ")[0],
            data_folder=first.get("data_folder", ""),
            access=first.get("access", ""),
            databases=tuple(values.get("database", ())),
            owner=first.get("owner", ""),
            encoding=first.get("encoding", ""),
            collation=first.get("collation", ""),
            superuser="superuser" in first,
            roles=tuple(values.get("role", ())),
            database_mb=number("database_mb"),
            people=number("people"),
            posts=number("posts"),
            administrator=first.get("administrator", ""),
            config=flat(decoded(first.get("config", ""))),
            config_files=tuple(values.get("config_file", ())),
            folder=first.get("folder", ""),
            apart="apart" in first,
            mounted="mounted" in first,
            data_mb=number("data_mb"),
            free_mb=number("free_mb"),
            odd=tuple(values.get("odd", ())),
            certificate=decoded(first.get("certificate", "")),
            key=decoded(first.get("key", "")),
        )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
