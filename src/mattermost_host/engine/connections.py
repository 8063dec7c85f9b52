"""Connections to a site's hosts outside of a pyinfra run, made the way pyinfra makes them."""

import runpy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyinfra.api import Config, Host, Inventory, State
from pyinfra.context import ctx_config, ctx_inventory, ctx_state

from mattermost_host.engine import each_host, host_lock, remote
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.trusted import refuse_mistrusted
from mattermost_host.support.errors import OperatorError

CONFIG = Path("config.py")


@contextmanager
def connections(hosts: Sequence[SiteHost], config_file: Path = CONFIG) -> Iterator[State]:
    """A pyinfra state with ``hosts``, which are connected when they are first asked.

    ``config_file`` states how to become root there, as in pyinfra's own runs.
    """
    config = Config()  # type: ignore[no-untyped-call]
    ctx_config.set(config)  # type: ignore[no-untyped-call]
    _read_config(config_file)
    inventory = Inventory(([(host.name, dict(host.data)) for host in hosts], {}))  # type: ignore[no-untyped-call]
    state = State(inventory, config)
    state.cwd = str(Path.cwd())
    ctx_state.set(state)  # type: ignore[no-untyped-call]
    ctx_inventory.set(inventory)  # type: ignore[no-untyped-call]
    try:
        yield state
    finally:
        for host in inventory:
            host_lock.let_go(host)
            if host.connected:
                host.disconnect()
        for context in (ctx_config, ctx_state, ctx_inventory):
            context.reset()


def _read_config(file: Path) -> None:
    if not file.is_file():
        raise OperatorError(
            "the current folder has no config.py; run this in the folder that has it"
        )
    refuse_mistrusted(file)
    try:
        runpy.run_path(str(file))
    except OperatorError:
        raise
    except (Exception, SystemExit) as error:
        raise OperatorError(
            f"{file} can't be executed: {type(error).__name__}: {error}; correct this Python file"
        ) from error


def run_as_root(
    host: SiteHost,
    script: str,
    write: Callable[[remote.Send], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> remote.Answer:
    """Log in to ``host`` and run a script as root there; ``say`` gets its lines as they come.

    Raises OperatorError with a sentence.
    """
    with connections([host]) as state:
        (one,) = all_hosts(state)
        if reason := each_host.connect(one):
            raise OperatorError(f"{host.name} can't be reached: {reason}")
        return remote.run(one, script, write, say)


def current_state() -> State:
    """pyinfra's state of the run that is being prepared."""
    state: State = ctx_state.get()  # type: ignore[no-untyped-call]
    return state


def all_hosts(state: State) -> list[Host]:
    """Every host of the inventory."""
    return list(state.inventory)


def active_hosts(state: State) -> list[Host]:
    """The hosts of this run that have not failed."""
    return list(state.inventory.get_active_hosts())


def is_executing() -> bool:
    """Whether operations are being executed; before that, they only predict changes."""
    return bool(current_state().is_executing)
