"""A host that is known by an alias, behind another one, and to a user whose sudo wants a password.

Whatever the deploy logs in by, plan, verify and the locks use, too; no password is ever seen.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import host_lock
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.test_secrecy import _watched

SUDO, SU = "the-sudo-password-of-ann", "the-root-password-for-su"


class ByAlias(Deployment):
    """Its inventory names the alias, and how to become root."""

    way_in: dict[str, Any]

    def write(self) -> None:
        folder = self.inventory.parent
        login = f" User admin\n IdentityFile {self.lab.key}\n"
        known = f" UserKnownHostsFile {self.lab.known_hosts}\n StrictHostKeyChecking yes\n"
        door = self.lab.hosts["door"]
        (folder / "ssh_config").write_text(
            f"Host inner\n HostName {self.host.address}\n ProxyJump door\n{login}"
            f"Host door\n HostName {door.address}\n{login}{known}"
        )
        data = {
            "ssh_config_file": str(folder / "ssh_config"),
            "ssh_known_hosts_file": str(self.lab.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            **getattr(self, "way_in", {}),
        }
        lines = [f"site = {self.site!r}", "app = db = proxy = ['inner']"]
        self.inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "group_data").mkdir(exist_ok=True)
        said = "\n".join(f"{key} = {value!r}" for key, value in data.items())
        (folder / "group_data" / "all.py").write_text(said)

    def become_root(self, **way_in: Any) -> None:
        """Say in the inventory how."""
        self.way_in = way_in
        self.write()


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watch")


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory, watch: Path
) -> Iterator[ByAlias]:
    """Deployed, changed and verified by sudo with a password, while everything is watched."""
    lab.up("door")
    host = lab.up("inner")
    host.run("echo 'admin ALL=(ALL) ALL' > /etc/sudoers.d/admin")
    host.run("chpasswd", stdin=f"admin:{SUDO}\nroot:{SU}\n")
    made = ByAlias(lab, host, tmp_path_factory.mktemp("ways-in"), release)
    made.become_root(_sudo_password=SUDO)
    with _watched(host, watch):
        made.deploy()
        made.verify()
        made.become_root(_sudo=False, _su_user="root", _su_password=SU)
        host.run("chmod 600 /etc/tmpfiles.d/mattermost-host.conf")
        assert made.deploy().changed
    yield made


def test_a_second_run_changes_nothing_by_either_way(deployment: ByAlias) -> None:
    ways: list[dict[str, Any]] = [
        {"_sudo_password": SUDO},
        {"_sudo": False, "_su_user": "root", "_su_password": SU},
    ]
    for way in ways:
        deployment.become_root(**way)
        assert deployment.deploy().changed == ()
        plan = deployment.run("mattermost-host", "plan", str(deployment.inventory))
        assert "nothing would change" in plan.words
        deployment.verify()


def test_no_password_is_seen(deployment: ByAlias, watch: Path) -> None:
    host = deployment.host
    journal = host.run("journalctl --no-pager --all | tr -cd '\\11\\12\\40-\\176'").stdout
    places = {
        "arguments on the host": host.read("/tmp/watch/arguments"),
        "arguments here": (watch / "arguments").read_text(errors="replace"),
        "journal": journal,
    }
    assert "sudo" in places["arguments on the host"], "nothing was watched, so no proof"
    for place, text in places.items():
        for secret in (SUDO, SU):
            assert secret not in text, place


def test_the_lock_of_another_run_is_respected(deployment: ByAlias) -> None:
    deployment.become_root(_sudo_password=SUDO)
    held = [*deployment.host.ssh(), "--", host_lock.script("process 7 of ann@laptop")]
    pipe = subprocess.PIPE
    with subprocess.Popen(held, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == f"{host_lock.HELD}\n"
        assert deployment.host.run(f"stat -c '%U %a' {host_lock.LOCK}").stdout == "root 600\n"
        opened = deployment.host.run(f"flock -n {host_lock.LOCK} true", user="admin", check=False)
        assert "Permission denied" in opened.stderr, "who can open it, can hold it"
        deployment.host.run("chmod 600 /etc/tmpfiles.d/mattermost-host.conf")
        refused = deployment.deploy(check=False)
        assert refused.status == 1
        assert "is being changed by process 7 of ann@laptop; wait until" in refused.words
        other.stdin.close()
    assert deployment.deploy().changed


@pytest.mark.parametrize("command", ["plan", "verify", "preflight"])
@pytest.mark.parametrize(
    "way_in",
    [{}, {"_sudo_password": "wrong-password"}],
    ids=["none", "wrong"],
)
def test_without_the_right_password_it_is_a_sentence(
    deployment: ByAlias, command: str, way_in: dict[str, Any]
) -> None:
    deployment.become_root(**way_in)
    refused = deployment.run("mattermost-host", command, str(deployment.inventory), check=False)
    assert refused.status == 1
    assert "password" in refused.words
    assert "wrong-password" not in refused.output
