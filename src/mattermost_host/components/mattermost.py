"""The Mattermost server: release, account, settings, service, first administrator."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr
from pyinfra.api import deploy as component
from pyinfra.api.operation import OperationMeta

from mattermost_host.facts.place import Place
from mattermost_host.knowledge import mattermost_settings, process_environment
from mattermost_host.knowledge.families import Family, PackageManager
from mattermost_host.knowledge.surface import Port, SecretFile, Surface, Unit
from mattermost_host.knowledge.texts import STRICT, Line, MailAddress, Username
from mattermost_host.ops import (
    account,
    administrator,
    apt,
    files,
    packages,
    probe,
    release,
    running,
)
from mattermost_host.ops import state_files as state
from mattermost_host.ops.entries import Absent, Alone, Directory, Entry, File, Owned, Passable
from mattermost_host.ops.files import Check
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.release_state import CURRENT, HOME, MANIFESTS, RELEASES
from mattermost_host.ops.selinux_rules import for_server
from mattermost_host.ops.state_files import CONFIGURATION, FOLDERS, LOG_FILE, STATE
from mattermost_host.ops.unit_files import understood
from mattermost_host.ops.what_was_read import noted_at_start
from mattermost_host.preflight import conflicts, dropped_ports, hardening, together
from mattermost_host.preflight import host as requirements
from mattermost_host.preflight import release as release_requirements
from mattermost_host.preflight.finding import Need
from mattermost_host.preflight.odd_files import only_files
from mattermost_host.releases import choice
from mattermost_host.releases.choice import Release, ReleaseSettings
from mattermost_host.support.addresses import file_mistakes
from mattermost_host.support.errors import Mistake
from mattermost_host.support.templates import render

USER = "mattermost"
UNIT = "mattermost.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
ENVIRONMENT_FILE = "/etc/mattermost-host/mattermost.env"
LICENCE_FILE = "/etc/mattermost-host/mattermost.license"
DATABASE_CA_FILE = "/etc/mattermost-host/database-ca.pem"
LOCAL_SOCKET = "/run/mattermost/local.socket"
LISTEN = ("127.0.0.1", 8065)
PORT = Port(LISTEN[1], "the server, behind the proxy", "loopback", process=USER, address=LISTEN[0])
CLEANING = "/etc/tmpfiles.d/mattermost-host.conf"
SETTINGS = (ENVIRONMENT_FILE, LICENCE_FILE, DATABASE_CA_FILE)
READ_AT_START = (UNIT_FILE, f"{UNIT_FILE}.d", *SETTINGS, CURRENT)
PING = "/api/v4/system/ping"
PROBE = probe.asking(LISTEN[1], PING)
GATE = running.Gate(f"curl --silent --fail --noproxy '*' http://{LISTEN[0]}:{LISTEN[1]}{PING}")
"""systemd's READY comes with the listener; the gate checks that the server answers, too."""


class Administrator(BaseModel):
    """The first administrator. The password is in the secrets file."""

    model_config = STRICT

    username: Username = Field(default="sysadmin", description="Name to log in with.")
    email: MailAddress | None = Field(
        default=None, description="Address; without it `sysadmin@` and the host of the site's URL."
    )


class Settings(BaseModel):
    """The Mattermost server."""

    model_config = STRICT

    release: ReleaseSettings = Field(default=ReleaseSettings(), description="Which release.")
    administrator: Administrator = Field(
        default=Administrator(), description="The first administrator."
    )
    settings: dict[str, Any] = Field(
        default={},
        description=(
            "Any documented setting under its documented name, for example "
            '`{"EmailSettings.SMTPServer": "smtp.example.com"}`. What stands here is locked in '
            "the System Console; the rest stays the console's. Secret settings belong in the "
            "secrets file, under `settings`."
        ),
    )
    environment: dict[str, str] = Field(
        default={},
        description=(
            "Further variables of the server's process, such as `HTTPS_PROXY` and `NO_PROXY`. "
            "Mattermost's own settings belong in `settings`."
        ),
    )
    max_file_size_mb: int = Field(
        default=100,
        ge=1,
        le=10_240,
        description="Largest upload, MiB. The proxy's limit follows.",
    )
    licence: Line | None = Field(default=None, description="Licence file on the control machine.")
    log_days: int = Field(
        default=30, ge=1, le=36_500, description="Days that rotated logs are kept."
    )
    sandbox_without: list[Literal["netlink", "executable-memory"]] = Field(
        default=[],
        description="Parts of the sandbox to switch off because a plugin needs it.",
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The service behind the proxy, which only this host reaches."""
    return Surface(
        units=(Unit(UNIT, user=USER, max_exposure=1.5, probe=PROBE),),
        ports=(PORT,),
        secret_files=(
            SecretFile(ENVIRONMENT_FILE, group=USER, mode="640"),
            # The server creates it with the unit's umask, and later writes keep its mode.
            SecretFile(CONFIGURATION, USER, USER, "640"),
        ),
    )


@component("Mattermost")
def deploy(
    settings: Settings,
    *,
    family: Family,
    wanted: Release,
    before_start: Sequence[str],
    hold: Hold | None,
    brotli: bool,
    variables: Mapping[str, str],
    local_database: bool,
    database_ca: bytes | None,
    licence: bytes | None,
    administrator_email: str,
    administrator_password: SecretStr,
) -> None:
    """``variables`` are our settings, ``before_start`` is the unit's, users wait at ``hold``."""
    account.system_account(name="the account mattermost exists", user=USER, home=STATE)
    if family.selinux:
        for_server(name="SELinux knows its programs and pages", state=STATE)
    moved = _current(wanted, brotli, family.package_manager)
    written = files.present(
        name="folders, settings and unit are in place",
        entries=entries(settings, variables, local_database, before_start, database_ca, licence),
        check=Check(understood(UNIT_FILE)),
    )
    state.owned(
        name="the server's files belong to it", members=state.of_server(USER, whole=wanted.by_hash)
    )
    running.running(
        name="the server is running",
        unit=UNIT,
        restart_on=[*READ_AT_START, *release.read_at_start(wanted.folder)],
        after=[*moved, written],
        gate=GATE,
        probe=PROBE,
        hold=hold,
    )
    _administrator(settings.administrator.username, administrator_email, administrator_password)


def in_advance(
    settings: Settings, variables: Mapping[str, str], licence: bytes | None
) -> tuple[list[Entry], File]:
    """What can be there before the unit is, and the unit, on a host with its own database."""
    every = entries(settings, variables, True, (), None, licence)
    (unit,) = (one for one in every if isinstance(one, File) and one.path == UNIT_FILE)
    later = (UNIT_FILE, f"{UNIT_FILE}.d", CLEANING)
    return [one for one in every if one.path not in later], unit


def _administrator(username: str, email: str, password: SecretStr) -> None:
    administrator.administrator(
        name=f"the administrator {username} exists",
        socket=LOCAL_SOCKET,
        username=username,
        email=email,
        password=password,
    )


def _current(wanted: Release, brotli: bool, manager: PackageManager) -> list[OperationMeta]:
    unpacked = release_on_host(wanted, brotli, manager)
    switched = release.switched(name=f"release {wanted.folder} is current", release=wanted)
    release.pruned(name="old releases are removed", release=wanted)
    return [unpacked, switched]


def release_on_host(wanted: Release, brotli: bool, manager: PackageManager) -> OperationMeta:
    """Unpack the release, without touching the running one."""
    needed = ["tar", "gzip", *(["brotli"] if brotli else [])]
    packages.installed(name="tools for the release are installed", packages=needed, manager=manager)
    folders: list[Entry] = [*map(Passable, ("/", "/opt"))]
    folders += map(Directory, (HOME, RELEASES, MANIFESTS))
    # Before there is a release for them to delete.
    folders += apt.kept_out(conflicts.VENDOR_PACKAGES, manager)
    files.present(name="release folders are in place", entries=folders)
    return release.unpacked(name=f"release {wanted.folder} is unpacked", release=wanted)


def entries(
    settings: Settings,
    variables: Mapping[str, str],
    local_database: bool,
    before_start: Sequence[str],
    database_ca: bytes | None,
    licence: bytes | None,
) -> list[Entry]:
    """All of our files and folders except for the release itself."""
    quoted = {name: process_environment.quoted(value) for name, value in sorted(variables.items())}
    return [
        *map(Passable, ("/etc", "/var", "/var/lib", "/var/log")),
        Directory("/etc/mattermost-host"),
        *(Directory(path, "750", USER, USER) for path in (STATE, *FOLDERS)),
        # Files that the server writes; it no longer could if root had created them by hand.
        Owned(CONFIGURATION, USER, USER),
        Owned(LOG_FILE, USER, USER),
        File(
            ENVIRONMENT_FILE,
            render("mattermost/mattermost.env.j2", variables=quoted),
            "640",
            group=USER,
            secret=True,
        ),
        _optional(LICENCE_FILE, licence),
        _optional(DATABASE_CA_FILE, database_ca),
        File(UNIT_FILE, _unit(settings, local_database, before_start)),
        Alone(f"{UNIT_FILE}.d"),
        File(
            CLEANING,
            render("mattermost/tmpfiles.conf.j2", days=settings.log_days),
        ),
    ]


def _unit(settings: Settings, local_database: bool, before_start: Sequence[str]) -> str:
    return render(
        "mattermost/mattermost.service.j2",
        environment_file=ENVIRONMENT_FILE,
        local_database=local_database,
        before_start=before_start,
        note=noted_at_start(READ_AT_START),
        sandbox_without=settings.sandbox_without,
    )


def _optional(path: str, content: bytes | None) -> Entry:
    if content is None:
        return Absent(path)
    return File(path, content, "640", group=USER, secret=True)


def mistakes(settings: Settings, place: Place) -> Iterator[Mistake]:
    """Mistakes in the release, the files, the variables and Mattermost's own settings."""
    yield from choice.mistakes(settings.release, "mattermost.release")
    if settings.licence:
        yield from file_mistakes("mattermost.licence", settings.licence)
    yield from process_environment.mistakes(settings.environment)
    yield from mattermost_settings.mistakes(
        settings.settings,
        place.site.version,
        site_url=place.site.url,
        settled=place.site.version_is_stated,
    )


def requires(settings: Settings, place: Place) -> list[Need]:
    """A supported release, on a host that can run it, and no other Mattermost."""
    return [
        *release_requirements.of(settings.release),
        release_requirements.settings_fit(settings.settings, place),
        requirements.glibc(place.site.version_on),
        together.one_release(place.site.version_on),
        requirements.executable_opt(),
        hardening.fapolicyd(),
        hardening.fips(),
        only_files(),
        requirements.disk(place.site.users, place.site.file_use),
        conflicts.ports_free((PORT,)),
        dropped_ports.ports_not_dropped((PORT,)),
        conflicts.no_other_mattermost(),
        *([] if settings.licence else [release_requirements.users_without_licence(place)]),
    ]
