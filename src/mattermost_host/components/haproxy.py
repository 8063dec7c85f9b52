"""HAProxy beside each server: its way to the database's leader, wherever that is.

The server's driver knows one address only. HAProxy asks Patroni which host leads, and holds new
connections while none does, so that users wait instead of seeing errors.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from pyinfra.api import deploy as component

from mattermost_host.facts.place import Peer, Place
from mattermost_host.knowledge.families import Family
from mattermost_host.knowledge.surface import Port, Surface, Unit
from mattermost_host.knowledge.texts import STRICT
from mattermost_host.ops import files, packages, running, what_was_read, works
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.files import Check
from mattermost_host.ops.works import AskWorks
from mattermost_host.preflight import cluster, conflicts
from mattermost_host.preflight.finding import Requirement
from mattermost_host.support.addresses import in_url
from mattermost_host.support.templates import render

UNIT = "haproxy.service"
USER = "haproxy"
DROP_IN_FOLDER = f"/etc/systemd/system/{UNIT}.d"
DROP_IN = "mattermost-host.conf"
FOLDER = "/etc/mattermost-host/haproxy"
CONFIGURATION = f"{FOLDER}/haproxy.cfg"
HOLD, AUTHORITY = "hold.lua", "authority.pem"
STATUS = "/run/haproxy/status.sock"
LISTEN = ("127.0.0.1", 5432)
PORT = Port(LISTEN[1], "the database's leader", "loopback", process="haproxy", address=LISTEN[0])
HOLD_S = 30
"""A lost leader is replaced in 20 to 30 s; whoever waits longer sees an error."""
PROBE = f"curl --silent --noproxy '*' --unix-socket {STATUS} -o /dev/null http://localhost/alive"
OF_STATUS = 10
"""Questions about it at the same time, by a deploy, a timer and administrators."""
_LEADER = f"curl --silent --noproxy '*' --unix-socket {STATUS} --fail http://localhost/leader"

ASK_LEADER = AskWorks("HAProxy", f"{_LEADER} -o /dev/null")
NO_LEADER = "finds no leader among the databases, or does not trust the one that leads"


class Settings(BaseModel):
    """The way from the server to the database's leader; the inventory's lists decide it."""

    model_config = STRICT


@dataclass(frozen=True)
class Checks:
    """Where a database is, and how it tells whether it leads."""

    listen: str = f"{LISTEN[0]}:{LISTEN[1]}"
    status: str = f"unix@{STATUS} mode 600"
    database: int = 5432
    rest: int = 8008


def surface(settings: Settings, place: Place) -> Surface:
    """The unit, and the port of loopback by which the server reaches the leader."""
    return Surface(units=(Unit(UNIT, USER, 1.5, PROBE),), ports=(PORT,))


@component("HAProxy")
def deploy(
    settings: Settings,
    *,
    family: Family,
    databases: Sequence[Peer],
    authority: bytes,
    connections: int,
    before_start: Sequence[str],
) -> None:
    """Lead to ``databases``, by at most ``connections``; ``before_start`` makes the unit wait."""
    # Before the package, which would start it with its own configuration.
    service = files.present(name="systemd sandbox is in place", entries=_unit(before_start))
    packages.installed(
        name="HAProxy is installed", packages=family.haproxy, manager=family.package_manager
    )
    written = files.present(
        name="the tested configuration is in place",
        entries=list(_entries(databases, authority, connections)),
        check=Check(f'haproxy -C "$stage{FOLDER}" -f haproxy.cfg -c -q'),
    )
    running.running(
        name="HAProxy is running",
        unit=UNIT,
        restart_on=[DROP_IN_FOLDER],
        reload_on=[CONFIGURATION, f"{FOLDER}/{HOLD}", f"{FOLDER}/{AUTHORITY}"],
        after=[service, written],
        probe=PROBE,
        gate=running.Gate(PROBE),
    )
    works.works(name="it has found the leader", question=ASK_LEADER, otherwise=NO_LEADER)


def _unit(before_start: Sequence[str]) -> list[Entry]:
    drop_in = render(
        "haproxy/service.conf.j2",
        before_start=[f"AssertPathExists={CONFIGURATION}", *before_start],
        note=what_was_read.noted_at_start([DROP_IN_FOLDER]),
        folder=FOLDER,
        user=USER,
    )
    return [
        Directory(DROP_IN_FOLDER),
        Alone(DROP_IN_FOLDER, (DROP_IN,)),
        File(f"{DROP_IN_FOLDER}/{DROP_IN}", drop_in),
    ]


def _entries(databases: Sequence[Peer], authority: bytes, connections: int) -> Iterator[Entry]:
    yield Directory("/etc/mattermost-host")
    yield Directory(FOLDER)
    yield File(f"{FOLDER}/{AUTHORITY}", authority)
    yield File(f"{FOLDER}/{HOLD}", render("haproxy/hold.lua.j2", hold_s=HOLD_S))
    yield File(CONFIGURATION, configuration(databases, connections))


def configuration(databases: Sequence[Peer], connections: int, checks: Checks = Checks()) -> str:
    """haproxy.cfg."""
    return render(
        "haproxy/haproxy.cfg.j2",
        databases=[(f"{in_url(one.address)}:{checks.database}", one) for one in databases],
        checks=checks,
        connections=connections,
        of_status=OF_STATUS,
        hold=HOLD,
        hold_s=HOLD_S,
        authority=AUTHORITY,
    )


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """A family whose package we know, a free port, and no HAProxy of somebody else."""
    return [
        cluster.has_packages("HAProxy", lambda facts: bool(facts.family.haproxy)),
        conflicts.ports_free((PORT,)),
        cluster.no_other_haproxy((PORT,)),
    ]
