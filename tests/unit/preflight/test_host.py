"""Each requirement: a host that will do, hosts that won't with what to do, and one that is mute."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mattermost_host.facts.host import DISK_PATHS, Disk, HostFacts, Listener
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight import conflicts, postgresql, together
from mattermost_host.preflight import host as requirements
from mattermost_host.preflight.finding import Finding, Requirement, SiteRequirement
from tests.unit.examples import DEBIAN_12

HTTPS = Port(443, "HTTPS", "world", process="nginx")
SERVER = Port(8065, "the server", "loopback", process="mattermost")
SSH = Port(22, "administration", "world", process="sshd")
GB = 1024


def on_one_disk(free_mb: int) -> tuple[Disk, ...]:
    return tuple(Disk(path, "/dev/sda1", free_mb) for path in DISK_PATHS)


def _alone(needed: SiteRequirement) -> Requirement:
    """As it is for the only host of a site."""
    return Requirement(
        needed.name, lambda facts: [found for _, found in needed.check({"mm1": facts})]
    )


HOST = replace(DEBIAN_12, disks=on_one_disk(100 * GB), locales=("C", "en_US.utf8"))
EVERY: dict[str, Requirement] = {
    one.name: one
    for one in (
        requirements.supported_platform(),
        requirements.architecture(),
        requirements.glibc(lambda _: "11.7.9"),
        requirements.capacity(200),
        requirements.disk(200, "medium"),
        requirements.executable_opt(),
        requirements.writable(),
        requirements.clock(),
        _alone(together.name_resolution("https://chat.example.com")),
        requirements.locale(),
        postgresql.version_suits(lambda _: 15, lambda _: "11.7.9"),
        conflicts.ports_free([HTTPS, SERVER, SSH]),
        conflicts.no_other_web_server(),
        conflicts.no_other_postgresql(lambda _: DEBIAN.cluster(15)),
        conflicts.no_other_firewall(),
        conflicts.nothing_forwarded(allowed=False),
        conflicts.no_other_mattermost(),
    )
}


def findings(check: Requirement | str, facts: HostFacts) -> list[Finding]:
    requirement = EVERY[check] if isinstance(check, str) else check
    found = list(requirement.check(facts))
    assert found
    assert {one.name for one in found} == {requirement.name}
    for one in found:
        # What is wrong says what to do, in a sentence; what is well asks for nothing.
        assert bool(one.remedy) == (one.verdict != "ok")
        assert not one.remedy or one.remedy.endswith(".")
    return found


def finding(check: Requirement | str, facts: HostFacts) -> Finding:
    (found,) = findings(check, facts)
    return found


@pytest.mark.parametrize("name", EVERY)
def test_a_fresh_host_will_do(name: str) -> None:
    assert finding(name, HOST).verdict == "ok"


@pytest.mark.parametrize(
    ("check", "facts", "verdict", "words"),
    [
        ("supported-platform", {"distribution": "debian", "release": "10"}, "error", "Debian 10"),
        ("supported-platform", {"distribution": "", "release": ""}, "error", "not supported"),
        ("architecture", {"architecture": "armv7l"}, "error", "armv7l"),
        ("architecture", {"architecture": "arm64"}, "warning", "plugins"),
        ("glibc", {"glibc": "2.12"}, "error", "2.12"),
        ("glibc", {"glibc": ""}, "warning", "could not be read"),
        ("capacity", {"cpus": 1, "memory_mb": 1_000}, "error", "1 vCPU, 1,000 MB"),
        ("capacity", {"unread": frozenset({"cpus"})}, "warning", "could not be read"),
        ("disk", {"disks": on_one_disk(8 * GB)}, "error", "8,192 MB free"),
        ("disk", {"disks": on_one_disk(20 * GB)}, "warning", "20,480 MB free"),
        ("disk", {"disks": ()}, "warning", "could not be read"),
        ("opt-executable", {"opt_noexec": True}, "error", "/etc/fstab"),
        ("opt-executable", {"unread": frozenset({"disks"})}, "warning", "could not be read"),
        ("writable", {"read_only": ("/usr", "/opt")}, "error", "/usr, /opt: mounted read-only"),
        ("writable", {"temporary": (("/tmp", 0), ("/var/tmp", 900))}, "error", "0 MB free in /tmp"),
        ("writable", {"unread": frozenset({"temporary"})}, "warning", "could not be read"),
        ("forwarding", {"forwarding": ("docker0",)}, "error", "firewall = {'forward': True}"),
        ("forwarding", {"forwarding": ("wg0",), "managed": True}, "warning", "to wg0"),
        ("forwarding", {"unread": frozenset({"forwarding"})}, "warning", "could not be read"),
        ("clock", {"clock_offset_s": -90.0}, "error", "90 s behind"),
        ("clock", {"clock_offset_s": 3.2}, "warning", "3 s ahead of"),
        ("clock", {"clock_offset_s": -90.0, "container": True}, "error", "90 s behind"),
        ("clock", {"clock_synchronised": False}, "warning", "UDP port 123"),
        ("clock", {"unread": frozenset({"clock"})}, "warning", "could not be read"),
        ("name-resolution", {"resolved": ()}, "error", "Create the DNS record"),
        ("name-resolution", {"resolved": ("198.51.100.9",)}, "warning", "load balancer"),
        ("name-resolution", {"resolved": ("127.0.1.1",)}, "warning", "/etc/hosts"),
        (
            "name-resolution",
            {"resolved": ("192.0.2.10", "2001:db8::9")},
            "warning",
            "says 2001:db8::9",
        ),
        ("name-resolution", {"unread": frozenset({"resolved"})}, "warning", "could not be read"),
        ("locale", {"unread": frozenset({"locales"})}, "warning", "could not be read"),
        ("no-other-web-server", {"active_units": ("apache2",)}, "error", "running: apache2"),
        ("no-other-web-server", {"active_units": ("nginx",)}, "error", "did not set up"),
        ("no-other-postgresql", {"clusters": (("15", "main", 5432),)}, "error", "15/main"),
        ("no-other-firewall", {"active_units": ("ufw",)}, "error", "active: ufw"),
        ("no-other-firewall", {"unread": frozenset({"units"})}, "warning", "could not be read"),
        ("no-other-mattermost", {"active_units": ("mattermost",)}, "error", "mattermost.service"),
        (
            "no-other-mattermost",
            {"packages": (("mattermost-omnibus", "11.0"),)},
            "error",
            "the vendor's package mattermost-omnibus",
        ),
        (
            "no-other-mattermost",
            {"managed": True, "foreign": (("path", "/opt/mattermost/bin/mattermost"),)},
            "error",
            "/opt/mattermost/bin/mattermost `mattermost-host adopt` writes the inventory for it",
        ),
        (
            "no-other-mattermost",
            {"managed": True, "foreign": (("step", "moves"),)},
            "error",
            "cut off at the step moves Run `mattermost-host take-over` with this inventory",
        ),
    ],
)
def test_what_is_wrong_is_said(
    check: str, facts: dict[str, object], verdict: str, words: str
) -> None:
    found = finding(check, replace(HOST, **facts))  # type: ignore[arg-type]
    assert found.verdict == verdict
    assert words in f"{found.found} {found.remedy}"


@pytest.mark.parametrize(
    ("check", "facts"),
    [
        ("clock", {"container": True, "clock_synchronised": False}),
        ("clock", {"container": True, "unread": frozenset({"clock"})}),
        ("locale", {"locales": ("C.utf8",)}),
        ("disk", {"managed": True, "disks": on_one_disk(3 * GB)}),
        ("no-other-web-server", {"managed": True, "active_units": ("nginx",)}),
        ("no-other-postgresql", {"managed": True, "clusters": (("15", "main", 5432),)}),
        ("no-other-mattermost", {"managed": True, "active_units": ("mattermost",)}),
        ("no-other-mattermost", {"managed": True, "foreign": (("step", "done"),)}),
    ],
)
def test_what_looks_wrong_and_is_not(check: str, facts: dict[str, object]) -> None:
    assert finding(check, replace(HOST, **facts)).verdict == "ok"  # type: ignore[arg-type]


def test_a_locale_to_come_is_announced() -> None:
    assert "will be generated" in finding("locale", replace(HOST, locales=())).found


@pytest.mark.parametrize(
    ("users", "cpus", "memory_mb", "verdict"),
    [
        (1_000, 1, 1_910, "ok"),
        (1_000, 1, 1_024, "error"),
        (1_001, 1, 3_900, "error"),
        (2_000, 2, 3_900, "ok"),
        (5_000, 2, 3_900, "warning"),
        (5_000, 1, 3_900, "error"),
        (5_000, 64, 256 * GB, "ok"),
        (900_000, 64, 256 * GB, "error"),
    ],
)
def test_capacity_for_users(users: int, cpus: int, memory_mb: int, verdict: str) -> None:
    facts = replace(HOST, cpus=cpus, memory_mb=memory_mb)
    assert finding(requirements.capacity(users), facts).verdict == verdict


def test_a_host_in_use_needs_disk_for_the_next_release_only() -> None:
    facts = replace(HOST, managed=True, disks=on_one_disk(GB))
    assert finding("disk", facts).needed == "2,048 MB on a host that is in use"


def test_disks_that_are_shared_count_once_and_others_add_up() -> None:
    opt, database, _, uploads = DISK_PATHS
    shared = (Disk(opt, "/", 9 * GB), Disk(database, "/", 9 * GB), Disk(uploads, "/", 9 * GB))
    assert finding("disk", replace(HOST, disks=shared)).found.startswith("9,216 MB")
    apart = (Disk(opt, "a", 1 * GB), Disk(database, "b", 50 * GB), Disk(uploads, "c", 60 * GB))
    data, releases = findings("disk", replace(HOST, disks=apart))
    assert (data.verdict, releases.verdict) == ("ok", "error")
    assert releases.found == "1,024 MB free for /opt"


def test_the_database_lies_where_the_family_has_it() -> None:
    opt, debian, redhat, uploads = DISK_PATHS
    disks = tuple(Disk(path, path, GB * at) for at, path in enumerate((opt, debian, redhat), 10))
    disks += (Disk(uploads, uploads, 50 * GB),)
    says = {
        name: finding("disk", replace(HOST, distribution=name, release="9", disks=disks)).found
        for name in ("rocky", "unknown")
    }
    assert says["rocky"] == f"{62 * GB:,} MB free for {redhat} and {uploads}"
    assert says["unknown"] == f"{73 * GB:,} MB free for {debian} and {redhat} and {uploads}"
    used = replace(HOST, managed=True, disks=(*disks[:2], Disk(redhat, "r", 1), disks[3]))
    assert finding("disk", used).verdict == "ok", "Debian does not look there"
    assert finding("disk", replace(used, distribution="rocky", release="9")).verdict == "error"


@pytest.mark.parametrize(
    ("major", "verdict", "words"),
    [
        (lambda _: 13, "error", "too old"),
        (lambda _: 17, "ok", ""),
    ],
)
def test_the_postgresql_to_come(
    major: Callable[[HostFacts], int], verdict: str, words: str
) -> None:
    found = finding(postgresql.version_suits(major, lambda _: "11.7.9"), HOST)
    assert found.verdict == verdict
    assert words in found.remedy


def listening(*listeners: Listener, managed: bool = False) -> list[Finding]:
    sshd = Listener("tcp", "0.0.0.0", 22, "sshd")
    return findings("ports-free", replace(HOST, listeners=(sshd, *listeners), managed=managed))


def test_each_port_that_is_taken_is_told_once() -> None:
    found = listening(
        Listener("tcp", "0.0.0.0", 443, "haproxy"),
        Listener("tcp", "::", 443, "haproxy"),
        Listener("tcp", "127.0.0.1", 8065, ""),
    )
    assert [one.found for one in found] == [
        "haproxy listens on 443/tcp",
        "an unknown process listens on 8065/tcp",
    ]
    assert {one.verdict for one in found} == {"error"}


@pytest.mark.parametrize(
    "listener",
    [
        Listener("udp", "0.0.0.0", 443, "quic"),
        Listener("tcp", "192.0.2.10", 8065, "elsewhere"),
        Listener("tcp", "0.0.0.0", 9090, "other"),
    ],
)
def test_what_does_not_collide(listener: Listener) -> None:
    assert [one.verdict for one in listening(listener)] == ["ok"]


def test_our_own_services_may_have_their_ports_where_a_run_of_ours_was() -> None:
    ours = (
        Listener("tcp", "0.0.0.0", 443, "nginx"),
        Listener("tcp", "127.0.0.1", 8065, "mattermost"),
    )
    assert [one.verdict for one in listening(*ours, managed=True)] == ["ok"]
    assert [one.verdict for one in listening(*ours, managed=False)] == ["error", "error"]
    other = Listener("tcp", "0.0.0.0", 443, "haproxy")
    assert [one.verdict for one in listening(other, managed=True)] == ["error"]


def test_listeners_that_could_not_be_read_are_not_free() -> None:
    found = finding("ports-free", replace(HOST, unread=frozenset({"listeners"})))
    assert found.verdict == "warning"


def test_a_second_cluster_beside_ours() -> None:
    facts = replace(HOST, managed=True, clusters=(("13", "main", 5433), ("15", "main", 5432)))
    assert finding("no-other-postgresql", facts).found == "PostgreSQL 13/main on the host"


def test_the_cluster_of_the_site_is_not_to_be_removed() -> None:
    """As after an upgrade of the system, or another version in the inventory."""
    facts = replace(HOST, managed=True, clusters=(("16", "main", 5432),))
    remedy = finding("no-other-postgresql", facts).remedy
    assert "write postgres = {'version': 16, 'pgdg': True} into the inventory" in remedy
    for strange in (("9.6", "main", 5432), ("13", "main", 5432), ("16", "other", 5432)):
        facts = replace(HOST, managed=True, clusters=(strange,))
        assert "if nothing needs its data" in finding("no-other-postgresql", facts).remedy


def test_an_unreadable_list_of_services_hides_no_error() -> None:
    facts = replace(HOST, active_units=("firewalld",), unread=frozenset({"packages"}))
    assert finding("no-other-firewall", facts).verdict == "error"


def test_who_allows_forwarding_is_not_asked_about_it() -> None:
    allowed = conflicts.nothing_forwarded(allowed=True)
    found = finding(allowed, replace(HOST, forwarding=("docker0",)))
    assert (found.verdict, found.found) == ("ok", "packets are forwarded to docker0")
