"""A host's facts: the shell's and psutil's agree, and what can't be read is said to be unread."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import pytest

from mattermost_host.engine import batch
from mattermost_host.engine.batch import Question, packed
from mattermost_host.facts import questions, this_machine
from mattermost_host.facts.host import DISK_PATHS, HostFacts, Listener
from mattermost_host.facts.questions import (
    FIRST,
    LAST,
    QUESTIONS,
    AskHost,
    about,
    facts_of,
    fields,
)
from tests.unit import local

TOOLS_OF_EVERY_HOST = ("sh", "timeout", "cat", "date", "awk", "sed", "uname", "dirname")
MEGABYTES_WRITTEN_MEANWHILE = 500


def over_shell(path: str | None = None) -> HostFacts:
    sent = time.time()
    answers = batch.told(about("localhost"), lambda script: printed(script, path=path))
    return facts_of(answers, sent, time.time())


def printed(script: str, path: str | None = None, **environment: str) -> list[str]:
    asked = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": path or os.environ["PATH"], "LC_ALL": "C", **environment},
    )
    return asked.stdout.splitlines()


def parsed(question: str, *lines: str) -> dict[Question[Any], Any]:
    asked = AskHost(question, "x")
    return {asked: asked.parse(list(lines))}


def still(facts: HostFacts) -> HostFacts:
    """Without what moves from one reading to the next, other tests' ports included."""
    return replace(facts, clock_offset_s=0.0, disks=(), listeners=(), temporary=())


def section(question: str, *lines: str) -> dict[str, Any]:
    found = fields(parsed(question, *lines))
    assert found.pop("unread") == frozenset()
    return found


def test_the_shell_and_psutil_say_the_same_of_this_machine() -> None:
    shell, python = over_shell(), this_machine.read("localhost")
    assert abs(shell.clock_offset_s) < 1
    for one, other in zip(shell.disks, python.disks, strict=True):
        assert abs(one.free_mb - other.free_mb) < MEGABYTES_WRITTEN_MEANWHILE
    assert still(shell) == still(python)
    assert shell.cpus > 0
    assert shell.memory_mb > 0
    assert {disk.path for disk in shell.disks} == set(DISK_PATHS)


OS_RELEASES = {
    "ID=debian\nVERSION_ID=12\n": ("debian", "12"),
    'NAME="Oracle Linux Server"\nID="ol"\nVERSION_ID="9.4"\n': ("ol", "9.4"),
    "ID=rocky\r\nVERSION_ID='9.4'\r\n": ("rocky", "9.4"),
    '# ID=arch\n\n  ID=ubuntu\nVERSION_ID="24.04" # noble': ("ubuntu", "24.04"),
    "ID=debian\nVERSION_CODENAME=forky\n": ("debian", ""),
    "ID=opensuse-leap\nVERSION_ID=15.6": ("opensuse-leap", "15.6"),
    "VERSION_ID=9\n": ("", "9"),
    'ID="debian\nVERSION_ID=12\n': ("", ""),
    "nothing\n": ("", ""),
    "": ("", ""),
}


@pytest.mark.parametrize(("text", "system"), OS_RELEASES.items())
def test_a_system_is_the_same_over_ssh_and_on_this_machine(
    text: str, system: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "os-release").write_text(text)
    there = questions.SCRIPT.replace("/etc/os-release", str(tmp_path / "os-release"))
    monkeypatch.setattr(questions, "SCRIPT", there)
    for facts in (over_shell(), this_machine.read("localhost")):
        assert (facts.distribution, facts.release) == system


@pytest.mark.parametrize(("container", "synchronised"), [("lxc", False), ("", True)])
def test_a_container_s_clock_starts_no_service(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, synchronised: bool
) -> None:
    (tmp_path / "container").write_text(container)
    there = questions.SCRIPT.replace("/run/systemd/container", str(tmp_path / "container"))
    monkeypatch.setattr(questions, "SCRIPT", there)
    programs = tmp_path / "programs"
    local.program(programs, "timedatectl", "echo yes")
    facts = over_shell(f"{programs}:{os.environ['PATH']}")
    assert facts.clock_synchronised is synchronised
    assert "clock" not in facts.unread


FORWARDS = """
mount -t sysfs none /sys; echo 1 >/proc/sys/net/ipv4/ip_forward
ip link add docker0 type bridge
"""


def test_bridges_are_seen_where_the_kernel_forwards() -> None:
    """In a network of its own; only root can make one."""
    able = subprocess.run(["unshare", "-nm", "sh", "-ec", FORWARDS], check=False).returncode
    if able:
        pytest.skip("this machine lets us make no network with a bridge")

    def inside(before: str) -> list[str]:
        asked = [AskHost("forwarding", "x")]
        script = f"{FORWARDS}{before}\n{packed(asked)}"
        done = subprocess.run(
            ["unshare", "-nm", "sh", "-s"], input=script, capture_output=True, text=True, check=True
        )
        return list(fields(batch.unpacked(asked, done.stdout.splitlines()))["forwarding"])

    assert inside("") == ["docker0"]
    assert inside("echo 0 >/proc/sys/net/ipv4/ip_forward") == []


def test_a_listening_socket_is_seen_with_its_process_by_both() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as six:
        six.bind(("::1", 0))
        six.listen()
        name = Path("/proc/self/comm").read_text().strip()
        wanted = {
            Listener("tcp", "127.0.0.1", server.getsockname()[1], name),
            Listener("tcp", "::1", six.getsockname()[1], name),
        }
        assert wanted <= set(over_shell().listeners)
        assert wanted <= set(this_machine.read("localhost").listeners)


def test_the_script_is_posix_shell() -> None:
    subprocess.run(["sh", "-n", "-c", packed(about("x"))], check=True)


def test_a_host_without_tools_says_what_it_could_not_read(tmp_path: Path) -> None:
    for tool in TOOLS_OF_EVERY_HOST:
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    facts = over_shell(path=str(tmp_path))
    assert facts.distribution
    assert facts.memory_mb > 0
    assert facts.unread >= {"glibc", "cpus", "disks", "addresses", "resolved", "packages"}
    assert facts.unread >= {"units", "clock", "locales"}
    assert (facts.cpus, facts.disks, facts.glibc) == (0, (), "")


def test_the_name_of_the_site_is_no_shell(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    printed(packed([AskHost("resolved", f"x; touch {marker}")]))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("first", "last", "offset"),
    [("101", "103", 0.0), ("131", "133", 29.0), ("71", "73", -29.0), ("102", "102", 0.0)],
)
def test_what_the_way_takes_is_not_held_against_the_clock(
    first: str, last: str, offset: float
) -> None:
    facts = facts_of({**parsed(FIRST, first), **parsed(LAST, last)}, 100.0, 104.0)
    assert facts.clock_offset_s == offset


def test_what_was_not_answered_is_unread() -> None:
    facts = facts_of(parsed(FIRST, "101"), 100.0, 104.0)
    assert facts.unread == frozenset(QUESTIONS) - {FIRST, LAST}
    assert "clock" in facts.unread


@pytest.mark.parametrize(
    ("lines", "system"),
    [
        (["ID=debian", 'VERSION_ID="12"'], ("debian", "12")),
        (["# a comment", "ID='ubuntu'", "VERSION_ID=24.04"], ("ubuntu", "24.04")),
        (["ID=arch"], ("arch", "")),
    ],
)
def test_os_release(lines: list[str], system: tuple[str, str]) -> None:
    found = section("system", *lines)
    assert (found["distribution"], found["release"]) == system


def test_the_lower_limit_of_memory_counts() -> None:
    kernel = str(2048 * 2**20)
    assert section("memory", kernel) == {"memory_mb": 2048}
    assert section("memory", kernel, "max") == {"memory_mb": 2048}
    assert section("memory", kernel, str(512 * 2**20)) == {"memory_mb": 512}
    assert section("memory", kernel, "9223372036854771712") == {"memory_mb": 2048}
    assert section("memory", "2.14748e+09") == {"memory_mb": 2047}


def test_disks_of_one_file_system_and_of_several() -> None:
    found = section(
        "disks",
        "/opt tmpfs 8388608 4194304 /opt rw,nosuid,noexec",
        "/var/lib/postgresql /dev/sda1 9437184 1048576 / rw,relatime",
        "/var/lib/mattermost /dev/sda1 9437184 1048576 / rw,relatime",
    )
    assert found["opt_noexec"] is True
    assert (found["disks"][0].free_mb, found["disks"][0].size_mb) == (4096, 8192)
    assert [disk.file_system for disk in found["disks"]] == ["/opt", "/dev/sda1", "/dev/sda1"]


def test_listeners_of_both_families_and_their_oldest_process() -> None:
    found = section(
        "listeners",
        "tcp 0100007F:1F90 11",
        "tcp6 00000000000000000000000000000000:0050 12",
        "tcp6 B80D0120000000000000000001000000:01BB 13",
        "udp 00000000:0044 14",
        "holder 12 901 nginx",
        "holder 12 44 master of nginx",
    )
    assert found["listeners"] == (
        Listener("udp", "0.0.0.0", 68, ""),
        Listener("tcp", "::", 80, "master of nginx"),
        Listener("tcp", "2001:db8::1", 443, ""),
        Listener("tcp", "127.0.0.1", 8080, ""),
    )


def test_the_port_of_ssh_is_that_of_the_connection_else_that_of_sshd() -> None:
    listeners = parsed("listeners", "tcp 00000000:08AE 7", "holder 7 1 sshd")
    assert fields({**listeners, **parsed("ssh_port", "22022")})["ssh_port"] == 22022
    assert fields({**listeners, **parsed("ssh_port")})["ssh_port"] == 2222


def test_the_port_of_ssh_is_found_though_sudo_hides_it() -> None:
    def hidden(script: str) -> list[str]:
        connection = "198.51.100.7 50000 192.0.2.1 2200"
        return printed(
            f"env -u SSH_CONNECTION sh -c {quote(script)}; true", SSH_CONNECTION=connection
        )

    assert fields(batch.told([AskHost("ssh_port", "x")], hidden))["ssh_port"] == 2200


@pytest.mark.parametrize(
    ("question", "lines", "field", "value"),
    [
        ("architecture", ["aarch64"], "architecture", "arm64"),
        ("architecture", ["riscv64"], "architecture", "riscv64"),
        ("glibc", ["ldd (GNU libc) 2.34"], "glibc", "2.34"),
        ("addresses", ["127.0.0.1", "::1", "fe80::1", "192.0.2.5"], "addresses", ("192.0.2.5",)),
        ("ipv6", [], "has_ipv6", False),
        ("packages", ["nginx 1.22.1-9 installed"], "packages", (("nginx", "1.22.1-9"),)),
        ("packages", ["nginx 1.22.1-9 config-files", "apache2  not-installed"], "packages", ()),
        (
            "resolved",
            ["::1 STREAM x", "::1 DGRAM", "10.0.0.5 STREAM x"],
            "resolved",
            ("10.0.0.5", "::1"),
        ),
        ("clusters", ["15 main 5433"], "clusters", (("15", "main", 5433),)),
        ("database", ["unit a.service", "unit a.service"], "database_units", ("a.service",)),
        ("database", ["step done", "old 15"], "database_move", (("step", "done"), ("old", "15"))),
        ("restore", ["step files"], "restore", (("step", "files"),)),
        ("units", ["ufw", "nginx"], "active_units", ("ufw", "nginx")),
        ("first_boot", ["yes"], "first_boot", True),
        ("first_boot", [], "first_boot", False),
        ("snaps", ["certbot", "lxc"], "snaps", ("certbot", "lxc")),
        ("clock", ["no"], "clock_synchronised", False),
        ("container", ["none"], "container", False),
        ("container", ["systemd-nspawn"], "container", True),
        ("managed", ["yes"], "managed", True),
        ("forwarding", ["docker0"], "forwarding", ("docker0",)),
        ("read_only", ["/usr"], "read_only", ("/usr",)),
        (
            "temporary",
            ["Filesystem …", "tmpfs 9 9 2048 1% /tmp", "/dev/vda1 9 9 10 1% /"],
            "temporary",
            (("/tmp", 2), ("/var/tmp", 0)),
        ),
        ("modules", ["[nginx]", "state=enabled", "stream=1.24"], "modules", (("nginx", "1.24"),)),
        ("modules", ["[nginx]", "state=disabled", "stream="], "modules", (("nginx", ""),)),
        ("repositories", ["baseos", "epel"], "repositories", ("baseos", "epel")),
        ("registered", ["yes"], "registered", True),
        ("fips", ["1"], "fips", True),
        ("fips", ["0"], "fips", False),
        ("crypto_policy", ["DEFAULT:SHA1"], "crypto_policy", "DEFAULT:SHA1"),
        ("crypto_policy", [], "crypto_policy", ""),
        ("allowed_programs", ["yes"], "allowed_programs", True),
        ("selinux", ["1"], "selinux", "enforcing"),
        ("selinux", [], "selinux", "disabled"),
        ("selinux", ["Permissive"], "selinux", "permissive"),
        ("selinux", ["Disabled"], "selinux", "disabled"),
    ],
)
def test_an_answer_becomes_a_field(
    question: str, lines: list[str], field: str, value: object
) -> None:
    assert section(question, *lines)[field] == value


@pytest.mark.parametrize("lines", [["?"], ["many"], []])
def test_what_is_no_answer_is_unread(lines: list[str]) -> None:
    assert fields(parsed("cpus", *lines)) == {"unread": frozenset({"cpus"})}


REPOSITORIES = """
# one that says nothing is enabled
[baseos]
name=BaseOS
[appstream]
enabled = 1
[off]
enabled=0
[false]
enabled = False
"""


def test_rules_of_sudo_for_services(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text("root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) ALL\n# ALL x\n")
    (tmp_path / "sudoers.d").mkdir()
    os.mkfifo(tmp_path / "sudoers.d" / "pipe")
    rules = " mattermost ALL=(ALL) NOPASSWD: ALL\nmattermost2 ALL=ALL\n%www-data\tALL=ALL\n"
    (tmp_path / "sudoers.d" / "chat").write_text(rules)
    places = {"/etc/sudoers.d": tmp_path / "sudoers.d", "/etc/sudoers": tmp_path / "sudoers"}
    asked = [AskHost("sudo_rules", "x")]
    found = fields(batch.told(asked, lambda script: printed(local.moved(script, places))))
    chat = str(tmp_path / "sudoers.d" / "chat")
    assert found["sudo_rules"] == ((chat, "mattermost"), (chat, "%www-data"))


def test_enabled_repositories_and_modules_of_dnf(tmp_path: Path) -> None:
    for folder in ("yum.repos.d", "dnf/modules.d", "fapolicyd/rules.d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "yum.repos.d" / "a.repo").write_text(REPOSITORIES)
    (tmp_path / "yum.repos.d" / "b.repo").write_text("[epel]\nenabled=1")
    (tmp_path / "yum.repos.d" / "c.repo.old").write_text("[old]\n")
    os.mkfifo(tmp_path / "yum.repos.d" / "pipe.repo")
    os.mkfifo(tmp_path / "dnf" / "modules.d" / "pipe.module")
    nginx = "[nginx]\nname=nginx\nstream=1.24\nprofiles=\nstate=enabled\n"
    (tmp_path / "dnf" / "modules.d" / "nginx.module").write_text(nginx)
    (tmp_path / "fapolicyd" / "rules.d" / "80.rules").write_text("allow … dir=/opt/mattermost/\n")
    asked = [AskHost(name, "x") for name in ("repositories", "modules", "allowed_programs")]
    places = {f"/etc/{name}": tmp_path / name for name in ("yum.repos.d", "dnf", "fapolicyd")}
    found = fields(batch.told(asked, lambda script: printed(local.moved(script, places))))
    assert found == {
        "repositories": ("baseos", "appstream", "epel"),
        "modules": (("nginx", "1.24"),),
        "allowed_programs": True,
        "unread": frozenset(),
    }
