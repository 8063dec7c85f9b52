"""The locale that the database is made with."""

from pathlib import Path

import pytest

from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops import locale
from mattermost_host.ops.locale import HasLocale
from tests.unit import local
from tests.unit.fake_host import answering, plan

QUESTION = HasLocale("en_US.UTF-8")


def _shell(found: bool, manager: PackageManager = "apt", package: str = "locales") -> str:
    return plan(
        lambda: locale.available("it is there", "en_US.UTF-8", manager, package),
        answer=answering({QUESTION: found}),
    ).shell


def test_answers_in_commands_out() -> None:
    assert _shell(True) == ""
    assert _shell(False).endswith("locale-gen")


def test_a_package_that_brings_it_is_installed_again() -> None:
    """Its files were removed by hand: to rpm the package is still there."""
    assert _shell(True, "dnf", "glibc-langpack-en") == ""
    again = _shell(False, "dnf", "glibc-langpack-en")
    for how in ("reinstall", "upgrade"):
        assert f"patiently $dnf {how} glibc-langpack-en" in again
    assert "locale-gen" not in again


@pytest.mark.parametrize(
    ("compiled", "listed", "there"),
    [
        ("en_US.utf8", "en_US.UTF-8 UTF-8", True),
        ("C.utf8", "en_US.UTF-8 UTF-8", False),
        # Generated once, but the next upgrade of the C library would forget it.
        ("en_US.utf8", "# en_US.UTF-8 UTF-8", False),
        ("", "", False),
    ],
)
def test_by_the_real_shell(tmp_path: Path, compiled: str, listed: str, there: bool) -> None:
    listing = tmp_path / "locale.gen"
    listing.write_text(f"{listed}\n")
    programs = tmp_path / "programs"
    local.program(programs, "locale", f"echo '{compiled}'")
    local.program(programs, "locale-gen", "true")
    places = {"/etc/locale.gen": listing}
    assert local.ask_here(QUESTION, programs, places) is there
    for _ in range(2):
        assert local.run(local.moved(_shell(False), places), programs=programs).returncode == 0
    assert listing.read_text().splitlines().count("en_US.UTF-8 UTF-8") == 1
