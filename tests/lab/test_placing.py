"""Root places files in folders of others: with the real accounts at work against it, and with what
they can leave there. Nothing of root's moves, nothing hangs, and every thing is named.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

POSTGRES = "/etc/postgresql/15/main"
STATE = "/var/lib/mattermost"
PREY = "/root/prey"
ATTACK = """
import os, sys
prey, folder, inner, *names = sys.argv[1:]
os.chdir(folder)
while True:
    try:
        for name in names:
            os.symlink(prey, "swapped"); os.rename("swapped", name)
        os.rename(inner, "away"); os.symlink(os.path.dirname(prey), inner)
        os.unlink(inner); os.rename("away", inner)
    except OSError:
        for undo in (lambda: os.unlink("swapped"), lambda: os.unlink(inner),
                     lambda: os.rename("away", inner)):
            try: undo()
            except OSError: pass
"""
RUN = "systemd-run -q --unit=attack-{user} -p User={user} python3 /usr/local/bin/attack " + PREY


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(lab, lab.up("placing"), tmp_path_factory.mktemp("placing"), release)
    # root's own umask, as hardened hosts have it, for logins and for sudo
    made.host.run("printf 'umask 077\\n' >> /etc/profile; printf 'umask 077\\n' >> /root/.bashrc")
    made.deploy()
    yield made


def _plan(deployment: Deployment) -> tuple[int, str]:
    file = deployment.inventory.with_name("plan.json")
    command = ("mattermost-host", "plan", str(deployment.inventory), "--json", str(file))
    run = deployment.run(*command, check=False)
    hosts = json.loads(file.read_text(encoding="utf-8"))["hosts"]
    changes = [one for steps in hosts.values() for step in steps for one in step["changes"]]
    return run.status, "; ".join(f"{one['subject']} {one['found']}" for one in changes)


def test_postgres_and_mattermost_win_nothing(deployment: Deployment) -> None:
    host = deployment.host
    host.write("/usr/local/bin/attack", ATTACK)
    look = f"stat -c '%a %U %G %n' /root /etc /etc/shadow {PREY}; cat {PREY}; ls -A /root"
    host.run(f"echo mine > {PREY}; chmod 600 {PREY}")
    before = host.run(look).stdout
    names = "pg_hba.conf .pg_hba.conf.mattermost-host~"
    host.run(f"{RUN.format(user='postgres')} {POSTGRES} conf.d {names}")
    host.run(f"{RUN.format(user='mattermost')} {STATE} config config/config.json data")
    for _ in range(3):
        deployment.deploy(check=False)
        assert host.run(look).stdout == before
    host.run("systemctl stop attack-postgres attack-mattermost")
    host.run(
        f"cd {STATE}; for each in data config; do [ ! -L $each ] || rm $each; done; "
        f"[ ! -d away ] || mv away config; rm -f swapped config/config.json; "
        f"cd {POSTGRES}; [ ! -L conf.d ] || rm conf.d; [ ! -d away ] || mv away conf.d; "
        "rm -f swapped .pg_hba*; systemctl restart mattermost"
    )
    deployment.deploy()
    assert host.run(look).stdout == before
    status, found = _plan(deployment)
    assert status == 0, found


@pytest.mark.parametrize(
    ("tampering", "path"),
    [
        ("rm {0}; mkfifo {0}", f"{POSTGRES}/pg_hba.conf"),
        ("ln -sf /dev/zero {0}", f"{POSTGRES}/conf.d/mattermost-host.conf"),
        ("rm {0}; mkdir {0}", "/etc/nginx/conf.d/mattermost.conf"),
        ("chown root:root {0}", f"{STATE}/config/config.json"),
        ("chmod 666 {0}", f"{STATE}/config/config.json"),
        ("chown root:root {0}", "/var/log/mattermost/mattermost.log"),
    ],
)
def test_what_stands_in_a_files_place_is_named_and_put_right(
    deployment: Deployment, tampering: str, path: str
) -> None:
    if not deployment.host.run(f"[ -e {path} ] && echo yes", check=False).stdout:
        pytest.skip(f"this server writes no {path}")
    before = deployment.started("mattermost.service")
    deployment.host.run(tampering.format(path))
    status, found = _plan(deployment)
    assert (status, path in found) == (2, True), found
    deployment.deploy()
    assert _plan(deployment) == (0, "")
    assert deployment.started("mattermost.service") == before


def test_a_link_in_a_state_folders_place_loses_nothing(deployment: Deployment) -> None:
    folder = f"{STATE}/data"
    deployment.host.run(
        f"mv {folder} /srv/data; ln -s /srv/data {folder}; "
        "install -o mattermost -g mattermost -m 600 /dev/null /srv/data/kept"
    )
    status, found = _plan(deployment)
    assert (status, f"{folder} is a symbolic link" in found) == (2, True), found
    run = deployment.deploy(check=False)
    assert run.status != 0
    assert f"{folder} is a symbolic link, and must be a folder" in run.output
    deployment.host.run(f"[ -L {folder} ] && [ -e /srv/data/kept ]")
    deployment.host.run(f"rm {folder}; mv /srv/data {folder}")
    assert _plan(deployment) == (0, "")


def test_an_immutable_file_is_named_with_what_to_do(deployment: Deployment) -> None:
    path = "/etc/mattermost-host/mattermost.env"
    deployment.host.run(f"echo '# by hand' >> {path}")
    if "not" in deployment.host.run(f"chattr +i {path} 2>&1", check=False).stdout:
        deployment.deploy()
        pytest.skip("these hosts can't make a file immutable")
    assert path in _plan(deployment)[1]
    run = deployment.deploy(check=False)
    assert f"chattr -i -a {path}" in run.output
    deployment.host.run(f"chattr -i {path}")
    deployment.deploy()
    assert _plan(deployment) == (0, "")
