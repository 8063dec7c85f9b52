"""Units and launcher: as systemd understands them, in places with any name."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from mattermost_host.drift import memory, schedule
from mattermost_host.drift.repair import Heal
from mattermost_host.drift.schedule import Places
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.unit import local
from tests.unit.drift.scheduled import places_in, site_in


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
    site = site_in(folder, host, drift={"metrics_directory": str(folder)})
    _, service, timer = _write(site, heal, places_in(folder, system))
    assert _verified(service, timer) == ""


def test_systemd_would_say_what_it_does_not_understand(folder: Path) -> None:
    """The check above sees mistakes, and what a path's characters would mean unescaped."""
    _, service, _ = _write(site_in(folder), None, places_in(folder))
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
    site = site_in(folder)
    launcher, service, _ = _write(site, heal, places_in(folder))
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
    _, _, timer = _write(site_in(folder), None, places_in(folder))
    assert _line(timer, "OnCalendar") == "*-*-* 03:00"
    assert _line(timer, "Persistent") == "true"
    assert _line(timer, "WantedBy") == "timers.target"


def test_a_run_writes_only_where_it_must(folder: Path) -> None:
    site = site_in(folder, drift={"metrics_directory": str(folder / "metrics")})
    _, service, _ = _write(site, None, places_in(folder))
    assert _line(service, "ProtectSystem") == "strict"
    writable = [word.replace("%%", "%") for word in shlex.split(_line(service, "ReadWritePaths"))]
    assert writable == [f"-{folder / 'state/mattermost-host'}", f"-{folder / 'metrics'}"]
    assert memory.folder(site.path).is_relative_to(folder / "state/mattermost-host")
    _, healing, _ = _write(site, Heal("safe"), places_in(folder))
    assert f"-{folder}" in shlex.split(_line(healing, "ReadWritePaths").replace("%%", "%"))
    measured = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=45", str(service)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert measured.returncode == 0, measured.stdout[-500:] + measured.stderr


def test_this_machine_as_a_host_is_not_closed_to_the_run(folder: Path) -> None:
    _, service, _ = _write(site_in(folder, "@local"), None, places_in(folder))
    assert "ProtectSystem" not in service.read_text()
    assert "NoNewPrivileges" not in service.read_text()


def test_units_of_a_user_ask_for_nothing_that_only_root_has(folder: Path) -> None:
    _, service, _ = _write(site_in(folder), None, places_in(folder, system=False))
    text = service.read_text()
    assert "NoNewPrivileges=yes" in text
    assert not re.search(r"^(User|Capability|ProtectSystem|Private)", text, re.M)


def test_a_new_environment_is_not_made_by_the_old_one(folder: Path) -> None:
    _, service, _ = _write(site_in(folder), None, places_in(folder))
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
