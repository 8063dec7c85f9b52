"""`mattermost-host schedule`: what it installs and removes, and what it refuses."""

import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from mattermost_host.cli.main import main
from mattermost_host.drift import metrics, schedule
from mattermost_host.drift.schedule import Places
from mattermost_host.site import secret_variables
from mattermost_host.support import trust
from tests.unit import local
from tests.unit.drift.scheduled import places_in, site_in


class TestInstall:
    """The commands against a systemctl that only notes what it is asked."""

    @pytest.fixture(autouse=True)
    def _here(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Places, "mine", lambda: places_in(folder))
        log = shlex.quote(str(folder / "asked"))
        programs = folder / "fakes"
        local.program(programs, "systemctl", f'echo "$@" >>{log}; echo Thu 2026-11-26 03:00 UTC')
        monkeypatch.setenv("PATH", str(programs), prepend=":")
        monkeypatch.setattr(metrics, "USUAL", folder / "none")

    def _schedule(self, folder: Path, *options: str) -> tuple[int, str]:
        words = ["schedule", str(folder / "chat.py"), *options]
        done = CliRunner().invoke(main, words)
        return done.exit_code, " ".join(done.output.split())

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
    def test_files_have_their_modes_whatever_the_umask(self, folder: Path, umask: int) -> None:
        site = site_in(folder)
        before = os.umask(umask)
        try:
            status, said = self._schedule(folder, "--on-calendar", "daily")
        finally:
            os.umask(before)
        assert status == 0, said
        assert ".timer is installed; next: Thu 2026-11-26 03:00 UTC" in said
        written = schedule.files(site, "daily", None, places_in(folder))
        assert {path: path.read_text() for path in written} == dict(written)
        assert {path.stat().st_mode & 0o777 for path in written} == {0o644}
        assert not {path.parent.stat().st_mode & 0o022 for path in written} - {0}
        assert "enable --quiet" in (folder / "asked").read_text()
        status, said = self._schedule(folder, "--remove")
        assert (status, [path for path in written if path.exists()]) == (0, [])
        assert self._schedule(folder, "--remove")[0] == 1

    def test_a_timer_is_removed_without_its_inventory(self, folder: Path) -> None:
        site_in(folder)
        self._schedule(folder, "--on-calendar", "daily")
        (folder / "chat.py").write_text("nonsense(")
        assert self._schedule(folder, "--remove", "--here")[0] == 0

    @pytest.mark.parametrize(
        "loose",
        [
            "checkout/deploys/site.py",
            "checkout/config.py",
            "checkout/.venv/bin/mattermost-host",
            "checkout/scripts/setup",
            "chat.py",
            "group_data/app.py",
            "checkout/x.py",
        ],
    )
    def test_code_of_others_is_refused(
        self, folder: Path, loose: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trust, "_lets_others_in", lambda _: True)  # the test's folder is closed
        site_in(folder)
        path = folder / loose
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(path.stat().st_mode | 0o002)
        status, said = self._schedule(folder, "--on-calendar", "daily")
        assert status == 1
        assert "is writable by every user" in said
        assert not (folder / "units").exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another user")
    def test_code_that_belongs_to_somebody_else_is_refused(self, folder: Path) -> None:
        site_in(folder)
        os.chown(folder / "checkout/.venv/bin/mattermost-host", 65534, -1)
        status, said = self._schedule(folder, "--on-calendar", "daily")
        assert (status, "mattermost-host belongs to nobody" in said) == (1, True)

    def test_without_a_config_there_is_nothing_to_schedule(self, folder: Path) -> None:
        site_in(folder)
        (folder / "checkout/config.py").unlink()
        assert "there is no config.py here" in self._schedule(folder, "--on-calendar", "daily")[1]

    def test_folders_of_others_are_no_part_of_path(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = site_in(folder)
        monkeypatch.setattr(trust, "_lets_others_in", lambda _: True)
        (folder / "shims").mkdir()
        (folder / "shims").chmod(0o777)
        monkeypatch.setenv("PATH", f"{folder}/shims::relative:{os.environ['PATH']}")
        _, service, _ = schedule.files(site, "daily", None, places_in(folder)).values()
        (path,) = re.findall(r'^Environment="PATH=(.*)"$', service, re.M)
        assert "shims:" not in path.partition("/usr")[0] and "relative" not in path
        assert "/usr/bin" in path

    def test_a_metric_that_could_not_be_written_is_said_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site_in(folder)
        monkeypatch.setattr(metrics, "USUAL", folder)
        monkeypatch.setattr(metrics, "directory", lambda stated: stated)
        assert "so there is no metric" in self._schedule(folder, "--on-calendar", "daily")[1]


class TestRefusals:
    """Each is a sentence, and nothing is written."""

    @pytest.fixture(autouse=True)
    def _here(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Places, "mine", lambda: places_in(folder))

    def _refused(self, folder: Path, *options: str) -> str:
        done = CliRunner().invoke(main, ["schedule", str(folder / "chat.py"), *options])
        assert done.exit_code != 0
        assert not (folder / "units").exists()
        return " ".join(done.output.split())

    def test_a_mistake_in_the_inventory(self, folder: Path) -> None:
        (folder / "chat.py").write_text("site = {}\napp = db = proxy = ['h1']\n")
        assert "nothing was changed" in self._refused(folder, "--on-calendar", "daily")

    @pytest.mark.parametrize(
        ("text", "says"), [("nonsense(", "can't be read"), (None, "there is no inventory")]
    )
    def test_no_inventory(self, folder: Path, text: str | None, says: str) -> None:
        if text:
            (folder / "chat.py").write_text(text)
        assert says in self._refused(folder, "--on-calendar", "daily")

    def test_an_expression_outside_of_the_window(self, folder: Path) -> None:
        site_in(folder)
        options = ["--on-calendar", "*-*-* 05:00", "--heal", "all", "--window", "02:00-04:00"]
        assert "never falls into --window 02:00-04:00" in self._refused(folder, *options)

    @pytest.mark.parametrize("variable", secret_variables.VARIABLES)
    def test_secrets_of_the_environment(
        self, folder: Path, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site_in(folder)
        monkeypatch.setenv(variable, "hunter2")
        said = self._refused(folder, "--on-calendar", "daily")
        assert f"{variable} is set in this shell" in said
        assert variable.removeprefix(secret_variables.PREFIX).lower() in said
        assert "hunter2" not in said

    @pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs this machine")
    def test_a_machine_without_systemd(self, folder: Path) -> None:
        site_in(folder)
        for options in (["--on-calendar", "daily"], ["--remove"]):
            assert "a machine that is run by systemd" in self._refused(folder, *options)

    def test_neither_or_both(self, folder: Path) -> None:
        site_in(folder)
        assert "either --on-calendar" in self._refused(folder)
        assert "either --on-calendar" in self._refused(folder, "--on-calendar", "a", "--remove")

    def test_a_heal_without_its_window(self, folder: Path) -> None:
        site_in(folder)
        options = ["--on-calendar", "daily", "--heal", "all"]
        assert "--heal all needs a window" in self._refused(folder, *options)
