"""Read an inventory with pyinfra's own reader, so that it means the same as in pyinfra.

That includes host data, group data, ``group_data/`` beside the inventory and in the current folder,
and what pyinfra's command line overrides.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from unittest import mock

import gevent
from pyinfra.api import Inventory as PyinfraInventory
from pyinfra.api import State
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.context import ctx_inventory, ctx_state
from pyinfra_cli import inventory as pyinfra_reader
from pyinfra_cli import util as pyinfra_util
from pyinfra_cli.exceptions import UnexpectedExternalError

from mattermost_host.engine import host_data
from mattermost_host.engine.host_data import Connection
from mattermost_host.engine.inventory_shape import LOCAL, Unreadable, plain, sound_groups
from mattermost_host.engine.roles import COMPLETE, ROLES, address_mistakes, role_mistakes
from mattermost_host.engine.trusted import refuse_mistrusted
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake, OperatorError, SiteError

OPS = "ops"
"""The group of a machine that checks for drift instead of this one; nothing is deployed to it."""
LIMIT_S = 60
"""Time limit for the execution of an inventory; one that asks a cloud's API takes seconds."""


@dataclass(frozen=True)
class SiteHost:
    """A host of the inventory: its name for pyinfra, its roles, and its data."""

    name: str
    roles: tuple[str, ...]
    data: Mapping[str, Any]
    """The data as pyinfra uses it; the properties below are its typed parts."""

    @property
    def connection(self) -> Connection:
        """How to log in to it."""
        return Connection.of(self.data)

    @property
    def private_address(self) -> str | None:
        """The address that the site's other hosts use: the stated one, or the host's name."""
        stated = self.data.get("private_address")
        return str(stated) if stated else _own_address(self.name)

    @property
    def priority(self) -> int:
        """Its rank among the hosts of its role; the highest comes first."""
        return int(self.data.get("priority", 100))

    @property
    def address(self) -> str:
        """The address that the control machine uses; ssh's configuration may define an alias."""
        if self.name == LOCAL:
            return "127.0.0.1"
        name = self.connection.hostname or self.name
        config = get_ssh_config(self.connection.config_file)
        return str(config.lookup(name).get("hostname", name)) if config else name


@dataclass(frozen=True)
class CommandLine:
    """What pyinfra's command line states about hosts."""

    override: Mapping[str, Any]
    group_data: Sequence[str] = ()


@dataclass(frozen=True)
class Inventory:
    """The content of an inventory file."""

    path: Path
    description: Mapping[str, Any]
    hosts: tuple[SiteHost, ...]
    mistakes: tuple[Mistake, ...]
    ops: tuple[SiteHost, ...] = ()
    """Hosts that check for drift; they may have roles, too."""


def read(path: Path, command_line: CommandLine | None = None) -> Inventory:
    """Execute the inventory and return its ``site`` and groups.

    Raises OperatorError if it can't be read.
    """
    if not path.is_file():
        shown = without_secrets(str(path))  # one may have written a host, as for pyinfra
        raise OperatorError(
            f"there is no inventory file {shown}; 'mattermost-host init' writes one"
        )
    names = _execute(path)
    mistakes: list[Mistake] = []
    description = names.get("site")
    if not isinstance(description, dict):
        found = "nothing" if description is None else type(description).__name__
        mistakes.append(Mistake("site", found, 'write site = {"url": "https://…", "users": …}'))
        description = {}
    groups = sound_groups(names, (*ROLES, OPS), mistakes)
    made = _by_pyinfra(path, groups, command_line or CommandLine({}))
    mistakes += _data_mistakes(made)
    hosts = tuple(_site_host(host, groups) for host in made)
    listed = _listed(hosts, groups)
    mistakes += _role_mistakes(names, listed)
    mistakes += address_mistakes(listed, _addresses(made, hosts))
    ops = tuple(host for host in hosts if host.name in _names(groups.get(OPS, [])))
    if len(ops) > 1:
        found = f"several hosts: {', '.join(host.name for host in ops)}"
        mistakes.append(Mistake(OPS, found, "name one; two would report everything twice"))
    return Inventory(
        path,
        description,
        tuple(host for host in hosts if host.roles),
        tuple(dict.fromkeys(mistakes)),
        ops,
    )


def unknown_hosts(unknown: Iterable[str], path: object, known: Iterable[str]) -> OperatorError:
    """What is said where the command line names hosts that the inventory lacks."""
    shown = ", ".join(repr(without_secrets(one)) for one in unknown)
    return OperatorError(f"no host {shown} in {path}; its hosts are: {', '.join(known)}")


def _execute(path: Path) -> dict[str, Any]:
    refuse_mistrusted(path)
    names: dict[str, Any] = {"__file__": str(path)}
    with _sentences(path), _limited(path), redirect_stdout(sys.stderr):
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)  # noqa: S102 - an inventory is Python
        return {
            name: plain(value, name) if _is_ours(name, value) else value
            for name, value in names.items()
        }


def _is_ours(name: str, value: Any) -> bool:
    return name == "site" or (isinstance(value, list | tuple) and not name.startswith("_"))


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turn whatever the inventory's code raises, sys.exit included, into an OperatorError."""
    process, exit_at_once = os.getpid(), os._exit

    def ended(status: int) -> NoReturn:
        # A process that the inventory started may end as it likes.
        if os.getpid() != process:
            exit_at_once(status)
        raise SystemExit(status)

    try:
        with mock.patch.object(os, "_exit", ended):
            yield
    except (OperatorError, gevent.Timeout, KeyboardInterrupt):
        raise
    except Unreadable as error:
        raise SiteError(str(path), [error.mistake]) from None
    except SystemExit:
        raise OperatorError(f"{path} ends the run (sys.exit); correct the file") from None
    except BaseException as error:
        cause = error.exception if isinstance(error, UnexpectedExternalError) else error
        raise OperatorError(
            f"{path} can't be read: {type(cause).__name__}: {cause}; correct this Python file"
        ) from error


@contextmanager
def _limited(path: Path) -> Iterator[None]:
    """A time limit: a signal ends code that computes, gevent ends code that waits."""
    late = OperatorError(f"{path} is still being executed after {LIMIT_S} s; see what it waits for")

    def end(_: int, __: FrameType | None) -> None:
        raise late

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S * 1.1)
    try:
        with gevent.Timeout(LIMIT_S, late):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _by_pyinfra(path: Path, groups: dict[str, Any], command_line: CommandLine) -> PyinfraInventory:
    """pyinfra's inventory of these groups, with all data that it finds for them."""
    folders = dict.fromkeys((Path.cwd() / "group_data", path.resolve().parent / "group_data"))
    for folder in [*folders, *map(Path, command_line.group_data)]:
        for file in sorted(folder.glob("*.py")) if folder.is_dir() else []:
            refuse_mistrusted(file)
    before = ctx_state.get(), ctx_inventory.get()  # type: ignore[no-untyped-call]
    if before[0] is None:
        ctx_state.set(State())  # type: ignore[no-untyped-call]
    pyinfra_util.PYTHON_CODES.clear()  # group_data files may have changed since they were read
    # The inventory was executed already; again would be slow and could give other groups.
    known = mock.patch.object(pyinfra_reader, "_get_groups_from_filename", lambda _: dict(groups))
    try:
        with _sentences(path), _limited(path), redirect_stdout(sys.stderr), known:
            made: PyinfraInventory = pyinfra_reader.make_inventory_from_files(
                str(path),
                dict(command_line.override),
                str(Path.cwd()),
                list(command_line.group_data),
            )
    finally:
        ctx_state.set(before[0])  # type: ignore[no-untyped-call]
        ctx_inventory.set(before[1])  # type: ignore[no-untyped-call]
    return made


def _site_host(host: Any, groups: Mapping[str, Any]) -> SiteHost:
    # pyinfra adds a group with the file's name; only groups in the file itself are roles.
    roles = tuple(group for group in host.groups if group in ROLES and group in groups)
    return SiteHost(host.name, tuple(dict.fromkeys(roles)), host_data.sound(host.data.dict()))


def _data_mistakes(made: PyinfraInventory) -> Iterator[Mistake]:
    yield from host_data.mistakes('group "all"', made.data)
    said: set[tuple[str, str]] = set()
    for group, data in made.group_data.items():
        for mistake in host_data.mistakes(f'group "{group}"', data):
            # With app = db = proxy = […], a mistake is reported once, not three times.
            what = (mistake.path.partition('"')[2].partition('"')[2], mistake.found)
            if what not in said:
                yield mistake
            said.add(what)
    for name, data in made.host_data.items():
        yield from host_data.mistakes(f'host "{name}"', data)


def _addresses(made: PyinfraInventory, hosts: Sequence[SiteHost]) -> dict[str, str | None]:
    """The addresses of hosts with roles, without those whose mistake is told already."""
    stated: dict[str, Any] = {host.name: host.data.dict() for host in made}  # type: ignore[no-untyped-call]
    return {
        host.name: host.private_address
        for host in hosts
        if host.roles
        and ("private_address" in stated[host.name]) <= ("private_address" in host.data)
    }


def _listed(hosts: Sequence[SiteHost], groups: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The roles of each host, except for hosts that are only in ``ops``."""
    others = [_names(members) for name, members in groups.items() if name != OPS]
    return {host.name: host.roles for host in hosts if host.roles or _is_in(host.name, others)}


def _is_in(name: str, groups: Sequence[Sequence[str]]) -> bool:
    return any(name in group for group in groups)


def _names(group: Any) -> list[str]:
    members = group[0] if isinstance(group, tuple) else group
    return [member[0] if isinstance(member, tuple) else member for member in members]


def _role_mistakes(
    names: Mapping[str, Any], roles: Mapping[str, tuple[str, ...]]
) -> Iterator[Mistake]:
    # A list that is written but has mistakes is not empty; they are reported already.
    held = {role for roles_of_host in roles.values() for role in roles_of_host}
    empty = [role for role in COMPLETE if role not in held and not names.get(role)]
    return role_mistakes(empty, roles, _external_database(names))


def _own_address(name: str) -> str | None:
    try:
        return str(ip_address(name))
    except ValueError:
        return None


def _external_database(names: Mapping[str, Any]) -> bool:
    site = names.get("site")
    postgres = site.get("postgres") if isinstance(site, dict) else None
    return isinstance(postgres, dict) and bool(postgres.get("dsn"))
