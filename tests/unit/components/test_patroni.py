"""The component Patroni: fresh, converged, and what its files say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components import patroni, postgres
from mattermost_host.components.patroni import Settings
from mattermost_host.engine.batch import Question
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import patroni as known
from mattermost_host.knowledge.surface import Peers
from mattermost_host.ops import database_watch, patroni_program
from mattermost_host.ops.unit_state import AskUnit, UnitState
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.patroni import PatroniWheel
from tests.unit.cluster_examples import DATABASES, PASSWORDS, PEERS, database, place
from tests.unit.examples import DEBIAN_12, ROCKY_9, converged
from tests.unit.fake_host import Answer, Plan, nothing_installed, plan
from tests.unit.parsers import complaints_of_systemd, exposure

DEBIAN_13 = replace(DEBIAN_12, release="13", glibc="2.41")
LAYOUT = postgres.cluster(postgres.Settings(), DEBIAN_13)
PARAMETERS = {"max_connections": "120", "work_mem": "16MB"}


OF_12 = postgres.cluster(postgres.Settings(), DEBIAN_12)
WHEEL = PatroniWheel(known.SHA256, lambda: Tarball(Path("/patroni.whl"), known.SHA256))


def _deployed(answer: Answer = nothing_installed) -> Plan:
    wiring = (LAYOUT, database(), PARAMETERS, (), None)
    return plan(patroni.deploy, Settings(), DEBIAN_13, *wiring, answer=answer)


def _deployed_on_12(answer: Answer = nothing_installed) -> Plan:
    wiring = (OF_12, database(), PARAMETERS, (), WHEEL)
    return plan(patroni.deploy, Settings(), DEBIAN_12, *wiring, answer=answer)


def test_the_packages_create_no_cluster_and_start_nothing_without_settings() -> None:
    names = [name.removeprefix("Patroni | ") for name in _deployed().changed]
    assert names[:3] == [
        "the packages create no cluster",
        "Patroni and PostgreSQL 17 are installed",
        "settings, access rules and keys are in place",
    ]
    assert "create_main_cluster = false" in _deployed().text(patroni.NO_CLUSTER)
    unit = _deployed().text(patroni.UNIT_FILE)
    assert f"AssertPathExists={patroni.CONFIGURATION}\n" in unit


def test_a_converged_host_yields_nothing() -> None:
    assert _deployed(converged(_deployed())).changed == []
    assert _deployed_on_12(converged(_deployed_on_12())).changed == []


def test_where_the_distribution_has_an_older_patroni_it_is_that_of_the_wheel() -> None:
    fresh = _deployed_on_12()
    names = [name.removeprefix("Patroni | ") for name in fresh.changed]
    assert names[1:4] == [
        "Patroni and PostgreSQL 15 are installed",
        "Patroni's programs are in place",
        "Patroni is unpacked",
    ]
    (asked,) = (one for one in fresh.steps if one.name.endswith("15 are installed"))
    assert set(known.NEEDS) <= set(asked.shell.split())
    assert "patroni" not in asked.shell.split()
    unit = fresh.text(patroni.UNIT_FILE)
    assert f"\nExecStart={patroni_program.PATRONI} {patroni.CONFIGURATION}\n" in unit
    assert "\nExecStart=/usr/bin/patroni " in _deployed().text(patroni.UNIT_FILE)
    assert not [one for one in _deployed().entries if one.path.startswith(patroni_program.FOLDER)]


@pytest.mark.parametrize("path", [patroni_program.NOTE, patroni_program.PATRONI])
def test_another_patroni_restarts_it(path: str) -> None:
    fresh = _deployed_on_12()
    assert f" {path} " in fresh.text(patroni.UNIT_FILE), "it is noted at the start"
    units = (one for one in fresh.questions if isinstance(one, AskUnit))
    (asked,) = (one for one in units if one.unit == patroni.UNIT)
    assert path in asked.restart_on


def test_a_wheel_that_is_no_file_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / known.WHEEL
    (mistake,) = patroni.mistakes(Settings(wheel=str(file)), place(DEBIAN_12))
    assert str(mistake) == (f"patroni.wheel: found '{file}'; there is no such file on this machine")
    file.touch()
    assert list(patroni.mistakes(Settings(wheel=str(file)), place(DEBIAN_12))) == []
    assert list(patroni.mistakes(Settings(), place(DEBIAN_12))) == []


def test_its_settings() -> None:
    lines = patroni.configuration(database(), LAYOUT, PARAMETERS).splitlines()
    assert 'name: "db1"' in lines
    assert '  hosts: ["10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379"]' in lines
    assert '  listen: "10.0.0.1:5432"' in lines
    assert "  verify_client: optional" in lines
    assert lines.count("      sslmode: verify-full") == 2
    (text,) = (line for line in lines if line.startswith("  parameters: "))
    parameters = json.loads(text.partition(": ")[2])
    assert parameters["work_mem"] == "16MB"
    assert parameters["ssl"] == "on"
    assert "max_connections" not in parameters, "it lies in etcd"


def test_what_all_members_need_alike_lies_in_etcd() -> None:
    shared = known.of_all_members(PARAMETERS)
    assert shared["postgresql"]["parameters"]["max_connections"] == "120"
    assert "work_mem" not in shared["postgresql"]["parameters"]
    assert shared["synchronous_mode"] == "quorum"
    assert shared["failsafe_mode"] is True


def test_only_the_sites_hosts_log_in_and_only_by_tls() -> None:
    rules = [line for line in patroni.access_rules(database()).splitlines() if line[0] != "#"]
    assert "hostssl mattermost mattermost 10.0.0.9/32 scram-sha-256" in rules
    assert "hostssl replication replicator 10.0.0.2/32 scram-sha-256" in rules
    assert [line for line in rules if not line.startswith("hostssl ")] == [
        "local all postgres peer"
    ]
    assert not any("mattermost 10.0.0.1/32" in line for line in rules)


def test_an_ipv6_address_is_a_network_of_its_own() -> None:
    server = replace(PEERS[-1], private_address="fd00::9")
    assert " fd00::9/128 " in patroni.access_rules(database(peers=(*DATABASES, server)))


def test_passwords_are_in_one_file_that_only_its_account_reads() -> None:
    fresh = _deployed()
    assert (fresh.entry(patroni.CONFIGURATION).mode, fresh.entry(patroni.CONFIGURATION).secret) == (
        "640",
        True,
    )
    assert (fresh.entry(patroni.KEY).mode, fresh.entry(patroni.KEY).user) == ("600", "postgres")
    said = fresh.shell + fresh.stdin
    assert not [one for one in PASSWORDS.values() if one.get_secret_value() in said]


def test_servers_and_databases_reach_it_and_nobody_else() -> None:
    ports = patroni.surface(Settings(), place(DEBIAN_13)).ports
    assert {port.number for port in ports} == {5432, 8008}
    assert {port.reachable_from for port in ports} == {Peers(("db", "app"))}
    assert {port.address for port in ports} == {"10.0.0.1"}


UBUNTU = replace(DEBIAN_12, distribution="ubuntu", release="24.04")


def _found(name: str, facts: HostFacts) -> Finding:
    needs = (one for one in patroni.requires(Settings(), place(facts)))
    (need,) = (one for one in needs if isinstance(one, Requirement) and one.name == name)
    (found,) = need.check(facts)
    return found


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [(DEBIAN_13, "ok"), (DEBIAN_12, "ok"), (UBUNTU, "error"), (ROCKY_9, "error")],
)
def test_a_patroni_that_loses_posts_is_refused(facts: HostFacts, verdict: str) -> None:
    found = _found("patroni-packages", facts)
    assert found.verdict == verdict
    assert (
        found.needed == "a distribution with Patroni 4, or with all that Patroni 4 from PyPI needs"
    )
    assert ("Use Debian 12 or 13" in found.remedy) == (verdict == "error")


def test_the_wheel_s_programs_have_to_start() -> None:
    assert _found("opt-executable", replace(DEBIAN_12, opt_noexec=True)).verdict == "error"
    assert _found("opt-executable", DEBIAN_12).verdict == "ok"
    with pytest.raises(ValueError, match="not enough values"):
        _found("opt-executable", replace(DEBIAN_13, opt_noexec=True))


def test_its_watch_knows_the_other_members_and_runs_with_its_current_files() -> None:
    fresh = _deployed()
    text = fresh.text(database_watch.PROGRAM)
    assert "takes_over https://10.0.0.2:8008 " in text
    assert "takes_over https://10.0.0.1:8008 " not in text, "it is this one"
    assert "folder=/var/lib/postgresql/17 url=https://10.0.0.1:8008\n" in text
    assert fresh.changed[-1] == "Patroni | leaders are moved in time"
    units = patroni.surface(Settings(), place(DEBIAN_13)).units
    assert database_watch.unit() in units
    assert _deployed(_unread(database_watch.PROGRAM)).changed == fresh.changed[-1:]
    assert _deployed(_unread(patroni.CERTIFICATE)).changed == fresh.changed[-1:]


def _unread(path: str) -> Answer:
    """A converged host on which that file changed after the start of what reads it."""
    all_well = converged(_deployed())

    def answer(question: Question[Any]) -> Any:
        if isinstance(question, AskUnit) and path in question.restart_on:
            return UnitState(active=True, enabled=True, to_restart=(path,))
        return all_well(question)

    return answer


def test_its_sandbox(tmp_path: Path) -> None:
    text = _deployed().text(patroni.UNIT_FILE).replace("/usr/bin/patroni", "/bin/true")
    (tmp_path / patroni.UNIT).write_text(text.replace(LAYOUT.programs, "/bin"))
    assert complaints_of_systemd(tmp_path / patroni.UNIT) == []
    assert exposure(tmp_path / patroni.UNIT) <= 2.0
