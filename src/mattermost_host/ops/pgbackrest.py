"""pgBackRest's repository: it belongs to this database, is written to, and has a recent backup."""

import shlex
from collections.abc import Generator, Iterator, Sequence
from typing import cast

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.backup_made import AskFiles, Made
from mattermost_host.ops.pgbackrest_member import AskMember
from mattermost_host.ops.pgbackrest_state import (
    MARK,
    MISSING,
    TWO_DATABASES,
    TWO_HOSTS,
    TWO_SITES,
    AskRepository,
    Repository,
    the_mark_away,
)

Asks = AskRepository | AskMember | AskFiles
AS_POSTGRES = "cd / && runuser -u postgres --"
WAIT_S = 600
BEGUN_S = 120
"""Seconds in which the leader begins a repository that the others wait for."""


def stanza(name: str, question: AskRepository | AskMember) -> OperationMeta:
    """Keep a repository that exists, belongs to this database, and is written to."""
    expect(question)
    return _stanza(name=name, question=question)


@operation()
def _stanza(question: AskRepository | AskMember) -> Generator[StringCommand, None, None]:
    now: Repository = ask(question)
    if not now.wrong:
        host.noop("the database is archived")
        return
    begun = now.code not in MISSING
    explain(
        Change("the repository of backups", now.wrong, severity="critical" if begun else "warning")
    )
    yield from changing(StringCommand("\n".join(_steps(question, now))))


def _steps(question: AskRepository | AskMember, now: Repository) -> Iterator[str]:
    yield "set -eu"
    if now.foreign:
        said = f"The repository {now.wrong}. {TWO_DATABASES}"
        yield f"echo {shlex.quote(said)} >&2; exit 1"
        return
    if now.unmounted:
        said = (
            f"The repository {now.wrong}: a second repository would begin there, and be hidden by "
            f"the first one later. Mount {now.unmounted}, or correct /etc/fstab."
        )
        yield f"echo {shlex.quote(said)} >&2; exit 1"
        return
    if now.owner and not now.is_ours:
        two = TWO_HOSTS if now.whose == "host" else TWO_SITES
        away = the_mark_away(question.stanza, now.whose)
        said = f"The repository {now.wrong}. {two} {away}"
        yield f"echo {shlex.quote(said)} >&2; exit 1"
        return
    call = f"{AS_POSTGRES} timeout 150 pgbackrest --stanza={question.stanza}"
    if now.follows:
        yield _begun(call)
        return
    if now.code in MISSING:
        yield f"{call} stanza-create >&2"
    if not now.owner:
        identity = "$(cat /etc/machine-id)" if now.whose == "host" else now.own
        mark = f'echo "{identity} $(uname -n)"'
        yield f"{mark} | ({call} repo-put --raw {MARK}) >&2"
    # `check` archives a WAL segment and waits for its arrival.
    yield f"{call} check >&2"


def _begun(call: str) -> str:
    """Shell of a member that follows: it waits until the leader has begun the repository."""
    late = f"The member that leads has not begun the repository within {BEGUN_S} s."
    return f"""end=$(($(date +%s) + {BEGUN_S}))
until ({call} repo-get --raw --ignore-missing {MARK}) | grep -q .; do
  [ "$(date +%s)" -lt $end ] || {{ echo {shlex.quote(late)} >&2; exit 1; }}
  sleep 2
done"""


def recent(name: str, question: Asks, unit: str, noted: Sequence[str]) -> OperationMeta:
    """Keep a recent backup; if there is none, ``unit`` makes one now, and writes ``noted``."""
    expect(question)
    return _recent(name=name, question=question, unit=unit, noted=tuple(noted))


@operation()
def _recent(
    question: Asks, unit: str, noted: tuple[str, ...]
) -> Generator[StringCommand, None, None]:
    now = ask(cast(Question[Made], question))
    steps = _reread(unit, unread=now.unread)
    if now.old:
        explain(Change("the last backup", now.old))
        # On a member that follows, the unit has nothing to do, and ends well.
        made = () if now.follows else noted
        steps.append(_made(unit, question.units, *made))
    if not steps:
        host.noop("a backup was made lately")
        return
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def _reread(unit: str, *, unread: bool) -> list[str]:
    if not unread:
        return []
    explain(Change(unit, "has unit files that systemd has not read"))
    return ["systemctl daemon-reload"]


def proven(name: str, question: AskRepository, unit: str) -> OperationMeta:
    """Keep a drill that succeeded, not too long ago: where there is none, ``unit`` runs now."""
    expect(question)
    return _proven(name=name, question=question, unit=unit)


@operation()
def _proven(question: AskRepository, unit: str) -> Generator[StringCommand, None, None]:
    now: Repository = ask(question)
    steps = _reread(unit, unread=now.drill_unread)
    if now.unproven:
        explain(Change("the drill of the backups", now.unproven, severity="critical"))
        steps.append(_made(unit, (unit,), question.proven))
    if not steps:
        host.noop("the backups are proven")
        return
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def _made(unit: str, units: tuple[str, ...], *noted: str) -> str:
    """Shell that makes a backup now; one that takes longer than we wait goes on by itself."""
    return f"""systemctl reset-failed {unit} 2>/dev/null || true
began=$(date +%s)
systemctl start --no-block {unit}
sleep 1
end=$(($(date +%s) + {WAIT_S}))
while state=$(systemctl is-active {unit}) || [ "$state" = activating ] ||
  systemctl list-jobs --no-legend {unit} | grep -q .; do
  [ "$(date +%s)" -lt $end ] || exit 0
  sleep 1
done
failed() {{ journalctl -u 'mattermost-backup*' -n 30 -o cat --no-pager >&2; exit 1; }}
for one in {" ".join(units)}; do
  ! systemctl --quiet is-failed "$one" || failed
done
for noted in {" ".join(noted)}; do
  finished=$(sed -n s/^finished=//p "$noted" 2>/dev/null || true)
  [ "${{finished:-0}}" -ge "$began" ] || failed
done"""
