"""Files: what is asked, what is answered, and what follows from it."""

import grp
import hashlib
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import files
from mattermost_host.ops.entries import (
    Absent,
    Alone,
    Directory,
    Entry,
    File,
    FileStates,
    Link,
    Owned,
    Passable,
    State,
)
from mattermost_host.ops.files import Check
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name


def _state(content: str, mode: str = "644", user: str = "root", group: str = "root") -> State:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return State("regular file", mode, user, group, digest)


CONFIGURED = File("/etc/x", "a\n")
LINK = State("symbolic link", "777", "root", "root", target="b")
FOLDER = State("directory", "755", "root", "root")
OWNED = Owned("/o", "www-data", "www-data")
TABLE: list[tuple[Entry, State | None, str | None]] = [
    (CONFIGURED, _state("a\n"), None),
    (CONFIGURED, None, "place /etc/x 644 root:root"),
    (CONFIGURED, _state("b\n"), "place /etc/x 644 root:root"),
    (CONFIGURED, _state("a\n", mode="600"), "place /etc/x 644 root:root"),
    (CONFIGURED, _state("a\n", user="www-data"), "place /etc/x 644 root:root"),
    (CONFIGURED, _state("a\n", group="adm"), "place /etc/x 644 root:root"),
    # A link that leads to the right content is still not the file.
    (CONFIGURED, LINK, "place /etc/x 644 root:root"),
    (
        File("/etc/x", ""),
        State("regular file", "644", "root", "root", hashlib.sha256().hexdigest()),
        None,
    ),
    (File("/etc/x", "a\n", mode="0644"), _state("a\n"), None),
    (File("/etc/it's", "a"), None, "place '/etc/it'\"'\"'s' 644 root:root"),
    (Directory("/d"), FOLDER, None),
    (
        Directory("/d", "750", "www-data", "adm"),
        FOLDER,
        "folder /d 750 www-data:adm",
    ),
    (Directory("/d"), None, "folder /d 755 root:root"),
    (Link("/l", "b"), LINK, None),
    (Link("/l", "c"), LINK, "link /l c"),
    (Link("/l", "b"), None, "link /l b"),
    (Absent("/x"), None, None),
    (Absent("/x"), FOLDER, "gone /x"),
    (Alone("/d", ("a",)), replace(FOLDER, members=("a", "b")), "alone /d ! -name a"),
    (Alone("/d"), LINK, "gone /d"),
    (Passable("/s"), None, None),
    (Passable("/s"), LINK, None),
    (Passable("/s"), replace(FOLDER, mode="711"), None),
    (Passable("/s"), replace(FOLDER, mode="1777", user="games"), None),
    (Passable("/s"), replace(FOLDER, mode="700"), "passable /s"),
    (Passable("/s"), replace(FOLDER, mode="750", group="adm"), "passable /s"),
    (OWNED, None, None),
    (OWNED, _state("x", "600", "www-data", "www-data"), None),
    (OWNED, _state("x", "640", "www-data", "www-data"), None),
    (OWNED, _state("x", "600"), "owned /o 600 www-data:www-data"),
    (OWNED, _state("x", "664", "www-data", "www-data"), "owned /o 640 www-data:www-data"),
]


@pytest.mark.parametrize(("entry", "state", "command"), TABLE)
def test_answer_in_command_out(entry: Entry, state: State | None, command: str | None) -> None:
    found = {entry.path: state} if state else {}
    result = planned([entry], answers={files._question([entry]): found})
    assert result.shell.splitlines()[-1:] == ([command] if command else [])


def planned(
    entries: list[Entry],
    check: Check | None = None,
    answers: dict[FileStates, dict[str, State]] | None = None,
) -> Plan:
    return plan(
        lambda: files.present(name="files are right", entries=entries, check=check),
        answer=answering(answers or {}),
    )


def test_only_what_differs_is_sent() -> None:
    right, wrong = File("/a", "right"), File("/b", "wrong")
    question = FileStates(("/a", "/b"))
    result = planned([wrong, right], answers={question: {"/a": _state("right")}})
    assert result.written == {"/b": b"wrong"}
    assert "/a" not in result.shell


def test_content_is_never_part_of_a_command_or_of_a_printed_operation() -> None:
    secret = File("/s", "hunter2", "600", secret=True)
    result = planned([secret])
    assert "hunter2" not in result.shell
    assert "hunter2" not in repr(result.entries)
    assert [step.name for step in result.steps] == ["files are right"]
    assert result.written == {"/s": b"hunter2"}


def test_nothing_there_is_an_answer_too() -> None:
    assert FileStates(("/a",)).parse([]) == {}


def test_the_real_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a\n")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "empty").touch(0o600)
    (tmp_path / "with a blank").write_text("b")
    (tmp_path / "folder").mkdir(0o750)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("/no/such")
    names = [*(path.name for path in tmp_path.iterdir()), "missing"]
    found = local.ask_here(FileStates(tuple(str(tmp_path / name) for name in names)))
    states = {Path(path).name: state for path, state in found.items()}
    owner = (USER, GROUP)
    digest = hashlib.sha256(b"a\n").hexdigest()
    assert set(states) == set(names) - {"missing"}
    assert states["file"] == State("regular file", "640", *owner, digest)
    assert states["empty"].kind == "regular file"
    assert states["folder"] == State("directory", "750", *owner)
    assert (states["link"].kind, states["link"].target) == ("symbolic link", "file")
    assert (states["dangling"].kind, states["dangling"].target) == ("symbolic link", "/no/such")
    assert states["with a blank"].sha256 == hashlib.sha256(b"b").hexdigest()
