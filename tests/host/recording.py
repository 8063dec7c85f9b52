"""What a test has to say beside its verdict; the summary shows it."""

from typing import Protocol

from tests.host.asking import Seen


class Recorder(Protocol):
    """pytest's record_property."""

    def __call__(self, name: str, value: object) -> None: ...


def bounded_by_container(seen: Seen, wanted: int, record: Recorder) -> int:
    """``wanted`` open files, or what the container that the host is allows; that is then said."""
    if seen.most_files >= wanted:
        return wanted
    record("open files", f"this container allows {seen.most_files:,} of {wanted:,}")
    return seen.most_files
