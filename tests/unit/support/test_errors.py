"""Sentences on a terminal: what they repeat is seen, and never obeyed."""

import io

import pytest

from mattermost_host.engine.refusals import Refusal
from mattermost_host.engine.unreachable import NotReached
from mattermost_host.support.errors import Mistake, OperatorError, SiteError

ODD = {
    "a\x1b[2Jb": "a\\x1b[2Jb",
    "a\0b": "a\\x00b",
    "a\u202eb": "a\\u202eb",
    "a\x9bb": "a\\x9bb",
    "a\rb": "a\\rb",
    "a\ud800b": "a\\ud800b",
}


@pytest.mark.parametrize(("odd", "seen"), ODD.items())
def test_control_characters_and_marks_of_direction_are_seen(odd: str, seen: str) -> None:
    file = io.StringIO()
    OperatorError(f"there is no file {odd};\n\tname one").show(file)
    assert file.getvalue().endswith(f"there is no file {seen};\n\tname one\n")
    assert str(OperatorError(odd)) == seen
    assert str(NotReached(Refusal(f"there is no file {odd}", "Name one"))) == (
        f"there is no file {seen}. Name one."
    )
    (_, line) = str(SiteError(odd, [Mistake("key", odd + "\nnext", "name one")])).split("\n")
    assert line == f"  - key: found {seen}\\nnext; name one"


def test_other_letters_stay() -> None:
    assert str(OperatorError("„Füße“ 漢字 …")) == "„Füße“ 漢字 …"
