"""What a host says of a unit: its state, its files, its limits."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mattermost_host.ops import process_limits, unit_files
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.unit import local
from tests.unit.ops.machine import QUESTION, RIGHT, SHOWN, Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_unit_that_is_not_there() -> None:
    assert QUESTION.parse([]) == UnitState()


def test_files_older_than_the_start_are_read(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    assert machine.state() == RIGHT


def test_files_newer_than_the_start_are_not(machine: Machine) -> None:
    machine.touch(machine.started, machine.restarted, machine.reloaded)
    state = machine.state()
    assert state.to_restart == (str(machine.restarted),)
    assert state.to_reload == (str(machine.reloaded),)


def test_a_file_renamed_into_place_with_an_old_time_is_newer(machine: Machine) -> None:
    machine.touch(machine.started, machine.folder / "aside")
    os.utime(machine.folder / "aside", (0, 0))
    (machine.folder / "aside").rename(machine.restarted)
    assert machine.state().to_restart == (str(machine.restarted),)


def test_a_reload_counts_until_the_file_changes_again(machine: Machine) -> None:
    machine.touch(machine.started, machine.reloaded, machine.stamp)
    assert machine.state().to_reload == ()
    machine.touch(machine.reloaded)
    assert machine.state().to_reload == (str(machine.reloaded),)


def test_a_restart_after_the_last_reload_counts(machine: Machine) -> None:
    machine.touch(machine.stamp, machine.reloaded, machine.started)
    assert machine.state().to_reload == ()


def test_a_unit_that_never_started(machine: Machine) -> None:
    machine.shows("ActiveState=inactive\nUnitFileState=\nLoadState=not-found\nMainPID=0")
    machine.touch(machine.restarted)
    assert machine.state() == UnitState()


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        ("ActiveState=failed\nUnitFileState=enabled", UnitState(enabled=True)),
        ("ActiveState=reloading\nUnitFileState=static", RIGHT),
        ("ActiveState=active\nUnitFileState=disabled", UnitState(active=True)),
        ("LoadState=masked\nActiveState=inactive\nUnitFileState=masked", UnitState(masked=True)),
        (
            "ActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes",
            UnitState(active=True, enabled=True, needs_daemon_reload=True),
        ),
    ],
)
def test_words_of_systemd(machine: Machine, shown: str, state: UnitState) -> None:
    machine.shows(shown)
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    assert machine.state() == state


def test_a_process_that_runs_a_deleted_binary_is_stale(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    program = machine.folder / "x"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        machine.shows(SHOWN.partition("MainPID")[0] + f"MainPID={process.pid}")
        assert machine.state().to_restart == ()
        program.unlink()
        assert machine.state().to_restart == (str(program),)
        process.kill()


def _both(
    machine: Machine, said: str = "Names=x.service\n{x}\n\nNames=y.service\n{y}"
) -> list[UnitState]:
    """The answers about two units that are asked together, of which ``y`` is not enabled."""
    machine.touch(machine.restarted, machine.reloaded, machine.started, machine.drop_in)
    local.program(
        machine.folder / "programs",
        "systemctl",
        f"""case $* in
          *x.service*y.service) echo '{said.format(x=SHOWN, y="ActiveState=active")}' ;;
          *x.service) echo 'Names=x.service\n{SHOWN}' ;;
          *) echo 'Names=y.service\nActiveState=active' ;;
        esac""",
    )
    asked = [AskUnit("x.service"), AskUnit("y.service")]
    places = {"/etc/systemd/system": machine.drop_in.parents[1]}
    return list(local.asked_here(asked, machine.folder / "programs", places).values())


def test_units_asked_together_get_their_own_answers(machine: Machine) -> None:
    x, y = _both(machine)
    assert x.enabled and not y.enabled
    assert x.overriding == (str(machine.drop_in),)
    assert y.overriding == ()


def test_where_systemd_leaves_one_unit_out_no_other_is_taken_for_it(machine: Machine) -> None:
    x, y = _both(machine, "Names=y.service\n{y}")
    assert x.enabled and not y.enabled


def test_a_drop_in_that_systemd_has_not_read(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.drop_in, machine.started)
    assert machine.state().needs_daemon_reload
    machine.shows(f"{SHOWN}\nDropInPaths=/usr/lib/x.conf {machine.drop_in}")
    assert not machine.state().needs_daemon_reload
    # Nobody said that it is ours.
    assert machine.state().overriding == (str(machine.drop_in),)


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/run/systemd/system/postgresql@15-main.service.d/x.conf", True),
        ("/run/systemd/system.control/postgresql@15-main.service.d/50-Nice.conf", True),
        ("/etc/systemd/system.attached/postgresql@15-main.service.d/x.conf", True),
        ("/run/systemd/system.attached/postgresql@.service", True),
        ("/etc/systemd/system/postgresql@.service.d/x.conf", True),
        ("/etc/systemd/system/postgresql@.service", True),
        ("/usr/local/lib/systemd/system/postgresql@15-main.service", True),
        ("/etc/systemd/system/service.d/x.conf", True),
        ("/run/systemd/generator.early/postgresql@.service", True),
        ("/run/systemd/generator/postgresql@15-main.service.d/x.conf", True),
        ("/run/systemd/generator.late/service.d/x.conf", True),
        ("/run/systemd/system/service.d/zzz-lxc-service.conf", False),
        ("/etc/systemd/system/postgresql@15-main.service.d/x.conf.old", False),
    ],
)
def test_what_goes_before_the_files_of_a_unit(path: str, counts: bool) -> None:
    unit = "postgresql@15-main.service"
    folder = path.rpartition("/")[0]
    assert {path, folder} & set(unit_files.places(unit))
    assert bool(unit_files.overriding(unit, [f"{path}|"])) is counts
    state = AskUnit(unit, (folder,)).parse([f"Overriding={path}|"])
    assert state.overriding == ()


def test_what_a_generator_made_is_no_difference_and_what_somebody_put_there_is() -> None:
    path = "/run/systemd/generator/x.service.d/y.conf"
    found = [f"Overriding={path}|"]
    assert QUESTION.parse([*found, "DropInPaths="]).overriding == (path,)
    assert QUESTION.parse([*found, f"DropInPaths={path}"]).overriding == ()


def test_a_drop_in_of_another_name_of_the_unit_is_told_by_systemd() -> None:
    path = "/etc/systemd/system/alias.service.d/y.conf"
    lines = [f"DropInPaths=/usr/lib/systemd/system/x.service.d/z.conf {path}"]
    assert QUESTION.parse(lines).overriding == (path,)


@pytest.mark.parametrize("owner", ["dpkg-query", "rpm", ""])
def test_a_drop_in_among_those_of_packages_is_one_s_or_by_hand(tmp_path: Path, owner: str) -> None:
    vendor = tmp_path / "vendor"
    path = vendor / "service.d" / "x.conf"
    path.parent.mkdir(parents=True)
    path.touch()
    for tool in ("dpkg-query", "rpm"):
        local.program(tmp_path / "programs", tool, "true" if tool == owner else "false")
    script = unit_files.without_package("x.service").replace(unit_files.OF_PACKAGES, str(vendor))
    loaded = vendor / "elsewhere.conf"
    loaded.touch()
    script = script.replace("/usr/lib/*", f"{vendor}/*")
    said = local.run(
        f"unit='A=b\nDropInPaths={loaded} /etc/y.conf\nC=d'\n{script}",
        programs=tmp_path / "programs",
    )
    wanted = [] if owner else [f"Overriding={loaded}|", f"Overriding={path}|"]
    assert said.stdout.splitlines() == wanted


def test_no_folder_of_systemd_is_forgotten() -> None:
    """Its own list, where this machine has it."""
    try:
        said = subprocess.run(
            ["systemd-analyze", "unit-paths"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine has no systemd-analyze")
    known = {*unit_files.FOLDERS, *unit_files.GENERATORS, unit_files.OF_PACKAGES}
    assert set(said.split()) - {"/lib/systemd/system"} <= known


def test_files_of_a_name_with_a_dash() -> None:
    places = set(unit_files.places("mattermost-firewall.service"))
    assert "/etc/systemd/system/mattermost-.service.d" in places


@pytest.mark.parametrize(
    ("there", "link", "dangling"),
    [
        ("", "gone.service", True),
        ("there.service", "there.service", False),
        ("there@.service", "there@1.service", False),
        ("", "there@1.service", True),
        ("", "srv-backup.mount", False),  # needs no file
    ],
)
def test_a_link_to_a_required_unit_that_is_missing(
    machine: Machine, there: str, link: str, dangling: bool
) -> None:
    system = machine.drop_in.parents[1]
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    if there:
        (system / there).write_text("[Service]\n")
    required = system / "x.service.requires" / link
    required.parent.mkdir()
    required.symlink_to(f"../{link}")
    assert machine.state().dangling == ((str(required),) if dangling else ())


def test_a_link_to_a_required_unit_that_is_masked(machine: Machine) -> None:
    system = machine.drop_in.parents[1]
    (system / "masked.service").symlink_to("/dev/null")
    required = system / "x.service.requires" / "masked.service"
    required.parent.mkdir()
    required.symlink_to("../masked.service")
    assert machine.state().dangling == (str(required),)


def test_a_mask_is_told_from_another_file() -> None:
    state = QUESTION.parse(["Overriding=/run/systemd/system/x.service|/dev/null"])
    assert state.masks == ("/run/systemd/system/x.service",)
    assert state.overriding == ()


@pytest.mark.parametrize(
    ("most", "own", "unit", "lowered"),
    [
        ("524288 1048576", "65536 65536", "65536", False),
        ("524288 1048576", "1024 1024", "65536", True),
        ("524288 1048576", "1024 65536", "65536", True),
        ("20000 20000", "20000 20000", "65536", False),  # a container can't give more than it has
        ("1024 unlimited", "1024 1024", "infinity", True),
    ],
)
def test_limits_of_the_process(most: str, own: str, unit: str, lowered: bool) -> None:
    lines = [f"Max open files={most}", f"Max open files={own}"]
    lines += [f"LimitNOFILE={unit}", f"LimitNOFILESoft={unit}"]
    assert QUESTION.parse(lines).lowered == (("may open fewer files",) if lowered else ())


@pytest.mark.parametrize(
    ("option", "unit", "found"),
    [
        ("-f 1000", "FSIZE", "may write smaller files"),
        ("-d 1000000", "DATA", "may hold less data"),
        ("-v 1000000", "AS", "may have less memory"),
        ("-s 1000", "STACK", "may have smaller stacks"),
        ("-t 100", "CPU", "may use less processor time"),
        ("-n 100", "NOFILE", "may open fewer files"),
    ],
)
def test_each_limit_of_a_real_process(option: str, unit: str, found: str) -> None:
    done = local.run(f"ulimit {option}; process=$$\n{process_limits.SCRIPT}")
    assert done.returncode == 0, done.stderr
    lines = [*done.stdout.splitlines(), f"Limit{unit}=infinity", f"Limit{unit}Soft=infinity"]
    assert QUESTION.parse(lines).lowered == (found,)


def test_of_a_masked_unit_systemd_does_not_know_the_limits() -> None:
    lines = ["LoadState=masked", "Max open files=9 9", "Max open files=5 5"]
    lines += ["LimitNOFILE=9", "LimitNOFILESoft=9"]
    assert QUESTION.parse(lines).lowered == ()
    assert QUESTION.parse(lines[1:]).lowered != ()


def test_without_a_process_no_limit_is_too_low() -> None:
    assert QUESTION.parse(["LimitNOFILE=65536", "Max open files=1 1"]).lowered == ()


def test_another_mode_of_a_folder_is_no_reason_to_restart(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.started)
    folder = machine.folder / "folder"
    folder.mkdir()
    os.utime(folder, (0, 0))
    folder.chmod(0o700)
    machine.restarted = folder
    assert machine.state().to_restart == ()
    (folder / "new").touch()
    assert str(folder / "new") in machine.state().to_restart


def test_a_stopped_process_is_told_from_one_that_works(machine: Machine) -> None:
    machine.touch(machine.restarted, machine.reloaded, machine.started)
    with subprocess.Popen(["sleep", "60"]) as process:
        machine.shows(SHOWN.partition("MainPID")[0] + f"MainPID={process.pid}")
        assert not machine.state().suspended
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert machine.state().suspended
        process.kill()


def test_a_masked_unit_that_runs_is_not_restarted_for_drop_ins_it_knows_nothing_of() -> None:
    path = "/etc/systemd/system/x.service.d/ours.conf"
    asked = AskUnit("x.service", (path,))
    lines = ["ActiveState=active", "LoadState=masked", "DropInPaths=", f"Overriding={path}|"]
    assert not asked.parse(lines).needs_daemon_reload
    # systemd 252 after `systemctl mask`, which reloads by itself, and after each further reload.
    lines = ["ActiveState=active", "LoadState=masked", f"DropInPaths={path}"]
    lines += ["NeedDaemonReload=yes", f"Overriding={path}|"]
    assert not asked.parse(lines).needs_daemon_reload
    lines[1] = "LoadState=loaded"
    assert asked.parse(lines).needs_daemon_reload
