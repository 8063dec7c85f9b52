"""The settings that all members of the database's cluster share; they lie in etcd."""

import json
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.patroni import LOOP_S
from mattermost_host.ops.patroni_state import AskCluster, ClusterState

SUBJECT = "the database's cluster"


def present(name: str, question: AskCluster, wanted: Mapping[str, Any]) -> OperationMeta:
    """Keep ``wanted`` among the shared settings; the leader's host changes them."""
    expect(question)
    return _present(name=name, question=question, wanted=json.dumps(wanted, sort_keys=True))


@operation()
def _present(question: AskCluster, wanted: str) -> Generator[StringCommand, None, None]:
    now = ask(question)
    changes = list(_explained(now, json.loads(wanted)))
    if not changes or not (now.leads or not now.answered):
        host.noop("the shared settings are as described")
        return
    explain(*changes)
    if not now.answered:
        refused = "Patroni does not answer: journalctl -u patroni"
        yield StringCommand(f"echo '{refused}' >&2; exit 1")
        return
    patch = f"{question.way.curl} --fail -o /dev/null -X PATCH --data @- {question.way.url}/config"
    # Members say at their next look that a parameter waits for a restart.
    told = json.dumps({**json.loads(wanted), **({"pause": None} if now.paused else {})})
    yield from changing(StringCommand(f"{patch} && sleep {LOOP_S + 1}", _stdin=[told]))


def _explained(now: ClusterState, wanted: Mapping[str, Any]) -> Iterator[Change]:
    if not now.answered:
        yield Change(SUBJECT, "does not answer", severity="critical")
        return
    for path in differing(wanted, now.settings):
        yield Change(SUBJECT, f"has another {path} than it should")
    if now.paused:
        yield Change(SUBJECT, "is paused: no other host takes over", severity="critical")


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The keys whose value differs; keys that are not wanted are the administrator's."""
    for key, value in wanted.items():
        there = found.get(key)
        if isinstance(value, Mapping):
            yield from differing(
                value, there if isinstance(there, Mapping) else {}, f"{path}{key}."
            )
        elif str(value) != str(there):
            yield f"{path}{key}"
