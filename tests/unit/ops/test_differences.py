"""How grave a change of a file is: what it opens, and to whom."""

import hashlib

import pytest

from mattermost_host.ops.differences import _found, _severity
from mattermost_host.ops.entries import Absent, Alone, Directory, Entry, File, Link, Passable, State

PLAIN = File("/etc/x", "a = 1\n")
SECRET = File("/etc/s", "password", "640", group="mm", secret=True)
GATE = File("/etc/hba", "local\n", guards=True)
COMMENT = ("--- h", "+++ d", "@@", "-# a", "+# b")
VALUE = ("--- h", "+++ d", "@@", "-a = 2", "+a = 1")


def _state(content: str, mode: str = "644", user: str = "root", group: str = "root") -> State:
    return State("regular file", mode, user, group, hashlib.sha256(content.encode()).hexdigest())


@pytest.mark.parametrize(
    ("entry", "state", "diff", "severity"),
    [
        (PLAIN, _state("a = 2\n"), VALUE, "warning"),
        (PLAIN, _state("# a\n"), COMMENT, "info"),
        (PLAIN, _state("# a\n", mode="600"), COMMENT, "warning"),
        (PLAIN, _state("# a\n", user="games"), COMMENT, "warning"),
        (PLAIN, _state("a = 1\n", mode="646"), (), "critical"),
        (PLAIN, None, (), "warning"),
        (SECRET, _state("password", mode="644", group="mm"), (), "critical"),
        (SECRET, _state("password", mode="640", group="games"), (), "critical"),
        (SECRET, _state("other", mode="640", group="mm"), (), "warning"),
        (GATE, _state("host all\n"), VALUE, "critical"),
        (GATE, None, (), "critical"),
        (Directory("/d", "750"), State("directory", "757", "root", "root"), (), "critical"),
        (Directory("/d", "750"), State("directory", "700", "root", "root"), (), "warning"),
    ],
)
def test_severity(entry: Entry, state: State | None, diff: tuple[str, ...], severity: str) -> None:
    assert _severity(entry, state, diff) == severity


@pytest.mark.parametrize(
    ("entry", "state", "found"),
    [
        (PLAIN, None, "is missing"),
        (PLAIN, _state("b"), "has another content"),
        (
            PLAIN,
            _state("a = 1\n", "600", "games"),
            "has mode 600 instead of 644 and belongs to games:root instead of root:root",
        ),
        (
            PLAIN,
            State("directory", "644", "root", "root"),
            "is a directory instead of a regular file",
        ),
        (Link("/l", "a"), State("symbolic link", "777", "root", "root", target="b"), "leads to b"),
        (Absent("/x"), _state(""), "exists, but should not"),
        (
            Passable("/opt"),
            State("directory", "700", "root", "root"),
            "has mode 700: services can't get to their folders in it",
        ),
        (
            Alone("/d", ("a",)),
            State("directory", "755", "root", "root", members=("a", "b")),
            "holds b, which must not be there",
        ),
    ],
)
def test_in_words(entry: Entry, state: State | None, found: str) -> None:
    assert _found(entry, state) == found
