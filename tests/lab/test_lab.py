"""The lab itself: its hosts are real, what it promises holds, and nothing of it stays."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.lab import apt, image, needs, places, reaper, state
from tests.lab.hosts import Lab, LabHost
from tests.lab.scan import open_ports
from tests.lab.shell import CommandFailed, Waited, run, wait_until

SSH_PORTS = {"bookworm": 22, "trixie": 2222, "bullseye": 22}


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> dict[str, LabHost]:
    """A host of each suite, called like it."""
    return {suite: lab.up(suite, suite=suite, ssh_port=SSH_PORTS[suite]) for suite in image.SUITES}


def leftovers() -> set[str]:
    """What of labs is on this machine without a lab that it belongs to. Others may be at work."""
    before = state.known()
    processes = [" ".join(process.info["cmdline"] or []) for process in _processes()]
    found = {
        *(line for line in processes if "systemd-nspawn" in line),
        *(path.name for path in Path("/sys/class/net").iterdir()),
        *run(["nft", "list", "tables"]).stdout.splitlines(),
        *Path("/proc/mounts").read_text().splitlines(),
        *(str(path) for path in Path("/sys/fs/cgroup").rglob("mml*-*")),
        *(str(path) for path in places.disks("any").parent.iterdir()),
    }
    living = {**before, **state.known()}
    marks = {f"mml{lab.index}" for lab in living.values() if lab} | {f"labs/{n}" for n in living}
    ours = {thing for thing in found if re.search(r"\bmml\d|mattermost-host/labs", thing)}
    of_nobody = {t for t in ours if not any(re.search(rf"{m}\b", t) for m in marks)}
    return of_nobody if living else of_nobody | {path.name for path in _left_state()}


def _processes() -> Iterator[psutil.Process]:
    return psutil.process_iter(["cmdline"])


def _left_state() -> list[Path]:
    """With the last lab goes its state, and the mark that ip_forward is to be switched off."""
    return [path for path in places.STATE.iterdir() if path != reaper.LOCK]


@pytest.mark.parametrize("suite", image.SUITES)
def test_a_host_is_a_whole_debian(hosts: dict[str, LabHost], suite: str) -> None:
    host = hosts[suite]
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
    assert f"VERSION_CODENAME={suite}" in host.read("/etc/os-release")
    assert host.run("hostname").stdout.strip() == suite
    assert host.run("cat /proc/1/comm").stdout.strip() == "systemd"
    assert host.run("sudo id -un", user="admin").stdout.strip() == "root"
    assert host.run("command -v curl gpg locale-gen", check=False).stdout == ""


@pytest.mark.parametrize("suite", image.SUITES)
def test_only_ssh_listens_on_a_fresh_host(hosts: dict[str, LabHost], suite: str) -> None:
    neighbour = hosts["trixie" if suite == "bookworm" else "bookworm"]
    host = hosts[suite]
    assert open_ports(neighbour, host.address) == {SSH_PORTS[suite]}
    assert open_ports(neighbour, host.address6) == {SSH_PORTS[suite]}


def test_packages_are_installed_and_kept_for_the_next_host(
    lab: Lab, hosts: dict[str, LabHost]
) -> None:
    first = lab.up("first")
    first.run("apt-get -q update && apt-get -q install -y --no-install-recommends curl")
    assert "Protocols:" in first.run("curl --version").stdout
    lab.down(first)
    second = lab.up("second")
    assert "curl_" in second.run("ls /var/cache/apt/archives").stdout
    lab.down(second)


@pytest.mark.parametrize("suite", image.SUITES)
def test_a_power_cut_keeps_the_disk(lab: Lab, hosts: dict[str, LabHost], suite: str) -> None:
    host = hosts[suite]
    host.write("/root/note", "kept\n")
    host.run("systemd-run --unit=lives-until-the-cut sleep infinity")
    lab.crash(host)
    assert not host.running
    with pytest.raises(CommandFailed):
        host.read("/root/note")
    assert lab.start(host) == "running"
    assert host.read("/root/note") == "kept\n"
    unit = host.run("systemctl is-active lives-until-the-cut", check=False)
    assert unit.stdout.strip() == "inactive"


@pytest.mark.parametrize("suite", image.SUITES)
def test_a_reboot_is_a_new_boot(hosts: dict[str, LabHost], suite: str) -> None:
    host = hosts[suite]
    host.run("touch /run/of-this-boot /root/of-all-boots")
    assert host.reboot() == "running"
    listed = host.run("ls /run/of-this-boot /root/of-all-boots", check=False).stdout
    assert listed == "/root/of-all-boots\n"


def test_a_cut_is_between_two_hosts_only(lab: Lab, hosts: dict[str, LabHost]) -> None:
    one, other, third = hosts["bookworm"], hosts["bullseye"], hosts["trixie"]
    assert open_ports(one, other.address, [22]) == {22}
    lab.cut(one, other)
    assert open_ports(one, other.address, [22]) == set()
    assert open_ports(other, one.address6, [22]) == set()
    assert open_ports(third, one.address, [22]) == open_ports(third, other.address, [22]) == {22}
    lab.heal()
    assert open_ports(one, other.address, [22]) == open_ports(other, one.address6, [22]) == {22}


@pytest.fixture
def strict_machine() -> Iterator[str]:
    """A table with a chain of the machine's own that decides what is forwarded."""
    reason = needs.missing()
    if reason:
        pytest.skip(reason)
    table = "inet lab-test-strict"
    run(["nft", f"add table {table}"])
    run(["nft", f"add chain {table} forward {{ type filter hook forward priority 0; }}"])
    yield table
    run(["nft", f"delete table {table}"])


def test_hosts_get_out_of_a_machine_that_forwards_nothing(strict_machine: str) -> None:
    mirror = urlsplit(apt.sources("bookworm").split()[2])
    port = mirror.port or {"http": 80, "https": 443}[mirror.scheme]
    ask = f"timeout 5 bash -c 'echo > /dev/tcp/{mirror.hostname}/{port}'"
    with Lab() as lab:
        host = lab.up("one")
        drops = [f"{side} {lab.bridge} drop" for side in ("iifname", "oifname")]
        for drop in drops:
            run(["nft", f"add rule {strict_machine} forward {drop}"])
        assert host.run(ask, check=False).returncode == 0
        run(["nft", f"flush chain {strict_machine} forward"])
        run(["nft", f"add rule {strict_machine} forward {drops[0]}"])
        assert host.run(ask, check=False).returncode != 0, "the machine is not strict"
    with Lab() as lab:
        bridge = lab.bridge
        assert bridge in run(["nft", f"list table {strict_machine}"]).stdout
    assert f'comment "{bridge}"' not in run(["nft", f"list table {strict_machine}"]).stdout


def test_names_resolve_inside_every_host(lab: Lab, hosts: dict[str, LabHost]) -> None:
    lab.resolve("mattermost.test", hosts["trixie"])
    for host in hosts.values():
        found = host.run("getent ahosts mattermost.test").stdout
        assert hosts["trixie"].address in found
        assert hosts["trixie"].address6 in found


def test_a_killed_unit_takes_no_unit_of_another_host_with_it(hosts: dict[str, LabHost]) -> None:
    for host in hosts.values():
        host.run("systemd-run --unit=same-name sleep infinity")
    hosts["bookworm"].run("systemctl kill --signal=SIGKILL --kill-who=all same-name")
    wait_until(
        lambda: hosts["bookworm"].run("systemctl is-active same-name", check=False).returncode,
        10,
        "the unit ended",
    )
    for suite in ("trixie", "bullseye"):
        assert hosts[suite].run("systemctl is-active same-name").stdout.strip() == "active"


def test_an_error_shows_command_and_output(hosts: dict[str, LabHost]) -> None:
    with pytest.raises(CommandFailed, match=r"bookworm: ls /nowhere: exit status 2\n.*No such"):
        hosts["bookworm"].run("ls /nowhere")


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(Waited, match="waited 0 s in vain: pigs fly"):
        wait_until(lambda: False, 0, "pigs fly")


@pytest.fixture
def clean() -> Iterator[None]:
    """Nothing of a lab that is gone is on this machine after the test."""
    reason = needs.missing()
    if reason:
        pytest.skip(reason)
    yield
    assert "test-lab" not in state.known()
    assert leftovers() == set()


OTHER_PROCESS = """
import sys, time
from tests.lab.hosts import Lab
lab = Lab("test-lab", keep={keep})
host = lab.up("alone")
host.write("/root/note", "found")
print(host.address, flush=True)
{then}
"""


def in_another_process(*, keep: bool, then: str) -> "subprocess.Popen[str]":
    """A process with a lab of its own, whose host is up."""
    script = OTHER_PROCESS.format(keep=keep, then=then)
    started = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert started.stdout
    assert started.stdout.readline().startswith("10."), "the other process has no host"
    return started


@pytest.mark.usefixtures("clean")
def test_a_lab_leaves_nothing_behind() -> None:
    with Lab("test-lab") as lab, Lab() as beside:
        assert lab.up("one").address != beside.up("one").address


@pytest.mark.usefixtures("clean")
def test_a_failed_test_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError), Lab("test-lab") as lab:
        lab.crash(lab.up("crashed"))
        lab.up("up")
        _ = 1 / 0


@pytest.mark.usefixtures("clean")
def test_what_a_killed_lab_left_is_cleared_and_living_labs_are_not(
    lab: Lab, hosts: dict[str, LabHost]
) -> None:
    other = in_another_process(keep=False, then="time.sleep(600)")
    reaper.reap()
    assert "test-lab" in state.known(), "a living lab was cleared away"
    other.send_signal(signal.SIGKILL)
    other.wait()
    left = state.known()["test-lab"]
    assert left
    assert (Path("/sys/class/net") / left.bridge).exists(), "nothing was left to clear away"
    reaper.reap()
    assert not (Path("/sys/class/net") / left.bridge).exists()
    assert hosts["bookworm"].running


@pytest.mark.usefixtures("clean")
def test_a_kept_lab_outlives_its_process_and_is_found_again() -> None:
    assert Lab.attach("test-lab") is None
    assert in_another_process(keep=True, then="").wait() == 0
    reaper.reap()
    found = Lab.attach("test-lab")
    assert found
    with pytest.raises(FileExistsError, match="test-lab"):
        Lab("test-lab")
    with found:
        host = found.hosts["alone"]
        assert host.read("/root/note") == "found"
        found.crash(host)
        assert found.start(host) == "running"
        assert found.up("second").read("/etc/hosts") == host.read("/etc/hosts")


def test_the_mirror_is_taken_from_both_kinds_of_apt_sources(tmp_path: Path) -> None:
    folder = tmp_path / "apt/sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    (tmp_path / "apt/sources.list").write_text("deb [arch=amd64] http://one/debian bookworm main\n")
    (folder / "off.sources").write_text(
        "Enabled: no\nTypes: deb\nURIs: http://off/debian\nSuites: bookworm-security\n"
    )
    (folder / "debian.sources").write_text(
        "# a comment\nTypes: deb deb-src\n# another\nURIs: http://two/security\n"
        "Suites: bookworm-updates\n bookworm-security\nComponents: main\n"
    )
    lines = apt.sources("trixie", etc=tmp_path).splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "http://one/debian trixie main",
        "http://one/debian trixie-updates main",
        "http://two/security trixie-security main",
    ]


def test_a_machine_without_a_debian_mirror_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=other\nVERSION_CODENAME=noble\n")
    with pytest.raises(apt.NoMirror, match="No Debian mirror for noble was found"):
        apt.sources("bookworm", etc=tmp_path)


def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "this is not root" in str(needs.missing())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "nft" else tool)
    assert needs.missing() == "real hosts need the packages nftables; run scripts/setup as root"
