"""The look for drift on an ops host: it gets what it needs, and does what it was told."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mattermost_host.drift import ops_host
from mattermost_host.drift.ops_host import FOLDER
from mattermost_host.engine.inventory import read
from mattermost_host.support.errors import OperatorError
from tests.lab.control import SETUP, copy, give_packages
from tests.lab.deployment import ROOT, Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.runbook import inline, replaced

DAILY = "*-*-* 03:00"
OPENED = "nft add rule inet mattermost_host input tcp dport 5432 accept"


@pytest.fixture(scope="module")
def ops(lab: Lab) -> LabHost:
    """A machine that is always on; packages for its environment come from here."""
    host = lab.up("watcher")
    give_packages(host)
    return host


@pytest.fixture(scope="module")
def named(lab: Lab, release: Path, ops: LabHost, watched: LabHost) -> Iterator[Mapping[Path, Path]]:
    """What the inventory names by absolute paths, in a place that both machines can have.

    Not below /tmp, of which the service has one of its own.
    """
    with tempfile.TemporaryDirectory(prefix="mattermost-host-lab-", dir=Path.home()) as folder:
        made = {one: Path(folder, one.name) for one in (lab.key, lab.known_hosts, release)}
        for source, target in made.items():
            shutil.copy(source, target)
        yield made


@pytest.fixture(scope="module")
def watched(lab: Lab) -> LabHost:
    """The host of the site."""
    return lab.up("watched")


@pytest.fixture(scope="module")
def deployment(
    lab: Lab,
    ops: LabHost,
    watched: LabHost,
    named: Mapping[Path, Path],
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A deployed site whose inventory names the ops host."""
    made = Deployment(lab, watched, tmp_path_factory.mktemp("ops"), release)
    connection = {
        "ssh_user": "root",
        "ssh_port": ops.ssh_port,
        "ssh_key": str(lab.key),
        "ssh_known_hosts_file": str(lab.known_hosts),
    }
    text = made.inventory.read_text(encoding="utf-8")
    text += f"ops = [({ops.address!r}, {connection!r})]\n"
    for source, target in named.items():
        text = text.replace(str(source), str(target))
    made.inventory.write_text(text, "utf-8")
    made.deploy()
    yield made


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This checkout, but for its setup, which would ask a package index."""
    made = tmp_path / "checkout"
    for part in ops_host.PARTS:
        source = ROOT / part
        (made / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, made / part)
    (made / "scripts" / "setup").write_text(SETUP)
    monkeypatch.setattr(ops_host, "PROJECT", made)


def _schedule(deployment: Deployment) -> None:
    inventory = read(deployment.inventory)
    ops_host.schedule(inventory, inventory.ops[0], DAILY, None)


def test_an_ops_host_is_left_as_it_is_by_a_deploy(deployment: Deployment, ops: LabHost) -> None:
    assert deployment.deploy().changed == ()
    assert ops.run("ls /etc/mattermost-host; id mattermost", check=False).stdout == ""
    deployment.run("mattermost-host", "plan", str(deployment.inventory))
    deployment.verify()


def test_one_that_cannot_log_in_to_the_site_is_told_of(deployment: Deployment) -> None:
    with pytest.raises(OperatorError) as refused:
        _schedule(deployment)
    assert "does not do its part" in str(refused.value)
    assert "be able to log in to the site's hosts itself" in str(refused.value)


def test_it_watches(
    named: Mapping[Path, Path],
    deployment: Deployment,
    ops: LabHost,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file in named.values():
        ops.run(f"mkdir -p {file.parent}")
        copy(ops, file.parent, str(file.parent), (file.name,))
    _schedule(deployment)
    assert ".timer is installed" in capsys.readouterr().out
    unit = ops.run("systemctl list-timers --no-legend 'mattermost-host-drift-*'").stdout.split()[-1]
    assert unit.endswith(".service")
    assert _look(ops, unit) == "0"
    deployment.host.run(OPENED)
    assert _look(ops, unit) == "2"
    assert "table inet mattermost_host" in ops.run(f"journalctl -u {unit}").stdout
    deployment.deploy()
    assert _look(ops, unit) == "0"


def test_secrets_are_roots_alone(deployment: Deployment, ops: LabHost) -> None:
    secrets = f"{FOLDER}/inventories/{deployment.secrets_file.name}"
    assert ops.run(f"stat -c '%a %U' {FOLDER} {secrets}").stdout == "700 root\n600 root\n"


def test_it_has_no_key_of_the_authority(deployment: Deployment, ops: LabHost) -> None:
    line = deployment.authority_key.read_text(encoding="utf-8").splitlines()[1]
    found = ops.run(f"grep -rlF {line} {FOLDER} /etc /root /var/lib", check=False)
    assert found.stdout == ""


def test_scheduled_again_it_has_the_new_inventory(deployment: Deployment, ops: LabHost) -> None:
    ops.run(f"touch {FOLDER}/inventories/another.py")
    with deployment.inventory.open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    _schedule(deployment)
    copied = f"{FOLDER}/inventories/{deployment.inventory.name}"
    assert ops.read(copied) == deployment.inventory.read_text(encoding="utf-8")
    assert ops.run(f"ls {FOLDER}/inventories/another.py; ls -d {FOLDER}*").stdout.split() == [
        f"{FOLDER}/inventories/another.py",
        FOLDER,
    ]


def test_removed(deployment: Deployment, ops: LabHost) -> None:
    command = inline("mattermost-host schedule inventory.py --remove")
    deployment.run(*replaced(command, {"inventory.py": str(deployment.inventory)}))
    assert "mattermost-host-drift" not in ops.run("systemctl list-timers --all --no-legend").stdout


def _look(ops: LabHost, unit: str) -> str:
    """The status of one look, as systemd keeps it."""
    ops.run(f"systemctl start {unit}", check=False)
    return ops.run(f"systemctl show -p ExecMainStatus --value {unit}").stdout.strip()
