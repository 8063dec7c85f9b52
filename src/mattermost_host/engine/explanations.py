"""What an operation would change, in words. A plan collects them; a deploy does not need them."""

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
    """One thing that is not as described, and what a run would do about it."""

    subject: str
    """A path, a unit, a package, a role …"""
    found: str
    """What is wrong with it: completes the sentence that the subject begins."""
    effect: Effect = "change"
    severity: Severity = "warning"
    """critical: open to somebody, or down; info: nothing depends on it."""
    diff: tuple[str, ...] = ()
    """Unified difference of a file that holds no secret, from the host's to ours."""
    content: bool = True
    """Whether what a process reads becomes another; a mode or an owner is not read."""
    heals: bool = True
    """Whether a repair that nobody watches may make it; an upgrade is an operator's."""

    def __str__(self) -> str:
        return f"{self.subject} {self.found}"


_collected: WeakKeyDictionary[Host, dict[str, list[Change]]] = WeakKeyDictionary()
_foretold: WeakKeyDictionary[Host, dict[str, Mapping[str, str]]] = WeakKeyDictionary()
_collecting = False


@contextmanager
def collecting() -> Iterator[None]:
    """While this lasts, operations explain what they would change, with diffs of files."""
    global _collecting  # noqa: PLW0603 - one plan at a time is made in a process
    _collecting = True
    try:
        yield
    finally:
        _collecting = False


def wanted() -> bool:
    """Whether explanations are collected; if not, no question is asked just for them."""
    return _collecting


def explain(*changes: Change) -> None:
    """Explain what the operation that is being evaluated would change."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if _collecting and host.current_op_hash:
        _collected.setdefault(host, {})[host.current_op_hash] = list(changes)


def explained(host: Host, operation: str) -> Sequence[Change]:
    """What the operation with this hash said it would change on ``host``."""
    return _collected.get(host, {}).get(operation, ())


def foretell(becoming: Mapping[str, str]) -> None:
    """Note what the operation that is being evaluated would write.

    By path: the content as ``what_was_read`` notes it, a digest or a link's target; "" where
    nothing will be. Not part of a change, since a plan is shown and files may be secret.
    """
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if host.current_op_hash:
        _foretold.setdefault(host, {})[host.current_op_hash] = becoming


def foretold(operation: OperationMeta) -> Mapping[str, str] | None:
    """What an operation of this host would write; None where it does not say."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if not operation.will_change:
        return {}
    return _foretold.get(host, {}).get(operation._hash)


def foreseen_content(operation: OperationMeta) -> bool:
    """Whether an operation of this host would change what a process reads, as far as it says."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    if not operation.will_change:
        return False
    told = explained(host, operation._hash)
    return not told or any(change.content for change in told)
