"""Runs the checks of tests/host against the hosts of a site."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mattermost_host.support import output
from mattermost_host.support.paths import PROJECT

TESTS = PROJECT / "tests" / "host"


def run(
    inventory: Path,
    *,
    journey: bool,
    junit: Path | None = None,
    json_file: str | None = None,
    release: Sequence[str] = (),
) -> int:
    """Verify every host of ``inventory``; returns 0 if all checks passed, otherwise 1.

    ``json_file`` gets the same as JSON; ``-`` is standard output, and then nothing else goes there.
    ``release`` are options for another release than the inventory states.
    """
    # Imported here: pytest takes a tenth of a command's start, and a plan does not need it.
    import pytest  # noqa: PLC0415

    from mattermost_host.verify.report import Report  # noqa: PLC0415

    where = [str(TESTS), f"--inventory={inventory.resolve()}", "-p", "no:terminal"]
    arguments = [*where, *release]
    if journey:
        arguments.append("--journey")
    if junit:
        arguments.append(f"--junit-xml={junit.resolve()}")
    report = Report()
    with output.writing(str(junit)):
        ended = pytest.main(arguments, plugins=[report])
    status = 0 if ended == pytest.ExitCode.OK and report.holds else 1
    if json_file:
        output.write(json_file, report.to_json(status))
    if json_file != "-":
        report.show(Console(highlight=False, soft_wrap=True))
    return status
