"""Files in a service's own folders that it can't use: found and given to it, by the real shell."""

import getpass
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import state_files
from mattermost_host.ops.state_files import AskMembers, Found, Member
from mattermost_host.preflight.odd_files import only_files
from tests.unit import local
from tests.unit.examples import DEBIAN_12
from tests.unit.fake_host import Plan, answering, plan

USER = getpass.getuser()
HARD_LINKS = "/proc/sys/fs/protected_hardlinks"


@pytest.fixture
def asked(tmp_path: Path) -> AskMembers:
    for name in ("data/20260101/teams/deep", "plugins/one"):
        (tmp_path / name).mkdir(parents=True)
    folders = (f"{tmp_path}/data", f"{tmp_path}/plugins")
    return AskMembers(USER, folders, folders[1:], apart=(f"{folders[0]}/apart",))


def _file(asked: AskMembers, name: str, mode: int = 0o600) -> Path:
    path = Path(asked.folders[0]).parent / name
    path.write_text("x")
    path.chmod(mode)
    return path


def _names(members: tuple[Member, ...]) -> set[str]:
    return {one.path.rpartition("/")[2] for one in members}


def test_what_the_service_can_use_is_right(asked: AskMembers) -> None:
    _file(asked, "data/own")
    _file(asked, "plugins/one/as its maker gave it", 0o444)
    _file(asked, "data/apart", 0o000)
    (Path(asked.folders[0]) / "lost+found").mkdir(mode=0)
    assert local.ask_here(asked) == Found()


def test_what_it_can_not_use_is_named(asked: AskMembers) -> None:
    _file(asked, "data/closed", 0o000)
    _file(asked, "data/not to write", 0o444)
    _file(asked, "data/set-uid", 0o4755)
    _file(asked, "plugins/one/closed plugin", 0o000)
    folder = Path(asked.folders[0], "20260101/teams")
    folder.chmod(0o500)
    (folder.parent / "link").symlink_to("/etc")
    os.mkfifo(folder.parent / "pipe")
    found = local.ask_here(asked)
    folder.chmod(0o700)
    assert _names(found.wrong) == {"closed", "not to write", "set-uid", "closed plugin", "teams"}
    assert {one.kind for one in found.odd} == {"symbolic link", "named pipe"}
    told = {one.path.rpartition("/")[2]: state_files.flaw(USER, one) for one in found.wrong}
    assert told["closed"] == f"has mode 0: {USER} can't use it"
    assert "whoever runs it" in told["set-uid"]
    other = local.ask_here(replace(asked, user="daemon"))
    assert {state_files.flaw("daemon", one) for one in other.wrong} == {
        f"belongs to {USER} instead of daemon"
    }


def test_a_plan_looks_at_the_upper_levels_and_once_a_week_at_all(asked: AskMembers) -> None:
    _file(asked, "data/20260101/teams/deep/closed", 0o000)
    assert local.ask_here(asked) == Found()
    assert _names(local.ask_here(replace(asked, whole=True)).wrong) == {"closed"}


def test_a_look_that_takes_too_long_ends_and_says_so(
    asked: AskMembers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_files, "LOOK_S", 1)
    local.program(tmp_path / "programs", "find", "echo 'f|0|x|/a|'; exec sleep 30")
    found = local.ask_here(asked, tmp_path / "programs")
    assert found.unfinished
    assert _names(found.wrong) == {"a"}


def test_names_that_look_like_answers_are_none() -> None:
    lines = ["f|zz|root|/x|", "f|777", "unfinished|", ""]
    assert AskMembers("x", ("/x",)).parse(lines) == Found()


def _planned(asked: AskMembers, found: Found) -> Plan:
    return plan(
        lambda: state_files.owned(name="files are its own", members=asked),
        answer=answering({asked: found}),
    )


def test_nothing_wrong_changes_nothing(asked: AskMembers) -> None:
    odd = Found(odd=(Member("symbolic link", 0o777, "root", "/x", "/etc"),))
    assert _planned(asked, odd).changed == []


def test_many_are_told_in_few_lines(asked: AskMembers) -> None:
    every = tuple(Member("regular file", 0, USER, f"/x/{number}") for number in range(30))
    told = list(state_files._changes(USER, every))
    assert len(told) == state_files.SHOWN + 1
    assert "10 others" in told[-1].found


def _healed(asked: AskMembers, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    local.program(tmp_path / "programs", "runuser", 'shift 3; exec "$@"')
    protected = tmp_path / "protected"
    if not protected.exists():
        protected.write_text("1\n")
    wrong = Found(wrong=(Member("regular file", 0, "root", "/x"),))
    script = _planned(asked, wrong).shell.replace(HARD_LINKS, str(protected))
    return local.run(script, programs=tmp_path / "programs")


def test_modes_are_put_right_at_any_depth(asked: AskMembers, tmp_path: Path) -> None:
    closed = _file(asked, "data/20260101/teams/deep/closed", 0o000)
    set_uid = _file(asked, "data/set-uid", 0o4755)
    aside = tmp_path / "aside"
    aside.write_text("x")
    aside.chmod(0o400)
    Path(asked.folders[0], "link").symlink_to(aside)
    closed.parent.chmod(0o000)
    done = _healed(asked, tmp_path)
    assert done.returncode == 0, done.stderr
    assert closed.stat().st_mode & 0o7777 == 0o600
    assert set_uid.stat().st_mode & 0o7777 == 0o755
    assert aside.stat().st_mode & 0o7777 == 0o400, "a link was followed"
    assert local.ask_here(replace(asked, whole=True)).wrong == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_left_there_is_given_away_and_a_hard_link_is_not(
    asked: AskMembers, tmp_path: Path
) -> None:
    daemon = replace(asked, user="daemon")
    own = _file(asked, "data/20260101/restored")
    done = _healed(daemon, tmp_path)
    assert done.returncode == 0, done.stderr
    assert own.owner() == "daemon"
    mine = tmp_path / "mine"
    mine.write_text("x")
    Path(asked.folders[0], "second").hardlink_to(mine)
    done = _healed(daemon, tmp_path)
    assert done.returncode == 1
    assert "./second has a second name" in done.stderr
    assert mine.owner() == "root"


def test_where_the_kernel_lets_anybody_link_files_nothing_is_given_away(
    asked: AskMembers, tmp_path: Path
) -> None:
    (tmp_path / "protected").write_text("0\n")
    done = _healed(asked, tmp_path)
    assert done.returncode == 1
    assert "can't be given to it safely while fs.protected_hardlinks is 0" in done.stderr


def test_the_folders_are_those_of_the_server() -> None:
    assert set(state_files.of_server("mattermost", whole=False).folders) == {
        *(
            f"/var/lib/mattermost/{name}"
            for name in ("config", "data", "plugins", "client-plugins")
        ),
        "/var/log/mattermost",
    }


@pytest.mark.parametrize(
    ("lines", "verdict", "said"),
    [
        ((), "ok", "files and folders only"),
        (("l /var/lib/mattermost/data/a b",), "warning", "data/a b is a symbolic link"),
        (tuple(f"p /x/{number}" for number in range(9)), "warning", "and 4 more"),
    ],
)
def test_odd_files_are_told(lines: tuple[str, ...], verdict: str, said: str) -> None:
    (finding,) = only_files().check(replace(DEBIAN_12, odd_files=lines))
    assert finding.verdict == verdict
    assert said in finding.found
