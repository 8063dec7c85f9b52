"""Measurements that a check records; the report shows them."""

from typing import Protocol

from tests.host.asking import Seen


class Recorder(Protocol):
    """pytest's record_property."""

    def __call__(self, name: str, value: object) -> None: ...


def bounded_by_container(seen: Seen, wanted: int, record: Recorder) -> int:
    """``wanted`` open files, or the limit of the host's container, which is recorded then."""
    if seen.most_files >= wanted:
        return wanted
    record("open files", f"this container allows {seen.most_files:,} of {wanted:,}")
    return seen.most_files
