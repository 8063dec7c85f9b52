"""The same state as an Ansible playbook, run as fast as Ansible goes, and with mitogen."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

from mattermost_host.ops.entries import Absent, Directory, File, Link
from tests.bench.items import Account, Fact, Item, Packages, Parameter, UnitUp
from tests.bench.measure import QUIET, Failed, Ran, run, say
from tests.lab import places
from tests.lab.hosts import Lab, LabHost

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
Task = dict[str, Any]


def installed() -> Path:
    """The environment with Ansible and mitogen, made when it is missing."""
    pins = REQUIREMENTS.read_bytes()
    target = places.cache() / "bench" / f"rivals-{hashlib.sha256(pins).hexdigest()[:12]}"
    if not (target / "complete").exists():
        say("installing Ansible and mitogen into an environment of their own")
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        pip = [str(target / "bin/pip"), "install", "--quiet", "--requirement", str(REQUIREMENTS)]
        subprocess.run(pip, check=True)
        (target / "complete").touch()
    return target


def versions() -> Mapping[str, str]:
    """Name and version of each of the rivals, as pinned."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


class Ansible:
    """A playbook in a folder of its own, with Ansible's settings."""

    def __init__(
        self, folder: Path, items: Sequence[Item], lab: Lab, hosts: Sequence[LabHost]
    ) -> None:
        """Write playbook, inventory and settings; nothing is run yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = installed()
        tasks = [task for item in items for task in _tasks(item, folder)]
        # The values in the files follow from the host's facts, in ours as in any such playbook.
        play = {"hosts": "all", "gather_facts": True, "tasks": tasks}
        # JSON is YAML.
        (folder / "playbook.yml").write_text(json.dumps([play], indent=2), encoding="utf-8")
        (folder / "hosts").write_text("".join(f"{host.address}\n" for host in hosts))
        self._settings("plain", lab, len(hosts), {})
        plugins = subprocess.run(
            [
                str(self.environment / "bin/python"),
                "-c",
                "import ansible_mitogen; print(ansible_mitogen.__path__[0])",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        mitogen = {
            "strategy_plugins": f"{plugins}/plugins/strategy",
            "strategy": "mitogen_linear",
        }
        self._settings("mitogen", lab, len(hosts), mitogen)

    def _settings(self, name: str, lab: Lab, forks: int, more: Mapping[str, str]) -> None:
        defaults = {
            "inventory": str(self.folder / "hosts"),
            "forks": str(forks),
            "remote_user": "root",
            "private_key_file": str(lab.key),
            "interpreter_python": "/usr/bin/python3",
            **more,
        }
        lines = ["[defaults]", *(f"{key} = {value}" for key, value in defaults.items())]
        options = f"-o UserKnownHostsFile={lab.known_hosts} -o ControlMaster=auto"
        lines += ["[ssh_connection]", "pipelining = True"]
        lines += [f"ssh_args = {options} -o ControlPersist=60s"]
        lines += [f"control_path_dir = {self.folder}/control-%(name)s" % {"name": name}]
        (self.folder / f"{name}.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, *, mitogen: bool = False) -> tuple[int, Ran]:
        """Play it; the number of tasks that changed something, and what it took."""
        settings = self.folder / ("mitogen.cfg" if mitogen else "plain.cfg")
        done = run(
            [str(self.environment / "bin/ansible-playbook"), str(self.folder / "playbook.yml")],
            cwd=self.folder,
            env={**QUIET, "ANSIBLE_CONFIG": str(settings), "LC_ALL": "C.UTF-8"},
        )
        recap = re.findall(r"ok=(\d+) +changed=(\d+) +unreachable=0 +failed=0", done.output)
        if not recap:
            raise Failed(f"Ansible's run has no recap:\n{done.output[-4000:]}")
        return sum(int(changed) for _, changed in recap), done

    def unchanged(self, *, mitogen: bool = False) -> Ran:
        """Play it where nothing may change."""
        changed, done = self.run(mitogen=mitogen)
        if changed:
            raise Failed(f"Ansible changed {changed} items that were right:\n{done.output}")
        return done


def _tasks(item: Item, folder: Path) -> Iterator[Task]:
    """The tasks for one item."""
    match item:
        case File():
            copied = {"dest": item.path, "src": _source(item, folder)}
            yield _task(item.path, "ansible.builtin.copy", _owned(item) | copied)
        case Directory():
            made = {"path": item.path, "state": "directory"}
            yield _task(item.path, "ansible.builtin.file", _owned(item) | made)
        case Link():
            link = {"path": item.path, "src": item.target, "state": "link", "force": True}
            yield _task(item.path, "ansible.builtin.file", link)
        case Absent():
            gone = {"path": item.path, "state": "absent"}
            yield _task(f"no {item.path}", "ansible.builtin.file", gone)
        case Packages():
            names = list(item.names)
            yield _task(", ".join(names), "ansible.builtin.apt", {"name": names})
        case UnitUp():
            unit = {"name": item.name, "enabled": True, "state": "started"}
            yield _task(item.name, "ansible.builtin.systemd_service", unit)
        case Account():
            yield from _account(item)
        case Parameter():
            # ansible.posix.sysctl is not part of ansible-core; this is the quicker way anyway.
            query = f"sysctl -n {item.name} | tr -s '\\t' ' '"
            yield _asked(item.name, query, item.value, f"sysctl -w {item.name}='{item.value}'")
        case Fact():
            yield _asked(item.name, item.query, item.right, item.repair)
        case _:
            assert_never(item)


def _owned(item: File | Directory) -> Task:
    mode = item.mode.zfill(4)
    return {"mode": mode, "owner": item.user, "group": item.group}


def _source(item: File, folder: Path) -> str:
    target = folder / "files" / hashlib.sha256(item.path.encode()).hexdigest()[:16]
    target.parent.mkdir(mode=0o700, exist_ok=True)
    target.touch(mode=0o600)
    target.write_bytes(item.data)
    return os.fspath(target)


def _account(item: Account) -> Iterator[Task]:
    group = {"name": item.user, "system": True}
    yield _task(f"group {item.user}", "ansible.builtin.group", group)
    user = {
        "name": item.user,
        "home": item.home,
        "shell": item.shell,
        "group": item.user,
        "system": True,
        "create_home": False,
    }
    yield _task(f"user {item.user}", "ansible.builtin.user", user)


def _asked(name: str, query: str, right: str, repair: str) -> Task:
    script = f"""found=$({query}) || true
[ "$found" = "{right}" ] && exit 0
{repair}
echo repaired"""
    task = _task(name, "ansible.builtin.shell", {"cmd": script})
    return task | {"register": "asked", "changed_when": "'repaired' in asked.stdout"}


def _task(name: str, module: str, arguments: Task) -> Task:
    return {"name": name, module: arguments}
