"""One host with all that can be odd about a log-in, in German, deployed as any other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost

PASSWORD = "the-password-of-admin"
IN_GERMAN = "LANG=de_DE.UTF-8\nLANGUAGE=de\n"
GREETING = "echo Willkommen; printf 'Drei Aktualisierungen: '"
SUDOERS = """Defaults secure_path="/usr/bin:/bin"
admin ALL=(ALL) ALL
"""


def speak_german(host: LabHost) -> None:
    """As the installer of Debian sets it up for somebody in Germany."""
    host.run("apt-get update -q && apt-get install -q -y locales")
    host.run("echo 'de_DE.UTF-8 UTF-8' >>/etc/locale.gen && locale-gen")
    host.write("/etc/default/locale", IN_GERMAN)


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    host = lab.up("heim")
    speak_german(host)
    host.write("/home/admin/.bashrc", GREETING)
    host.run("chpasswd", stdin=f"admin:{PASSWORD}\n")
    host.write("/etc/sudoers.d/admin", SUDOERS)
    host.run("echo 'session required pam_umask.so umask=077' >>/etc/pam.d/common-session")
    seen = host.run("echo; locale | head -n 1; umask; sudo -n true", user="admin", check=False)
    assert "Willkommen" in seen.stdout and "LANG=de_DE.UTF-8" in seen.stdout
    assert "0077" in seen.stdout and seen.returncode, "the host is not as odd as it should be"
    folder = tmp_path_factory.mktemp("odd")
    login = {"_sudo_password": PASSWORD}
    made = Deployment(lab, host, folder, release, user="admin", login=login)
    made.deploy()
    yield made


def test_it_serves_and_everything_holds(deployment: Deployment) -> None:
    assert deployment.status() == 200
    deployment.verify()


def test_a_second_run_changes_nothing(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()
    plan = deployment.run("mattermost-host", "plan", str(deployment.inventory))
    assert "nothing would change" in plan.words


def test_a_change_is_made_under_the_lock(deployment: Deployment) -> None:
    deployment.host.run("chmod 600 /etc/tmpfiles.d/mattermost-host.conf")
    assert deployment.deploy().changed
    assert deployment.deploy().changed == ()
