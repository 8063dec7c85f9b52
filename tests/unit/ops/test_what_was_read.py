"""What a process read at its start, told by the record of its unit."""

import time
from pathlib import Path

import pytest

from mattermost_host.ops import what_was_read
from mattermost_host.ops.unit_state import AskUnit
from tests.unit import local
from tests.unit.ops.machine import SHOWN, Machine


class Noted(Machine):
    """Where the unit's own line noted at the start what the process read."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.conf = folder / "etc"
        self.conf.mkdir()
        self.restarted = self.conf
        (self.conf / "a").write_text("as it was")
        (self.conf / "b").write_text("as it was")
        self.reloaded.write_text("as it was")
        self.start()

    def start(self) -> None:
        self.touch(self.started)
        time.sleep(0.02)
        line = what_was_read.noted_at_start([str(self.conf), str(self.reloaded)])
        shell = line.partition('"')[2].rstrip('"').replace("%%", "%").replace("\\\\", "\\")
        self._note(shell.replace("%n", "x.service"), self.folder / "programs")

    def _note(self, shell: str, programs: Path | None = None) -> None:
        assert (
            local.run(
                shell.replace(what_was_read.STAMPS, str(self.stamp.parent)), programs=programs
            ).returncode
            == 0
        )


@pytest.fixture
def noted(tmp_path: Path) -> Noted:
    return Noted(tmp_path)


def _replace(path: Path, text: str) -> None:
    time.sleep(0.02)
    new = path.with_name(f"{path.name}~")
    new.write_text(text)
    new.rename(path)


def test_another_mode_is_no_reason_to_restart(noted: Noted) -> None:
    time.sleep(0.02)
    (noted.conf / "a").chmod(0o600)
    assert noted.state().to_restart == ()


def test_the_same_content_in_a_new_file_is_no_reason_to_restart(noted: Noted) -> None:
    _replace(noted.conf / "a", "as it was")
    assert noted.state().to_restart == ()


def test_another_content_is_a_reason(noted: Noted) -> None:
    _replace(noted.conf / "a", "otherwise")
    _replace(noted.reloaded, "otherwise")
    state = noted.state()
    assert state.to_restart == (str(noted.conf / "a"),)
    assert state.to_reload == (str(noted.reloaded),)


def test_a_file_that_is_back_is_none_where_the_process_read_another(noted: Noted) -> None:
    """As an operator does it who tries something: aside, another, restart, back again."""
    (noted.conf / "a").rename(noted.folder / "aside")
    _replace(noted.conf / "a", "otherwise")
    noted.start()
    time.sleep(0.02)
    (noted.folder / "aside").rename(noted.conf / "a")
    assert noted.state().to_restart == (str(noted.conf / "a"),)


def test_files_that_came_and_went_are_a_reason(noted: Noted) -> None:
    time.sleep(0.02)
    (noted.conf / "c").write_text("new")
    (noted.conf / "b").unlink()
    assert set(noted.state().to_restart) == {str(noted.conf / "b"), str(noted.conf / "c")}


def test_a_note_of_an_earlier_start_does_not_count(noted: Noted) -> None:
    noted.touch(noted.started)
    time.sleep(0.02)
    (noted.conf / "a").chmod(0o600)
    assert noted.state().to_restart == (str(noted.conf / "a"),)


def test_what_a_reload_reads_is_judged_by_time(noted: Noted) -> None:
    """Somebody may have sent a reload by hand, while another content was there."""
    _replace(noted.reloaded, "as it was")
    assert noted.state().to_reload == (str(noted.reloaded),)
    noted.touch(noted.stamp)
    assert noted.state().to_reload == ()


def test_unit_files_that_systemd_is_to_read_again_need_no_restart_where_they_are_alike(
    noted: Noted,
) -> None:
    unread = SHOWN.replace("NeedDaemonReload=no", "NeedDaemonReload=yes")
    noted.shows(unread)
    (noted.conf / "a").touch()
    state = noted.state()
    assert state.needs_daemon_reload
    assert state.unit_files_alike
    noted.start()  # by what systemd had read before
    (noted.conf / "a").touch()
    assert not noted.state().unit_files_alike


DROP_IN = "/etc/systemd/system/x.service.d/ours.conf"


@pytest.mark.parametrize(("had_read", "unread"), [("no", ()), ("yes", (DROP_IN,))])
def test_a_process_that_was_started_before_systemd_read_its_unit_is_stale(
    had_read: str, unread: tuple[str, ...]
) -> None:
    """Somebody restarted it after a run had written the file and ended; it looks younger."""
    answer = {
        "Read": [f"NeedDaemonReload={had_read}", f"abc  {DROP_IN}", "def  /etc/x.conf"],
        "Now": [f"abc  {DROP_IN}", "def  /etc/x.conf"],
    }
    assert what_was_read.unread(answer) == unread


def test_that_systemd_had_not_read_it_is_asked_although_nothing_changed_since(
    noted: Noted,
) -> None:
    unread = SHOWN.replace("NeedDaemonReload=no", "NeedDaemonReload=yes")
    noted.shows(unread)
    noted.start()
    noted.shows(SHOWN)
    script = what_was_read.script("x.service", [str(noted.conf)], [])
    places = {
        "/run/systemd/units": noted.started.parent,
        what_was_read.STAMPS: noted.stamp.parent,
    }
    printed = local.run(local.moved(script, places)).stdout
    assert "Read=NeedDaemonReload=yes\n" in printed
    assert f" {noted.conf}/a\n" in printed


def test_what_was_noted_is_told_although_nothing_changed(noted: Noted) -> None:
    """A plan compares it with what it would write."""
    state = noted.state()
    assert state.to_restart == ()
    assert state.noted is not None
    assert {Path(path).name for path in state.noted} == {"a", "b", "x.pem"}
    noted.touch(noted.started)
    assert noted.state().noted is None, "a note of an earlier start"


def test_after_a_start_by_files_that_systemd_had_not_read_nothing_is_known(noted: Noted) -> None:
    noted.shows(SHOWN.replace("NeedDaemonReload=no", "NeedDaemonReload=yes"))
    noted.start()
    assert noted.state().noted is None


@pytest.mark.parametrize(("in_note", "alike"), [(True, True), (False, False)])
def test_a_drop_in_that_systemd_forgot_is_read_again_without_a_restart(
    in_note: bool, alike: bool
) -> None:
    """Removed by hand, `systemctl daemon-reload`, and put back by a run."""
    lines = ["ActiveState=active", "DropInPaths=", "NeedDaemonReload=no", f"Overriding={DROP_IN}|"]
    lines += ["Read=NeedDaemonReload=no", "Read=aa  /etc/systemd/system/x.service"]
    lines += [f"Read=abc  {DROP_IN}"] if in_note else []
    lines += [f"Restart={DROP_IN}", "Now=aa  /etc/systemd/system/x.service", f"Now=abc  {DROP_IN}"]
    state = AskUnit("x.service", (DROP_IN,)).parse(lines)
    assert state.needs_daemon_reload
    assert state.unit_files_alike is alike
