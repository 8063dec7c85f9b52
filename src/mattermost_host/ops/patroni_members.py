"""A member of the database's cluster leads or follows; a new one copies the database first."""

import re
import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.rolling import failed_before
from mattermost_host.engine.shell import PROGRESS
from mattermost_host.ops.patroni_state import AskCluster, Member, Way

HANDED_OVER_S, RESTARTED_S, CONNECTED_AGAIN_S = 60, 120, 8
WAITS = "has parameters that wait for a restart"
LEFT_S = 60
"""A member that reaches nobody any more is forgotten after the time of the leader's lock, 20 s."""
STALLS_S = 60
"""A copy that has not grown for so long does not come to its end."""


def follows(name: str, question: AskCluster) -> OperationMeta:
    """Wait until this host's PostgreSQL leads, or follows the leader."""
    expect(question)
    return _follows(name=name, question=question)


@operation()
def _follows(question: AskCluster) -> Generator[StringCommand, None, None]:
    now = ask(question)
    if now.follows:
        host.noop("it does")
        return
    explain(Change("PostgreSQL", "neither leads nor follows the leader", severity="critical"))
    yield from changing(StringCommand(_waiting(question.way.follows)))


def _waiting(done: str) -> str:
    """Wait while the copy grows; its size is told every ten seconds."""
    grown = "du -s /var/lib/postgresql 2>/dev/null | cut -f1"
    failed = (
        "PostgreSQL does not follow the leader, and its folder has not grown for "
        f"{STALLS_S} s; see: journalctl -u patroni"
    )
    return f"""size=0 since=$(date +%s) told=0
until {{ {done}; }} >/dev/null 2>&1; do
  now=$({grown}); at=$(date +%s)
  [ "$now" = "$size" ] || {{ size=$now; since=$at; }}
  [ $((at - since)) -lt {STALLS_S} ] || {{ echo {shlex.quote(failed)} >&2; exit 1; }}
  [ $((at - told)) -lt 10 ] || {{ told=$at; echo "{PROGRESS}copied $((size / 1024)) MiB"; }}
  sleep 1
done"""


def led_by_ours(name: str, question: AskCluster, ours: Sequence[str]) -> OperationMeta:
    """Hand over from a leader that the inventory does not name, before it is shut out."""
    expect(question)
    return _led_by_ours(name=name, question=question, ours=ours, _serial=True)


@operation()
def _led_by_ours(question: AskCluster, ours: Sequence[str]) -> Generator[StringCommand, None, None]:
    other = next((one.name for one in _others(question, ours) if one.is_leader), "")
    if not other:
        host.noop("no other host leads")
        return
    found = f"is led by {other}, which the inventory does not name"
    explain(Change("the database", found, severity="critical"))
    way, told = question.way, shlex.quote(f'{{"leader": "{other}"}}')
    leads = f'"name": *"{other}", *"role": *"leader"'
    post = f"{way.curl} --max-time {HANDED_OVER_S} --fail-with-body -X POST --data {told}"
    yield from changing(
        StringCommand(
            # Another host of this run may have been faster.
            f"{way.curl} {way.url}/cluster | grep -q '{leads}' || exit 0\n"
            f'said=$({post} {way.url}/switchover) || {{ echo "$said" >&2; exit 1; }}'
        )
    )


def only_ours(name: str, question: AskCluster, ours: Sequence[str]) -> OperationMeta:
    """Wait until hosts that the inventory does not name are no members any more."""
    expect(question)
    return _only_ours(name=name, question=question, ours=ours)


@operation()
def _only_ours(question: AskCluster, ours: Sequence[str]) -> Generator[StringCommand, None, None]:
    others = [one.name for one in _others(question, ours)]
    if not others:
        host.noop("all members are hosts of the inventory")
        return
    for one in others:
        explain(Change(f"the database's member {one}", "is not among the inventory's hosts"))
    still = (
        f"Still members of the database after {LEFT_S} s, and not in the inventory: "
        f"{', '.join(others)}. Switch these hosts off, or run there: "
        "systemctl disable --now patroni"
    )
    named = "|".join(re.escape(one) for one in others)
    yield from changing(
        StringCommand(
            f"end=$(($(date +%s) + {LEFT_S}))\n"
            f"while {question.way.curl} {question.way.url}/cluster |"
            f' grep -Eq \'"name": *"({named})"\'; do\n'
            f"  [ $(date +%s) -lt $end ] || {{ echo {shlex.quote(still)} >&2; exit 1; }}\n"
            "  sleep 1\ndone"
        )
    )


def _others(question: AskCluster, ours: Sequence[str]) -> list[Member]:
    return [one for one in ask(question).members if one.name not in ours]


@dataclass(frozen=True)
class Handover:
    """What comes before a leader's restart: another member leads, so that users hardly wait."""

    way: Way
    name: str

    def around(self, unit: str, restart: Iterable[str]) -> Iterator[str]:
        """The lines of ``restart``, of ``unit``, after the leader was moved if it is here."""
        post = f"{self.way.curl} --max-time {HANDED_OVER_S} --fail -o /dev/null -X POST"
        told = shlex.quote(f'{{"leader": "{self.name}"}}')
        yield from self._function()
        yield f"if {self.way.curl} --fail -o /dev/null {self.way.url}/primary; then"
        # Where nobody can take over, the restart is an outage that was asked for all the same.
        yield f"{post} --data {told} {self.way.url}/switchover || :"
        yield "followed; fi"
        yield from restart
        yield "followed"

    def in_place(self, restart: Iterable[str]) -> Iterator[str]:
        """The same without a move."""
        yield from self._function()
        yield from restart
        yield "followed"
        # Followers connect again after 5 s (wal_retrieve_retry_interval), and learn it then.
        yield f"sleep {CONNECTED_AGAIN_S}"

    def _function(self) -> Iterator[str]:
        late = f"PostgreSQL neither leads nor follows {HANDED_OVER_S} s after its restart"
        yield f"""followed() {{
  end=$(($(date +%s) + {HANDED_OVER_S}))
  until {{ {self.way.follows}; }}; do
    [ $(date +%s) -lt $end ] || {{ echo {late}: journalctl -u patroni >&2; exit 1; }}
    sleep 0.5
  done
}}"""


def settled(question: AskCluster, handover: Handover) -> None:
    """Bring into force what waits for a restart, on the hosts in the order that PostgreSQL asks."""
    lowered(
        name="the leader runs with lower parameters first", question=question, handover=handover
    )
    restarted(name="PostgreSQL runs with all its parameters", question=question, handover=handover)


def lowered(name: str, question: AskCluster, handover: Handover) -> OperationMeta:
    """Restart a leader in place whose parameters became lower: followers take them from it."""
    expect(question)
    return _lowered(name=name, question=question, handover=handover)


@operation()
def _lowered(question: AskCluster, handover: Handover) -> Generator[StringCommand, None, None]:
    now = ask(question)
    if not (now.leads and now.waits_for_lower):
        host.noop("no lower parameter waits for a restart of the leader")
        return
    explain(Change("PostgreSQL", WAITS, "restart"))
    yield from changing(_lines(handover.in_place([_restart(question.way)])))


def restarted(name: str, question: AskCluster, handover: Handover) -> OperationMeta:
    """Restart PostgreSQL where parameters wait for it, one host after the other."""
    expect(question)
    return _restarted(name=name, question=question, handover=handover, _serial=True)


@operation()
def _restarted(question: AskCluster, handover: Handover) -> Generator[StringCommand, None, None]:
    if not ask(question).waits_for_restart:
        host.noop("no parameter waits for a restart")
        return
    explain(Change("PostgreSQL", WAITS, "restart"))
    if other := failed_before():
        refused = f"PostgreSQL is left as it is, because it failed on {other}"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    yield from changing(_lines(handover.around("", [_restart(question.way)])))


def _restart(way: Way) -> str:
    post = f"{way.curl} --max-time {RESTARTED_S} --fail-with-body -X POST --data '{{}}'"
    return f'said=$({post} {way.url}/restart) || {{ echo "$said" >&2; exit 1; }}'


def _lines(lines: Iterable[str]) -> StringCommand:
    return StringCommand("\n".join(["set -eu", *lines]))
