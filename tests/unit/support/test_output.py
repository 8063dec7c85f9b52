"""Files that an operator asked for, on a full disk and where nobody reads."""

from pathlib import Path

import pytest

from mattermost_host.support import output
from mattermost_host.support.errors import OperatorError


def test_what_was_written_ends_with_a_line(tmp_path: Path) -> None:
    output.write(str(tmp_path / "plan.json"), "{}")
    assert (tmp_path / "plan.json").read_text() == "{}\n"


def test_standard_output_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    output.write("-", "{}")
    assert capsys.readouterr().out == "{}\n"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("/dev/full", "/dev/full can't be written: No space left on device"),
        ("/proc/plan.json", "/proc/plan.json can't be written: No such file or directory"),
    ],
)
def test_a_file_that_can_not_be_written_is_named(file: str, words: str) -> None:
    with pytest.raises(OperatorError) as caught:
        output.write(file, "{}")
    assert str(caught.value) == words


def test_a_reader_that_has_gone_is_no_error_of_the_file() -> None:
    with pytest.raises(BrokenPipeError), output.writing("-"):
        raise BrokenPipeError
