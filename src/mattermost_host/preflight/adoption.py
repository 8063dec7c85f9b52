"""A server that somebody else installed: what is known of it, and whether it can be taken over."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from pyinfra.api import Host

from mattermost_host.engine.questions import answers_of
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import nginx_sites
from mattermost_host.knowledge.foreign_dsn import Source, source_of
from mattermost_host.knowledge.mattermost_settings import OWNED
from mattermost_host.knowledge.nginx_sites import Served
from mattermost_host.ops.foreign import AskForeign, Foreign
from mattermost_host.ops.foreign_data import AskData, Data
from mattermost_host.ops.state_files import KEPT
from mattermost_host.preflight import adoption_database
from mattermost_host.preflight.adoption_refusals import refuse_server, refuse_system
from mattermost_host.preflight.finding import Finding, Verdict
from mattermost_host.support.errors import OperatorError

NAME = "mattermost"
"""Of the site's database and role."""
COMMAND = "`mattermost-host take-over`"
OF_NGINX_ORG = ".ngx"
"""In the release of its packages for Enterprise Linux: 1.26.2-1.el9.ngx."""

MEANINGS = {
    "adopt-units": "One unit runs the server, and which drop-ins it has.",
    "adopt-database": "Its database is in the host's own PostgreSQL, which has no other.",
    "adopt-roles": "Nobody but the server logs in to that PostgreSQL.",
    "adopt-files": "Its files are in a folder of the host.",
    "adopt-room": "There is room for the restore point, and for files on another file system.",
    "adopt-folders": "Which of its folders are elsewhere than usual.",
    "adopt-proxy": "NGINX is in front of it, or nothing.",
    "adopt-cluster": "It is the only server of its site.",
    "adopt-packages": "Which packages of the vendor there are.",
    "adopt-release": "With `take-over`: the inventory leads to the release that the server has.",
}


@dataclass(frozen=True)
class Look:
    """What a host says of a server that somebody else installed."""

    facts: HostFacts
    foreign: Foreign
    source: Source
    data: Data = field(default_factory=Data)
    served: tuple[Served, ...] = ()
    """The blocks of NGINX that serve it."""
    others: tuple[Served, ...] = ()
    """Other sites of NGINX."""

    @property
    def url(self) -> str:
        """What its users type; empty where it is not set."""
        return str(self.foreign.setting("ServiceSettings.SiteURL") or "").rstrip("/")

    @property
    def secure(self) -> Served | None:
        """The block that has its certificate."""
        return next((one for one in self.served if one.certificate), None)


def look(host: Host, facts: HostFacts) -> Look:
    """Ask a connected host; nothing is changed there.

    Raises OperatorError with a sentence where it has no server that can be adopted.
    """
    refuse_system(facts)
    question = AskForeign()
    answers = answers_of(host, [question])
    if question not in answers:
        raise OperatorError(f"{host.name} gives no answer about {question.about}")
    foreign: Foreign = answers[question]
    refuse_server(host.name, foreign, managed=facts.managed)
    return _with_data(host, _first(facts, foreign))


def _first(facts: HostFacts, foreign: Foreign) -> Look:
    """What the server itself says."""
    one = Look(facts, foreign, _source(foreign, facts))
    served = nginx_sites.sites(foreign.nginx)
    ours = nginx_sites.of_site(served, urlsplit(one.url).hostname or "")
    others = tuple(each for each in served if each not in ours)
    return replace(one, served=ours, others=others)


def _with_data(host: Host, first: Look) -> Look:
    """``first`` with what is behind the server; a configuration in the database is read there."""
    asked = _asked(first)
    found = answers_of(host, [asked])
    if asked not in found:
        raise OperatorError(f"{host.name} gives no answer about {asked.about}")
    data: Data = found[asked]
    if first.foreign.config_source and data.config and not first.foreign.config:
        foreign = replace(first.foreign, config=data.config)
        return _with_data(host, _first(first.facts, foreign))
    return replace(first, data=data)


def _source(foreign: Foreign, facts: HostFacts) -> Source:
    stated = foreign.setting("SqlSettings.DataSource") or foreign.config_source
    driver = str(foreign.setting("SqlSettings.DriverName") or "postgres")
    found = source_of(str(stated), facts.addresses, foreign.user)
    return Source("mysql") if driver == "mysql" else found


def _asked(one: Look) -> AskData:
    source, secure = one.source, one.secure
    files = str(one.foreign.setting("FileSettings.Directory") or "./data/")
    on_disk = one.foreign.setting("FileSettings.DriverName") in (None, "", "local")
    wanted = secure is not None and not secure.certificate.startswith("/etc/letsencrypt/")
    return AskData(
        database=source.database if source.kind == "postgres" and source.local else "",
        role=source.role,
        port=source.port,
        files=posixpath.normpath(posixpath.join(one.foreign.cwd, files)) if on_disk else "",
        goes_to=KEPT[1],
        certificate=secure.certificate if secure and wanted else "",
        key=secure.key if secure and wanted else "",
        config_in_database=bool(one.foreign.config_source),
    )


def judge(one: Look) -> Iterator[Finding]:
    """Whether the server can be taken over: the findings, one or more for each check."""
    yield from _units(one)
    yield from _database(one)
    yield from _files(one)
    yield from _folders(one)
    yield from _proxy(one)
    yield from _others(one)


def _finding(name: str, verdict: Verdict, found: str, remedy: str = "") -> Finding:
    return Finding(f"adopt-{name}", verdict, found, "", remedy)


def _units(one: Look) -> Iterator[Finding]:
    foreign = one.foreign
    path = next(path for name, _, path in foreign.units if name == foreign.unit)
    yield _finding("units", "ok", f"{foreign.unit} in {path}, as {foreign.user}")
    if foreign.home_link:
        found = f"{foreign.home} is a link to {foreign.home_link}"
        yield _finding("units", "error", found, "Let the unit start it where it is.")
    others = [name for name, _, _ in foreign.units if name != foreign.unit]
    if others:
        found = f"there are other units that run a server: {', '.join(others)}"
        yield _finding("units", "error", found, "Remove those that are not the site's.")
    if foreign.dropins:
        found = f"drop-ins, which end with the old unit: {', '.join(foreign.dropins)}"
        yield _finding("units", "note", found)


def _database(one: Look) -> Iterator[Finding]:
    source, data = one.source, one.data
    if source.kind != "postgres":
        yield _finding("database", "error", "the data source is no URL of PostgreSQL")
        return
    where = f"the database {source.database} of {source.role}"
    if not source.local:
        found = f"{where} is on another host, {source.host}"
        remedy = f"{COMMAND} moves servers with a database of their own host only."
        yield _finding("database", "error", found, remedy)
        return
    if not data.answered:
        found = f"{where} at port {source.port} does not answer to the account postgres"
        yield _finding("database", "error", found, "See that `psql` as postgres reaches it.")
        return
    posts = f"{data.posts} posts, {data.database_mb} MB, sorted by {data.collation}"
    yield _finding("database", "ok", f"{where}, PostgreSQL {data.server}: {posts}")
    for found, remedy in adoption_database.wrong(one.facts, one.foreign, source, data):
        yield _finding("database", "error", found, remedy)
    if left := sorted({*data.roles} - {NAME}):
        found = f"roles that can't log in any more: {', '.join(left)}"
        yield _finding("roles", "warning", found, "PostgreSQL listens on its socket only, then.")


def _files(one: Look) -> Iterator[Finding]:
    data, driver = one.data, one.foreign.setting("FileSettings.DriverName")
    if driver not in (None, "", "local"):
        yield _finding("files", "error", f"files are kept elsewhere: {driver}", "They stay there.")
        return
    if not data.folder:
        yield _finding("files", "error", "the folder of uploaded files is not there")
        return
    how = "are renamed" if not data.apart else "are copied to another file system, and stay"
    yield _finding("files", "ok", f"{data.data_mb} MB in {data.folder}, which {how}")
    if data.odd:
        found = f"links or devices among the files, which are not followed: {', '.join(data.odd)}"
        yield _finding("files", "warning", found, "Put the files themselves there.")
    needed = max(data.database_mb, 0) + (max(data.data_mb, 0) if data.apart else 0) + 1024
    enough = data.free_mb >= needed
    found = f"{data.free_mb} MB free in /var/lib, about {needed} MB are needed"
    yield _finding("room", "ok" if enough else "error", found, "" if enough else "Make room.")


def _folders(one: Look) -> Iterator[Finding]:
    for name, usual in (("Directory", "./plugins"), ("ClientDirectory", "./client/plugins")):
        value = str(one.foreign.setting(f"PluginSettings.{name}") or usual)
        if posixpath.normpath(value) != posixpath.normpath(usual):
            found = f"plugins in {value}; they are unpacked anew from the files"
            yield _finding("folders", "note", found)
    aside = [
        name
        for name, value in one.foreign.config.items()
        if str(value).startswith(f"{one.foreign.home}/") and name not in OWNED
    ]
    if aside:
        found = f"these lead into the folder that is set aside: {', '.join(aside)}"
        remedy = "Move what is there, and set them in the System Console."
        yield _finding("folders", "warning", found, remedy)
    listens = str(one.foreign.setting("ServiceSettings.ListenAddress") or "")
    if not listens.endswith(":8065"):
        found = (
            f"the server listens at {listens}, and NGINX finds it only when the deploy is through"
        )
        yield _finding("proxy", "warning", found)


def _proxy(one: Look) -> Iterator[Finding]:
    if one.foreign.setting("ServiceSettings.ConnectionSecurity"):
        found = "the server terminates TLS itself (ServiceSettings.ConnectionSecurity)"
        remedy = "Put NGINX in front of it, and set that to none in the System Console first."
        yield _finding("proxy", "error", found, remedy)
        return
    on_443 = {each.process for each in one.facts.listeners if each.port == 443} - {"nginx"}
    if on_443:
        found = f"{', '.join(sorted(on_443))} listens on port 443"
        yield _finding("proxy", "error", found, "NGINX takes its place: stop and disable it.")
    nginx = dict(one.facts.packages).get("nginx", "")
    if OF_NGINX_ORG in nginx:
        found = f"NGINX {nginx} is of nginx.org, whose packages come before any module stream"
        remedy = "Disable that repository, and run `dnf distro-sync nginx`; its sites stay."
        yield _finding("proxy", "error", found, remedy)
    files = sorted({each.file for each in one.served})
    has = (
        f"NGINX serves it by {', '.join(files)}" if files else "no site of NGINX is in front of it"
    )
    yield _finding("proxy", "ok" if files else "note", has)
    names = sorted({name for each in one.others for name in each.names} - {"_", "localhost", ""})
    if names:
        found = f"NGINX has other sites: {', '.join(names)}"
        others = [each.partition("/")[0] for each in one.facts.family.nginx.other_sites]
        remedy = f"Those in {' and '.join(['conf.d', *others])} stay, and no others."
        yield _finding("proxy", "warning", found, remedy)


def _others(one: Look) -> Iterator[Finding]:
    if licence := one.foreign.setting("ServiceSettings.LicenseFileLocation"):
        found = f"its licence is a file on the host: {licence}"
        remedy = "Copy it beside the inventory, and state it as `mattermost.licence`."
        yield _finding("folders", "warning", found, remedy)
    if str(one.foreign.setting("ClusterSettings.Enable")).lower() == "true":
        found = "it is one of several servers (ClusterSettings.Enable)"
        yield _finding("cluster", "error", found, "Only sites on one host can be taken over.")
    yield from _packages(one.facts)


def _packages(facts: HostFacts) -> Iterator[Finding]:
    there = [name for name, _ in facts.packages if name.startswith("mattermost")]
    if not there:
        return
    if facts.family.package_manager == "apt":
        found = (
            f"{', '.join(there)}: dpkg forgets them, without their scripts, which delete folders"
        )
        yield _finding("packages", "note", found)
        return
    yield _finding(
        "packages",
        "error",
        f"{', '.join(there)}: the vendor has no such package for {facts.family.name}",
        f"Let rpm forget it: `rpm -e --justdb --noscripts {' '.join(there)}`. Its files stay.",
    )
