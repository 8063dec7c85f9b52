"""The verification's verdicts on what a host answered: every check is seen to fail."""

from dataclasses import replace
from typing import Any

import pytest

from mattermost_host.facts.host import Listener
from mattermost_host.knowledge.surface import Port, SecretFile, Unit
from mattermost_host.ops.entries import State
from mattermost_host.ops.release_state import Flaw, Found
from mattermost_host.ops.unit_state import UnitState
from tests.host import judge
from tests.host import questions_release as qr
from tests.host.questions import KernelRules, Process, UnitStatus
from tests.unit.examples import DEBIAN_12

UP = UnitStatus("loaded", "active", "enabled", "root", 10)
NGINX = Unit("nginx.service", max_exposure=3.0)


def test_a_good_unit_holds() -> None:
    assert not [*judge.units([NGINX], {NGINX.name: UP})]
    assert not [*judge.units([NGINX], {NGINX.name: replace(UP, enabled="enabled-runtime")})]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (UnitStatus(), "nginx.service: expected a unit, found none of that name"),
        (replace(UP, load="masked"), "nginx.service: expected a unit, found it masked"),
        (replace(UP, active="failed"), "nginx.service: expected it active, found failed"),
        (
            replace(UP, enabled="disabled"),
            "nginx.service: expected it enabled at boot, found disabled",
        ),
        (
            replace(UP, needs_daemon_reload=True),
            "nginx.service: expected its file as systemd read it, found the file changed since",
        ),
    ],
)
def test_a_bad_unit_is_named(status: UnitStatus, sentence: str) -> None:
    assert [*judge.units([NGINX], {NGINX.name: status})] == [sentence]


def test_a_unit_of_another_user_is_named() -> None:
    process = Process(10, 1, "nginx", "root", 1024, 1024)
    oneshot = {NGINX.name: replace(UP, main_pid=0, user="nobody")}
    assert not [*judge.users([NGINX], {NGINX.name: UP}, {10: process})]
    wrong = judge.users([NGINX], {NGINX.name: UP}, {10: replace(process, user="games")})
    assert [*wrong] == ["user of nginx.service: expected root, found games"]
    stopped = {NGINX.name: replace(UP, active="inactive", main_pid=0)}
    assert [*judge.users([NGINX], stopped, {})] == [
        "user of nginx.service: expected root, found it not running"
    ]
    assert [*judge.users([NGINX], oneshot, {})] == [
        "user of nginx.service: expected root, found nobody"
    ]


def test_exposure_above_the_bound_or_unknown_is_named() -> None:
    assert not [*judge.exposures([NGINX], {NGINX.name: 3.0})]
    assert [*judge.exposures([NGINX], {NGINX.name: 3.1})] == [
        "exposure of nginx.service: expected at most 3.0, found 3.1"
    ]
    assert [*judge.exposures([NGINX], {})] == [
        "exposure of nginx.service: expected at most 3.0, found no figure"
    ]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (None, "a file of root:root 600, found nothing there"),
        (State("symbolic link", "777", "root", "root"), "a file of root:root 600, found a symboli"),
        (State("regular file", "644", "root", "root"), "root:root 600, found root:root 644"),
        (State("regular file", "600", "games", "root"), "root:root 600, found games:root 600"),
        (State("regular file", "600", "root", "games"), "root:root 600, found root:games 600"),
    ],
)
def test_an_open_or_missing_secret_is_named(state: State | None, found: str) -> None:
    states = {"/etc/key": state} if state else {}
    [sentence] = judge.secret_files([SecretFile("/etc/key")], states)
    assert sentence.startswith(f"/etc/key: expected {found}")


def test_a_closed_secret_holds() -> None:
    closed = State("regular file", "600", "root", "root")
    assert not [*judge.secret_files([SecretFile("/etc/key")], {"/etc/key": closed})]


@pytest.mark.parametrize(("mode", "holds"), [("600", True), ("640", True), ("641", False)])
def test_a_secret_may_be_more_closed_than_it_must_be(mode: str, holds: bool) -> None:
    declared = SecretFile("/var/lib/x/config.json", "x", "x", "640")
    state = State("regular file", mode, "x", "x")
    assert (not [*judge.secret_files([declared], {declared.path: state})]) is holds


def test_a_folder_that_is_open_or_missing_is_named() -> None:
    expected = {"/var/lib/x": ("x", "x", "750")}
    good = State("directory", "750", "x", "x")
    assert not [*judge.folders(expected, {"/var/lib/x": good})]
    assert [*judge.folders(expected, {})] == ["/var/lib/x: expected a folder, found nothing there"]
    assert [*judge.folders(expected, {"/var/lib/x": replace(good, mode="755")})] == [
        "/var/lib/x: expected x:x 750, found x:x 755"
    ]


def test_a_key_for_everybody_is_named() -> None:
    assert [*judge.no_public_keys(["/etc/k.pem"])] == [
        "/etc/k.pem: expected a private key for its owner only, found readable by everybody"
    ]


WEB = Port(443, "HTTPS", "world", process="nginx")
SERVER = Port(8065, "the server", "loopback", process="mattermost")


@pytest.mark.parametrize(
    ("port", "listeners", "sentence"),
    [
        (WEB, [], "port 443/tcp (HTTPS): expected nginx listening, found nobody"),
        (
            WEB,
            [Listener("tcp", "0.0.0.0", 443, "apache2")],
            "port 443/tcp (HTTPS): expected the process nginx, found apache2",
        ),
        (
            WEB,
            [Listener("tcp", "127.0.0.1", 443, "nginx")],
            "port 443/tcp (HTTPS): expected it reachable from outside, found it on loopback only",
        ),
        (
            SERVER,
            [Listener("tcp", "::", 8065, "mattermost")],
            "port 8065/tcp (the server): expected it on loopback only, found it on ::",
        ),
    ],
)
def test_a_port_that_is_not_as_declared_is_named(
    port: Port, listeners: list[Listener], sentence: str
) -> None:
    assert [*judge.listening([port], listeners)] == [sentence]


def test_ports_as_declared_hold() -> None:
    listeners = [
        Listener("tcp", "0.0.0.0", 443, "nginx"),
        Listener("tcp", "::1", 8065, "mattermost"),
    ]
    assert not [*judge.listening([WEB, SERVER], listeners)]
    assert not [*judge.nothing_else_listens([WEB, SERVER], listeners)]


@pytest.mark.parametrize(
    "listener",
    [
        Listener("tcp", "127.0.0.1", 5432, "postgres"),
        Listener("tcp", "0.0.0.0", 25, "master"),
        Listener("udp", "0.0.0.0", 443, "nginx"),
        Listener("tcp", "0.0.0.0", 53, "systemd-resolve"),
        Listener("udp", "0.0.0.0", 4444, "chronyd"),
        Listener("tcp", "0.0.0.0", 4444, ""),
        Listener("udp", "0.0.0.0", 22, "sshd"),
    ],
)
def test_an_undeclared_socket_is_named(listener: Listener) -> None:
    [sentence] = judge.nothing_else_listens([WEB], [listener])
    who = listener.process or "an unknown process"
    assert sentence == (
        f"port {listener.port}/{listener.protocol} on {listener.address}: "
        f"expected nobody listening, found {who}"
    )


@pytest.mark.parametrize(
    "listener",
    [
        Listener("tcp", "0.0.0.0", 22, "sshd"),
        Listener("tcp", "127.0.0.53", 53, "systemd-resolve"),
        Listener("udp", "0.0.0.0", 5355, "systemd-resolve"),
        Listener("udp", "10.0.0.5", 68, "systemd-network"),
        Listener("udp", "fe80::1", 546, "dhclient"),
        Listener("udp", "127.0.0.1", 323, "chronyd"),
        Listener("tcp", "::1", 25, "exim4"),
    ],
)
def test_the_system_s_own_clients_hold(listener: Listener) -> None:
    assert not [*judge.nothing_else_listens([], [listener])]


RULE = "tcp dport { 22, 80, 443 } accept"
LOADED = KernelRules((RULE, "udp sport 547 udp dport 546 accept"), listed=True)


@pytest.mark.parametrize(
    ("enabled", "rules", "part"),
    [
        (True, replace(LOADED, listed=False), "expected it in the kernel, found none"),
        (True, replace(LOADED, file=()), f"expected the rule '{RULE}', found it missing"),
        (
            True,
            replace(LOADED, file=(RULE, "tcp dport 23 accept")),
            "expected only the ports of the site open, found also 'tcp dport 23 accept'",
        ),
        (True, replace(LOADED, file_newer=True), "found it changed since it was loaded"),
        (True, replace(LOADED, differences=("> tcp dport 23 accept",)), "> tcp dport 23 accept"),
        (False, LOADED, "expected none, it is switched off, found one in the kernel"),
    ],
)
def test_a_firewall_that_differs_is_named(enabled: bool, rules: KernelRules, part: str) -> None:
    [sentence] = judge.firewall(enabled, (rule for rule in [RULE]), rules)
    assert part in sentence


def test_a_firewall_as_described_holds() -> None:
    assert not [*judge.firewall(True, [RULE], LOADED)]
    assert not [*judge.firewall(False, [RULE], KernelRules())]


def test_a_kernel_parameter_with_another_value_is_named() -> None:
    wanted = {"net.core.somaxconn": "4096", "vm.min_free_kbytes": "41943"}
    assert not [*judge.kernel(wanted, {"net.core.somaxconn": "4096"})]
    assert [*judge.kernel(wanted, {"net.core.somaxconn": "128"})] == [
        "kernel parameter net.core.somaxconn: expected 4096, found 128"
    ]


def test_a_clock_that_is_wrong_or_free_is_named() -> None:
    free = replace(DEBIAN_12, clock_synchronised=False)
    assert not [*judge.clock(DEBIAN_12)]
    assert not [*judge.clock(replace(free, container=True))]
    assert [*judge.clock(free)] == ["clock: expected it synchronised, found it running free"]
    assert [*judge.clock(replace(DEBIAN_12, clock_offset_s=-61))] == [
        "clock against this machine's: expected within 5 s, found -61.0 s"
    ]


def test_a_process_older_than_its_files_is_named() -> None:
    running = UnitState(active=True, enabled=True)
    assert not [*judge.current_files("x.service", running)]
    assert len([*judge.current_files("x.service", replace(running, to_restart=("/a",)))]) == 1
    assert len([*judge.current_files("x.service", replace(running, to_reload=("/b",)))]) == 1
    assert [*judge.current_files("x.service", UnitState())] == [
        "x.service: expected it running its current files, found it not running"
    ]


@pytest.mark.parametrize(
    ("executable", "release", "part"),
    [
        ("/r/2/bin/mattermost", "/r/1", "expected a binary below /r/1, found /r/2/bin/mattermost"),
        ("/r/10/bin/mattermost", "/r/1", "found /r/10/bin/mattermost"),
        ("", "/r/1", "expected it running, found no process"),
        ("/usr/bin/python3", "", "expected a release below /r, found none"),
        ("/usr/bin/python3", "/srv/1", "expected a release below /r, found /srv/1"),
    ],
)
def test_a_binary_of_another_release_is_named(executable: str, release: str, part: str) -> None:
    [sentence] = judge.binary(qr.RunningBinary(executable, release), "/r")
    assert part in sentence


RELEASE = Found(("1.0.0",), "releases/1.0.0", noted="1.0.0", tarball="ab")


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"current": None, "in_the_way": "directory"}, "expected a link to a release, found dir"),
        ({"current": None}, "expected a link to a release, found nothing"),
        ({"current": "/srv/x"}, "current: expected the link to releases/1.0.0"),
        ({"noted": ""}, "current: expected the link to releases/…"),
        ({"tarball": ""}, "releases/1.0.0: expected a manifest of its files"),
        (
            {"flaws": (Flaw("./client/x.js", "content", "has another content"),)},
            "releases/1.0.0/client/x.js: expected as unpacked, found has another content",
        ),
    ],
)
def test_a_release_that_is_not_as_unpacked_is_named(changed: dict[str, Any], part: str) -> None:
    assert not [*judge.release(RELEASE)]
    [sentence] = judge.release(replace(RELEASE, **changed))
    assert part in sentence


def test_too_few_open_files_or_no_process_is_named() -> None:
    process = Process(7, 1, "nginx", "www-data", 1024, 1024)
    assert not [*judge.open_files("NGINX", [process], 1024)]
    assert [*judge.open_files("NGINX", [process], 50_000)] == [
        "limit of open files of NGINX (process 7): expected at least 50,000, found 1,024"
    ]
    assert [*judge.open_files("NGINX", [], 1)] == ["NGINX: expected it running, found no process"]
