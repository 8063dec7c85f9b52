"""Explanations of what an operation would change; collected for plans only."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

from pyinfra.api import Host
from pyinfra.api.operation import OperationMeta
from pyinfra.context import ctx_host

Effect = Literal["change", "restart", "reload"]
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class Change:
    """A difference between host and description, and what a run would do about it."""

    subject: str
    """What differs: a path, a unit, a package, a role …"""
    found: str
    """What is wrong with it, as the predicate of a sentence about ``subject``."""
    effect: Effect = "change"
    severity: Severity = "warning"
    """critical: a security hole or an outage; info: nothing depends on it."""
    diff: tuple[str, ...] = ()
    """Unified diff of a file without secrets, from the host's to ours."""
    content: bool = True
    """Whether content that a process reads would change, not only a mode or an owner."""
    heals: bool = True
    """Whether an unattended repair may make this change; it must not upgrade, for example."""

    def __str__(self) -> str:
        return f"{self.subject} {self.found}"


_collected: WeakKeyDictionary[Host, dict[str, list[Change]]] = WeakKeyDictionary()
_foretold: WeakKeyDictionary[Host, dict[str, Mapping[str, str]]] = WeakKeyDictionary()
_collecting = False


@contextmanager
def collecting() -> Iterator[None]:
    """In this context operations explain what they would change, with diffs of files."""
    global _collecting  # noqa: PLW0603 - one plan at a time is made in a process
    _collecting = True
    try:
        yield
    finally:
        _collecting = False


def wanted() -> bool:
    """Whether explanations are collected; otherwise no question is asked just for them."""
    return _collecting


def explain(*changes: Change) -> None:
    """Explain what the operation that is being evaluated would change."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if _collecting and host.current_op_hash:
        _collected.setdefault(host, {})[host.current_op_hash] = list(changes)


def explained(host: Host, operation: str) -> Sequence[Change]:
    """What the operation with this hash would change on ``host``."""
    return _collected.get(host, {}).get(operation, ())


def foretell(becoming: Mapping[str, str]) -> None:
    """Note what the operation that is being evaluated would write.

    Path -> content as ``what_was_read`` notes it: a digest or a link's target, "" for a removed
    file. It is no part of ``Change``, because plans are shown and files may be secret.
    """
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if host.current_op_hash:
        _foretold.setdefault(host, {})[host.current_op_hash] = becoming


def foretold(operation: OperationMeta) -> Mapping[str, str] | None:
    """What an operation of this host would write; None if it did not note that."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if not operation.will_change:
        return {}
    return _foretold.get(host, {}).get(operation._hash)


def foreseen_content(operation: OperationMeta) -> bool:
    """Whether an operation of this host would change content that a process reads."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if not operation.will_change:
        return False
    told = explained(host, operation._hash)
    return not told or any(change.content for change in told)
