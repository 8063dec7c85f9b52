"""Units and launcher: as systemd understands them, in places with any name."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mattermost_host.cli.main import main
from mattermost_host.drift import memory, metrics, schedule
from mattermost_host.drift.repair import Heal
from mattermost_host.drift.schedule import Places
from mattermost_host.site import secrets
from mattermost_host.site.site import Site
from mattermost_host.support import trust
from mattermost_host.support.errors import OperatorError
from tests.unit import local

NASTY = 'a b%n$HOME"q\\'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout in a place with a name that means something to systemd and to shells."""
    made = tmp_path / NASTY
    command = made / "checkout/.venv/bin/mattermost-host"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    (made / "checkout/config.py").touch()
    monkeypatch.chdir(made / "checkout")
    monkeypatch.setattr(schedule, "ENVIRONMENT", made / "checkout/.venv")
    monkeypatch.setattr(schedule, "SETUP", made / "checkout/scripts/setup")
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    monkeypatch.setenv("PATH", f"{made}/checkout/.venv/bin:{os.environ['PATH']}")
    yield made


def _site(folder: Path, host: str = "h1", **site: object) -> Site:
    path = folder / "chat.py"
    data = {"url": "https://chat.example.com", "users": 50, **site}
    path.write_text(f"site = {data!r}\napp = db = proxy = [{host!r}]\n")
    return Site.load(path)


def _places(folder: Path, system: bool = True) -> Places:
    return Places(folder / "units", folder / "programs", system)


def _write(site: Site, heal: Heal | None, places: Places) -> tuple[Path, Path, Path]:
    written = schedule.files(site, "*-*-* 03:00", heal, places)
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    launcher, service, timer = written
    return launcher, service, timer


def _verified(*units: Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    # What it says of other units of this machine is none of ours.
    return "\n".join(line for line in done.stderr.splitlines() if "mattermost-host" in line)


@pytest.mark.parametrize("host", ["h1", "@local"])
@pytest.mark.parametrize("system", [True, False], ids=["system", "user"])
@pytest.mark.parametrize(
    "heal", [None, Heal("safe"), Heal.parse("all", "02:00-04:00")], ids=["none", "safe", "all"]
)
def test_systemd_understands_the_units(
    folder: Path, host: str, system: bool, heal: Heal | None
) -> None:
    site = _site(folder, host, drift={"metrics_directory": str(folder)})
    _, service, timer = _write(site, heal, _places(folder, system))
    assert _verified(service, timer) == ""


def test_systemd_would_say_what_it_does_not_understand(folder: Path) -> None:
    """The check above sees mistakes, and what a path's characters would mean unescaped."""
    _, service, _ = _write(_site(folder), None, _places(folder))
    text = service.read_text()
    for old, new in (("ProtectSystem=strict", "ProtectSystem=very"), ('HOME\\"q', 'HOME"q')):
        assert old in text
        service.write_text(text.replace(old, new))
        assert _verified(service) != "", new


def _line(unit: Path, key: str) -> str:
    (found,) = re.findall(rf"^{key}=(.*)$", unit.read_text(), re.M)
    return str(found)


def _words(line: str) -> list[str]:
    """The words of a line as systemd reads them; shlex undoes the same quotes."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


@pytest.mark.parametrize(
    ("heal", "options"),
    [
        (None, []),
        (Heal("safe"), ["--heal", "safe"]),
        (Heal.parse("all", "22:00-04:00"), ["--heal", "all", "--window", "22:00-04:00"]),
    ],
)
def test_the_command(folder: Path, heal: Heal | None, options: list[str]) -> None:
    site = _site(folder)
    launcher, service, _ = _write(site, heal, _places(folder))
    command = str(folder / "checkout/.venv/bin/mattermost-host")
    assert _words(_line(service, "ExecStart")) == [
        "/usr/bin/env",
        command,
        "drift",
        str(site.path),
        *options,
    ]
    assert _words(_line(service, "ExecStartPre")) == ["+/bin/sh", str(launcher)]
    assert _words(_line(service, "ExecStopPost")) == ["/bin/sh", str(launcher), "failed"]
    assert _line(service, "SuccessExitStatus") == "2"
    assert _line(service, "WorkingDirectory").replace("%%", "%") == str(folder / "checkout")


def test_the_timer_makes_up_for_what_was_missed(folder: Path) -> None:
    _, _, timer = _write(_site(folder), None, _places(folder))
    assert _line(timer, "OnCalendar") == "*-*-* 03:00"
    assert _line(timer, "Persistent") == "true"
    assert _line(timer, "WantedBy") == "timers.target"


def test_a_run_writes_only_where_it_must(folder: Path) -> None:
    site = _site(folder, drift={"metrics_directory": str(folder / "metrics")})
    _, service, _ = _write(site, None, _places(folder))
    assert _line(service, "ProtectSystem") == "strict"
    writable = [word.replace("%%", "%") for word in shlex.split(_line(service, "ReadWritePaths"))]
    assert writable == [f"-{folder / 'state/mattermost-host'}", f"-{folder / 'metrics'}"]
    assert memory.folder(site.path).is_relative_to(folder / "state/mattermost-host")
    _, healing, _ = _write(site, Heal("safe"), _places(folder))
    assert f"-{folder}" in shlex.split(_line(healing, "ReadWritePaths").replace("%%", "%"))
    measured = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=45", str(service)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert measured.returncode == 0, measured.stdout[-500:] + measured.stderr


def test_this_machine_as_a_host_is_not_closed_to_the_run(folder: Path) -> None:
    _, service, _ = _write(_site(folder, "@local"), None, _places(folder))
    assert "ProtectSystem" not in service.read_text()
    assert "NoNewPrivileges" not in service.read_text()


def test_units_of_a_user_ask_for_nothing_that_only_root_has(folder: Path) -> None:
    _, service, _ = _write(_site(folder), None, _places(folder, system=False))
    text = service.read_text()
    assert "NoNewPrivileges=yes" in text
    assert not re.search(r"^(User|Capability|ProtectSystem|Private)", text, re.M)


def test_a_new_environment_is_not_made_by_the_old_one(folder: Path) -> None:
    _, service, _ = _write(_site(folder), None, _places(folder))
    (path,) = re.findall(r'^Environment="PATH=(.*)"$', service.read_text(), re.M)
    assert ".venv" not in path
    assert "/usr/bin" in path


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    local.program(tmp_path, "systemctl", 'echo "$@"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Places.mine().units == Path("/etc/systemd/system")
    assert Places.mine().systemctl("start", "x") == "start x\n"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Places.mine().units == Path.home() / ".config/systemd/user"
    assert Places.mine().systemctl("start", "x") == "--user start x\n"


class TestInstall:
    """The commands against a systemctl that only notes what it is asked."""

    @pytest.fixture(autouse=True)
    def _here(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Places, "mine", lambda: _places(folder))
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
        site = _site(folder)
        before = os.umask(umask)
        try:
            status, said = self._schedule(folder, "--on-calendar", "daily")
        finally:
            os.umask(before)
        assert status == 0, said
        assert ".timer is installed; next: Thu 2026-11-26 03:00 UTC" in said
        written = schedule.files(site, "daily", None, _places(folder))
        assert {path: path.read_text() for path in written} == dict(written)
        assert {path.stat().st_mode & 0o777 for path in written} == {0o644}
        assert not {path.parent.stat().st_mode & 0o022 for path in written} - {0}
        assert "enable --quiet" in (folder / "asked").read_text()
        status, said = self._schedule(folder, "--remove")
        assert (status, [path for path in written if path.exists()]) == (0, [])
        assert self._schedule(folder, "--remove")[0] == 1

    def test_a_timer_is_removed_without_its_inventory(self, folder: Path) -> None:
        _site(folder)
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
        _site(folder)
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
        _site(folder)
        os.chown(folder / "checkout/.venv/bin/mattermost-host", 65534, -1)
        status, said = self._schedule(folder, "--on-calendar", "daily")
        assert (status, "mattermost-host belongs to nobody" in said) == (1, True)

    def test_without_a_config_there_is_nothing_to_schedule(self, folder: Path) -> None:
        _site(folder)
        (folder / "checkout/config.py").unlink()
        assert "there is no config.py here" in self._schedule(folder, "--on-calendar", "daily")[1]

    def test_folders_of_others_are_no_part_of_path(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = _site(folder)
        monkeypatch.setattr(trust, "_lets_others_in", lambda _: True)
        (folder / "shims").mkdir()
        (folder / "shims").chmod(0o777)
        monkeypatch.setenv("PATH", f"{folder}/shims::relative:{os.environ['PATH']}")
        _, service, _ = schedule.files(site, "daily", None, _places(folder)).values()
        (path,) = re.findall(r'^Environment="PATH=(.*)"$', service, re.M)
        assert "shims:" not in path.partition("/usr")[0] and "relative" not in path
        assert "/usr/bin" in path

    def test_a_metric_that_could_not_be_written_is_said_once(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _site(folder)
        monkeypatch.setattr(metrics, "USUAL", folder)
        monkeypatch.setattr(metrics, "directory", lambda stated: stated)
        assert "so there is no metric" in self._schedule(folder, "--on-calendar", "daily")[1]


@pytest.mark.parametrize(
    ("expression", "first"),
    [("*-*-* 03:00", "03:00"), ("Mon..Fri 04:30", "04:30"), ("daily", "00:00")],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_calendar(expression: str, first: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    assert set(schedule.next_times(expression)) == {first}


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("every day", "no calendar expression of systemd"),
        ("25:00", "no calendar expression of systemd"),
        ("", "no calendar expression of systemd"),
        ("03:00\n[Service]", "no calendar expression of systemd"),
        ("--version", "no calendar expression of systemd"),
        ("2020-01-01 00:00", "it never comes"),
    ],
)
def test_no_calendar(expression: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says):
        schedule.next_times(expression)


def test_without_systemd(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(OperatorError, match="systemd-analyze does not work here"):
        schedule.next_times("daily")


class TestRefusals:
    """Each is a sentence, and nothing is written."""

    @pytest.fixture(autouse=True)
    def _here(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Places, "mine", lambda: _places(folder))

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
        _site(folder)
        options = ["--on-calendar", "*-*-* 05:00", "--heal", "all", "--window", "02:00-04:00"]
        assert "never falls into --window 02:00-04:00" in self._refused(folder, *options)

    @pytest.mark.parametrize("variable", secrets.VARIABLES)
    def test_secrets_of_the_environment(
        self, folder: Path, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _site(folder)
        monkeypatch.setenv(variable, "hunter2")
        said = self._refused(folder, "--on-calendar", "daily")
        assert f"{variable} is set in this shell" in said
        assert variable.removeprefix(secrets.PREFIX).lower() in said
        assert "hunter2" not in said

    @pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs this machine")
    def test_a_machine_without_systemd(self, folder: Path) -> None:
        _site(folder)
        for options in (["--on-calendar", "daily"], ["--remove"]):
            assert "a machine that is run by systemd" in self._refused(folder, *options)

    def test_neither_or_both(self, folder: Path) -> None:
        _site(folder)
        assert "either --on-calendar" in self._refused(folder)
        assert "either --on-calendar" in self._refused(folder, "--on-calendar", "a", "--remove")

    def test_a_heal_without_its_window(self, folder: Path) -> None:
        _site(folder)
        options = ["--on-calendar", "daily", "--heal", "all"]
        assert "--heal all needs --window" in self._refused(folder, *options)
