"""A member of the database's cluster leads or follows; a new one copies the database first."""

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.shell import PROGRESS
from mattermost_host.ops.patroni_state import AskCluster

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
