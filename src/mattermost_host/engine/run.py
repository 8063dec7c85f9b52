"""Run pyinfra from Python: prepare a deploy on every host, evaluate it, execute it if wanted."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyinfra
from paramiko import SSHException
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import OperationMeta
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra_cli.log import setup_logging
from pyinfra_cli.util import load_deploy_file

from mattermost_host.engine import beforehand, each_host, shell
from mattermost_host.engine.connections import connections
from mattermost_host.engine.explanations import Change, collecting, explained
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.restart_triggers import Consequence, announced
from mattermost_host.engine.trusted import refuse_mistrusted
from mattermost_host.support.errors import OperatorError

LOST = (PyinfraError, SSHException, OSError, EOFError)
"""Exceptions of a broken connection or a host that does not answer."""


@dataclass(frozen=True)
class Operation:
    """An operation on one host, as it would be executed now."""

    id: str
    name: str
    will_change: bool
    changes: tuple[Change, ...]
    """What it would change, in words."""
    meta: OperationMeta
    """pyinfra's object for it, which deploys use."""


class Run:
    """A deploy that is prepared on every host and not executed yet."""

    advice = (
        "the error is shown above. Correct it and run again; the run continues where it stopped."
    )
    """What an operator is to do after a failure, where no operation says it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def operations(self) -> Mapping[str, tuple[Operation, ...]]:
        """Evaluate every operation on every host; host name -> operations in order.

        Raises OperatorError that names a host that does not answer.
        """
        hosts = list(self._state.inventory.get_active_hosts())
        found = each_host.ask(hosts, lambda host: tuple(self._evaluated(host)))
        return {host.name: operations for host, operations in zip(hosts, found, strict=True)}

    def _evaluated(self, host: Host) -> Iterator[Operation]:
        try:
            for digest in host.op_hash_order:
                meta = self._state.get_op_data_for_host(host, digest).operation_meta
                yield Operation(
                    digest,
                    ", ".join(self._state.get_op_meta(digest).names),
                    meta.will_change,
                    tuple(explained(host, digest)),
                    meta,
                )
        except OperatorError:
            raise
        except LOST as error:
            raise OperatorError(f"{host.name} did not answer: {error}") from error

    def consequences(self, host_name: str) -> Sequence[Consequence]:
        """What would restart or reload a unit of this host."""
        return announced(self._state.inventory.get_host(host_name))

    def keep(self, host_name: str, wanted: Collection[Operation]) -> None:
        """Remove all operations of a host from the run except for those in ``wanted``."""
        host = self._state.inventory.get_host(host_name)
        kept = {operation.id for operation in wanted}
        for digest in list(self._state.ops[host]):
            if digest not in kept:
                # pyinfra prints "Skipped" for an operation that a host does not have.
                del self._state.ops[host][digest]

    def execute(self) -> None:
        """Execute the operations, with pyinfra's own progress lines.

        Raises OperatorError that names the hosts on which the run failed.
        """
        for host in self._state.inventory.get_active_hosts():
            beforehand.get_all(host, list(self._state.ops[host]))
        # A command may execute two deploys; with a second handler each line comes twice.
        if not pyinfra.logger.handlers:
            setup_logging(logging.INFO)
        self._state.set_stage(StateStage.Execute)
        reason = ""
        try:
            run_ops(self._state)
        except LOST as error:
            reason = f" ({error})"
        failed = sorted(host.name for host in self._state.failed_hosts)
        if verdicts := list(self._verdicts()):
            raise OperatorError("\n".join(verdicts))
        if failed or reason:
            raise OperatorError(
                f"the run failed on {', '.join(failed) or 'this machine'}{reason}; {self.advice}"
            )

    def _verdicts(self) -> Iterator[str]:
        """How operations that failed say that they left their hosts; see ``shell.VERDICT``."""
        for host in sorted(self._state.failed_hosts, key=lambda one: one.name):
            for digest in host.op_hash_order:
                meta = self._state.get_op_data_for_host(host, digest).operation_meta
                if meta.is_complete() and not meta.did_succeed():
                    for line in meta.stderr_lines[-1:]:
                        if line.startswith(shell.VERDICT):
                            yield f"{host.name}: {line.removeprefix(shell.VERDICT)}"


@contextmanager
def prepared(hosts: Sequence[SiteHost], deploy: Path) -> Iterator[Run]:
    """Connect to ``hosts`` and prepare ``deploy`` there; operations explain their changes.

    Raises OperatorError if a host can't be reached.
    """
    refuse_mistrusted(deploy)
    with connections(hosts) as state, _as_its_command(), collecting():
        # pyinfra's own check for changes would ask one question at a time.
        state.check_for_changes = False
        _connect(state)
        state.set_stage(StateStage.Prepare)
        load_deploy_file(state, str(deploy))
        yield Run(state)


@contextmanager
def _as_its_command() -> Iterator[None]:
    """Set pyinfra's is_cli: only then it orders operations by their lines in the deploy."""
    before = pyinfra.is_cli
    pyinfra.is_cli = True
    try:
        yield
    finally:
        pyinfra.is_cli = before


def _connect(state: State) -> None:
    hosts = list(state.inventory)
    silent = {
        host.name: reason
        for host, reason in zip(hosts, each_host.ask(hosts, each_host.connect), strict=True)
        if reason
    }
    if silent:
        lines = [f"{name}: {reason}" for name, reason in silent.items()]
        if len(silent) < len(hosts):
            lines.append("what is lost for now can be left out: --without HOST")
        raise OperatorError(
            "\n".join(["nothing was changed, because not every host answered", *lines])
        )
    for host in hosts:
        state.activate_host(host)
