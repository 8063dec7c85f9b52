"""Hosts as they are: each deploys as any other, or is refused by name before it is touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost

PASSWORD = "the-password-of-admin"
HOLD_LISTS = """use Fcntl; open(F, ">>", "/var/lib/apt/lists/lock");
my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
fcntl(F, F_SETLK, $lock) or die; sleep 40;
"""
"""Perl, which every Debian has: the lock that apt takes while it fetches its lists."""
RELOAD_SSHD = """systemctl reload ssh; sleep 1
until ss -Hltn 'sport = 22' | grep -q .; do sleep 0.1; done"""
"""It starts itself anew and does not listen for a moment."""
NOTHING_DEPLOYED = "ls -d /etc/mattermost-host /opt/mattermost 2>&1 | grep -c 'No such file'"


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """tcsh, one session for each connection, no programs in /tmp, no IPv6, and a busy apt."""
    host = lab.up("island")
    host.run("apt-get update -q && apt-get install -q -y tcsh && rm -rf /var/lib/apt/lists/*")
    host.run("chsh -s /bin/tcsh admin && echo 'echo Welcome' >/home/admin/.cshrc")
    host.run("echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")
    host.write("/etc/ssh/sshd_config.d/odd.conf", "MaxSessions 1\n")
    host.run(f"{RELOAD_SSHD}; mount -t tmpfs -o noexec,nosuid,size=200m none /tmp")
    host.run("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1")
    folder = tmp_path_factory.mktemp("odd")
    made = Deployment(lab, host, folder, release, user="admin")
    host.write("/root/busy.pl", HOLD_LISTS)
    host.run("systemd-run -q --unit=busy perl /root/busy.pl")
    busy = host.run("systemctl show -p ActiveState --value busy").stdout.strip()
    assert busy == "active", "nothing holds the lock"
    made.deploy()
    yield made


def test_it_serves_and_a_second_run_changes_nothing(deployment: Deployment) -> None:
    assert deployment.status() == 200
    assert deployment.deploy().changed == ()
    deployment.verify()


def test_a_home_edited_by_hand_is_put_right_while_the_server_runs(deployment: Deployment) -> None:
    host, before = deployment.host, deployment.started("mattermost.service")
    host.run("sed -i 's#:/var/lib/mattermost:#:/hacked:#' /etc/passwd")
    plan = deployment.run("mattermost-host", "plan", str(deployment.inventory), check=False)
    assert plan.status == 2 and "has home /hacked" in plan.words
    assert deployment.deploy().changed == ("Mattermost | the account mattermost exists",)
    assert "/var/lib/mattermost:" in host.run("getent passwd mattermost").stdout
    assert deployment.started("mattermost.service") == before
    assert deployment.deploy().changed == ()


def test_an_administrator_who_was_renamed_is_still_one(deployment: Deployment) -> None:
    host = deployment.host
    rename = "UPDATE users SET username = '{}' WHERE username = '{}'"
    psql = "runuser -u postgres -- psql -q mattermost -c"
    host.run(f'{psql} "{rename.format("boss", "sysadmin")}"')
    try:
        assert deployment.deploy().changed == ()
    finally:
        host.run(f'{psql} "{rename.format("sysadmin", "boss")}"')


@pytest.fixture(scope="module")
def closed(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A host that is never deployed: every oddity of it is a refusal."""
    host = lab.up("closed")
    host.run("chpasswd", stdin=f"admin:{PASSWORD}\n")
    return Deployment(lab, host, tmp_path_factory.mktemp("closed"), release, user="admin")


def _refused(closed: Deployment, *sentences: str, **login: Any) -> None:
    """Every command says it, and nothing was touched."""
    closed.login = login
    closed.write()
    inventory = str(closed.inventory)
    for refused in (
        closed.run("mattermost-host", "preflight", inventory, check=False),
        closed.deploy(check=False),
    ):
        assert refused.status == 1, refused.output
        said = refused.words.replace("│ │", "").replace("  ", " ")
        assert PASSWORD not in said
        for sentence in sentences:
            assert sentence in said, refused.output
    assert closed.host.run(NOTHING_DEPLOYED).stdout.strip() == "2"


@pytest.mark.parametrize(
    ("sudoers", "login", "sentences"),
    [
        ("admin ALL=(ALL) ALL", {}, ("sudo wants a password, and none was given",)),
        (
            "admin ALL=(ALL) ALL",
            {"_sudo_password": "wrong"},
            ("sudo does not take the password that was given",),
        ),
        ("", {"_sudo_password": PASSWORD}, ("may not run everything as root",)),
        (
            "Defaults requiretty\nadmin ALL=(ALL) NOPASSWD: ALL",
            {},
            ("sudo wants a terminal (Defaults requiretty)",),
        ),
    ],
    ids=["password", "wrong", "not-in-sudoers", "requiretty"],
)
def test_a_sudo_that_does_not_let_us_is_named(
    closed: Deployment, sudoers: str, login: dict[str, Any], sentences: tuple[str, ...]
) -> None:
    closed.host.write("/etc/sudoers.d/admin", f"{sudoers}\n")
    _refused(closed, *sentences, **login)


def test_a_user_without_a_shell_is_named(closed: Deployment) -> None:
    closed.host.run("usermod -s /usr/sbin/nologin admin")
    try:
        _refused(closed, "the login shell of the user is nologin")
    finally:
        closed.host.run("usermod -s /bin/bash admin")


READ_ONLY = "mount --bind /usr /usr && mount -o remount,bind,ro /usr"
FULL = "mount -t tmpfs -o size=1m none /tmp"
BRIDGE = "sysctl -q -w net.ipv4.ip_forward=1; ip link add docker0 type bridge"


@pytest.mark.parametrize(
    ("make", "undo", "sentences"),
    [
        (
            READ_ONLY,
            "mount -o remount,bind,rw /usr",
            ("/usr: mounted read-only", "remount it with rw"),
        ),
        (FULL, "umount /tmp", ("1 MB free in /tmp",)),
        (BRIDGE, "ip link del docker0", ("packets are forwarded to docker0", "'forward': True")),
    ],
    ids=["read-only", "full", "forwarding"],
)
def test_a_host_on_which_a_deploy_would_break_is_refused(
    closed: Deployment, make: str, undo: str, sentences: tuple[str, ...]
) -> None:
    host: LabHost = closed.host
    host.write("/etc/sudoers.d/admin", "admin ALL=(ALL) NOPASSWD: ALL\n")
    host.run(make)
    try:
        _refused(closed, *sentences)
    finally:
        host.run(undo)
