"""Facts of real hosts: one round trip over ssh says what psutil and distro say on the host."""

import io
import json
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host

import mattermost_host
from mattermost_host.engine.connections import connections
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.reading import facts_of
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight import conflicts
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

NAME = "facts.test"
ROOT = Path(__file__).parents[2]
PYTHON_311 = ("bookworm", "trixie")
"""Suites whose own Python runs the reader that uses psutil and distro."""
ERRORS = "support/errors.py"
BARE_ERROR = b"class OperatorError(Exception): ...\n"
READ_THERE = f"""
import dataclasses, json, sys
sys.path.insert(0, "/root/facts")
from mattermost_host.facts import this_machine
print(json.dumps(dataclasses.asdict(this_machine.read("{NAME}")), default=sorted))
"""


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("mattermost_host.site.site.Site.load_for_pyinfra", lambda: None)


@contextmanager
def connected(lab: Lab, host: LabHost, user: str) -> Iterator[Host]:
    data = {
        "ssh_user": user,
        "ssh_port": host.ssh_port,
        "ssh_key": str(lab.key),
        "ssh_known_hosts_file": str(lab.known_hosts),
    }
    with connections([SiteHost(host.address, ("app",), data)]) as state:
        yield next(iter(state.inventory))


def over_ssh(lab: Lab, host: LabHost, user: str = "root") -> HostFacts:
    with connected(lab, host, user) as connection:
        reading = facts_of([connection], NAME)
    assert reading.silent == {}
    return reading.facts[host.address]


def with_psutil_inside(host: LabHost) -> dict[str, Any]:
    """What the reader of this machine says when the host itself is this machine."""
    package = Path(mattermost_host.__file__).parent
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        # The readers need no more than psutil; pyinfra, which the errors are made of, is not there.
        for path in {*package.rglob("*.[ps][yh]")} - {package / ERRORS}:
            tar.add(path, f"mattermost_host/{path.relative_to(package)}")
        error = tarfile.TarInfo(f"mattermost_host/{ERRORS}")
        error.size = len(BARE_ERROR)
        tar.addfile(error, io.BytesIO(BARE_ERROR))
    host.run("mkdir -p /root/facts")
    subprocess.run(
        [*host.ssh(), "tar -C /root/facts -xf -"], input=archive.getvalue(), check=True, timeout=60
    )
    host.run("apt-get update -q && apt-get install -q -y python3-psutil python3-distro")
    read: dict[str, Any] = json.loads(host.run(f"python3 -c {shlex.quote(READ_THERE)}").stdout)
    return read


def comparable(facts: dict[str, Any]) -> dict[str, Any]:
    """Without what changes between two readings."""
    moving = {"clock_offset_s", "disks", "temporary"}
    return {name: value for name, value in facts.items() if name not in moving}


def as_json(facts: HostFacts) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(json.dumps(vars(facts), default=_plain))
    return fields


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else vars(value)


@pytest.mark.parametrize("suite", PYTHON_311)
def test_ssh_and_psutil_say_the_same_of_one_host(lab: Lab, suite: str) -> None:
    host = lab.up(suite, suite=suite)
    lab.resolve(NAME, host)
    inside = with_psutil_inside(host)
    facts = over_ssh(lab, host)
    outside = as_json(facts)
    assert comparable(outside) == comparable(inside)
    assert [disk["file_system"] for disk in outside["disks"]] == [
        disk["file_system"] for disk in inside["disks"]
    ]
    free = [one["disks"][0]["free_mb"] for one in (outside, inside)]
    assert abs(free[0] - free[1]) < 1000
    assert abs(facts.clock_offset_s) < 1
    assert (22, "sshd") in {(one.port, one.process) for one in facts.listeners}
    assert set(facts.resolved) == {host.address, host.address6}
    assert set(facts.resolved) <= set(facts.addresses)


def test_a_bullseye_without_python_modules_answers_everything(lab: Lab) -> None:
    host = lab.up("bullseye", suite="bullseye")
    lab.resolve(NAME, host)
    facts = over_ssh(lab, host)
    assert (facts.distribution, facts.release, facts.glibc) == ("debian", "11", "2.31")
    assert facts.unread == frozenset()
    assert facts.container
    assert not facts.managed


def test_an_administrator_with_sudo_reads_what_root_reads(lab: Lab) -> None:
    host = lab.up("sudo", ssh_port=2222)
    lab.resolve(NAME, host)
    facts = over_ssh(lab, host, user="admin")
    assert facts.ssh_port == 2222
    assert comparable(as_json(facts)) == comparable(as_json(over_ssh(lab, host)))


def test_the_facts_of_a_host_are_one_command(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    host = lab.hosts.get("sudo") or lab.up("sudo", ssh_port=2222)
    commands: list[object] = []
    run = Host.run_shell_command

    def counted(self: Host, command: object, **arguments: Any) -> Any:
        commands.append(command)
        return run(self, command, **arguments)

    monkeypatch.setattr(Host, "run_shell_command", counted)
    over_ssh(lab, host)
    assert len(commands) == 1


def test_what_stands_in_the_way_is_found_on_a_host(lab: Lab) -> None:
    host = lab.hosts.get("sudo") or lab.up("sudo", ssh_port=2222)
    host.run("mkdir -p /etc/postgresql/16/old")
    host.write("/etc/postgresql/16/old/postgresql.conf", "port = 5433  # not ours\n")
    host.run("systemd-run --unit=apache2 python3 -m http.server 443")
    wait_until(lambda: ":443 " in host.run("ss -ltn").stdout, 20, "port 443 is taken")
    facts = over_ssh(lab, host)
    assert ("16", "old", 5433) in facts.clusters
    found = [
        finding.found
        for requirement in (
            conflicts.ports_free([Port(443, "HTTPS", "world", process="nginx")]),
            conflicts.no_other_web_server(),
            conflicts.no_other_postgresql(lambda _: DEBIAN.cluster(15)),
        )
        for finding in requirement.check(facts)
    ]
    assert found == [
        "python3 listens on 443/tcp",
        "running: apache2",
        "PostgreSQL 16/old on the host",
    ]


def test_a_host_that_is_switched_off_is_named(lab: Lab) -> None:
    host = lab.up("off")
    lab.crash(host)
    with connected(lab, host, "root") as connection:
        connection.data.ssh_connect_retries = 0
        reading = facts_of([connection], NAME)
    assert reading.facts == {}
    assert host.address in reading.silent
