"""This machine in all roles: a host that deploys itself by inventories/local.py."""

from pathlib import Path

import pytest

from tests.lab.control import CHECKOUT, check_out, copy
from tests.lab.hosts import Lab, LabHost

PYINFRA = f"cd {CHECKOUT} && .venv/bin/python -m pyinfra -y inventories/mine.py deploys/site.py"
VERIFY = f"cd {CHECKOUT} && .venv/bin/mattermost-host verify inventories/mine.py --journey"


@pytest.fixture(scope="module")
def host(lab: Lab, release: Path) -> LabHost:
    made = lab.up("itself")
    check_out(made)
    copy(made, release.parent, "/root", (release.name,))
    inventory = made.read(f"{CHECKOUT}/inventories/local.py")
    stated = (
        '"users": 50,\n    "file_use": "low",\n    "mattermost": {"release": {"version": "11.7.9",'
    )
    stated += f' "file": "/root/{release.name}", "unverified": True}}}},'
    assert '"users": 50,' in inventory
    made.write(f"{CHECKOUT}/inventories/mine.py", inventory.replace('"users": 50,', stated))
    return made


def test_it_deploys_itself_and_a_second_run_changes_nothing(host: LabHost) -> None:
    host.run(PYINFRA, timeout=600)
    done = host.run(f"{PYINFRA} --json 2>/dev/null")
    assert '"success": 0' in done.stdout, done.stdout[-2000:]


def test_it_verifies_itself(host: LabHost) -> None:
    done = host.run(f"{VERIFY} 2>&1", check=False)
    assert done.returncode == 0, done.stdout
