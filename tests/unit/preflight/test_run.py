"""Preflight: all findings of all hosts, skips with reasons, and every host asked just once."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import gevent
import pytest
from pyinfra.api import Host
from rich.console import Console

from mattermost_host.engine import each_host
from mattermost_host.engine.connections import connections
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.refusals import Refusal
from mattermost_host.facts import reading
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.reading import Reading
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight.finding import Finding, Inquiry, Requirement
from mattermost_host.preflight.firewalld import firewalld_decides
from mattermost_host.preflight.host import supported_platform
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.preflight.run import collect, skip_mistakes
from mattermost_host.preflight.selinux import selinux_enforces
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12

REFUSAL = Finding("system", "error", "Debian 4", "Debian 12", "Take a newer one.")
DOUBT = Finding("clock", "warning", "3 s behind", "synchronised", "Set it.")


def requirement(name: str, *findings: Finding) -> Requirement:
    return Requirement(name, lambda _: findings or [Finding(name, "ok", "as it should be")])


SYSTEM = requirement("system", REFUSAL)
CLOCK = requirement("clock", DOUBT)
DISK = requirement("disk")
REPORT = collect(
    {"mm1": [SYSTEM, CLOCK, DISK], "mm2": [DISK]},
    {"mm1": DEBIAN_12, "mm2": DEBIAN_12},
    skip={},
)


@dataclass(frozen=True)
class Backup:
    to: str | None = None


@dataclass(frozen=True)
class Settings:
    skip: Mapping[str, str] = field(default_factory=dict)
    name: str = "localhost"
    backup: Backup = field(default_factory=Backup)


@dataclass(frozen=True)
class Site:
    hosts: tuple[SiteHost, ...]
    needed: Sequence[Requirement | Inquiry] = (DISK,)
    settings: Settings = field(default_factory=Settings)
    known: Mapping[str, HostFacts] = field(default_factory=dict)

    def requirements(self, host_name: str) -> Sequence[Requirement | Inquiry]:
        return self.needed


def site(*names: str, needed: Sequence[Requirement | Inquiry] = (DISK,), **skip: str) -> Site:
    return Site(tuple(SiteHost(name, ("app",), {}) for name in names), needed, Settings(skip))


@pytest.fixture(autouse=True)
def folder_with_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text("from pyinfra import config\nconfig.SUDO = False\n")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hosts answer with DEBIAN_12, slowly, and it is written down who was asked."""
    names: list[str] = []

    def answer(host: Host, *_: str) -> HostFacts:
        names.append(host.name)
        gevent.sleep(0.01)
        return replace(DEBIAN_12, managed=host.name == "@fake/2")

    monkeypatch.setattr(reading, "read", answer)
    monkeypatch.setattr(each_host, "connect", lambda host: None)
    return names


def shown(report: Report, *, verbose: bool = False) -> str:
    screen = io.StringIO()
    report.show(Console(file=screen, width=40), verbose=verbose)
    return screen.getvalue()


def test_all_findings_of_all_hosts_are_collected() -> None:
    assert [one.name for one in REPORT.findings["mm1"]] == ["system", "clock", "disk"]
    assert REPORT.errors == [("mm1", REFUSAL)]


def test_a_skipped_check_is_not_made_and_says_why() -> None:
    def never(_: HostFacts) -> list[Finding]:
        raise AssertionError("it was made")

    report = collect({"mm1": [Requirement("system", never)]}, {"mm1": DEBIAN_12}, {"system": "lab"})
    assert report.findings["mm1"] == (Finding("system", "skipped", "lab"),)
    assert "lab" in shown(report)


def test_a_skip_of_no_known_check_is_a_mistake_that_names_the_known_ones() -> None:
    inquiry = Inquiry({"database-version": "", "database-tls": ""}, lambda *_: [])
    skip = {"sytem": "a reason", "database-tls": "a reason"}
    (mistake,) = skip_mistakes(site("mm1", needed=[SYSTEM, inquiry], **skip))
    assert str(mistake) == (
        "skip.sytem: found an unknown check; known checks: database-tls, database-version, system"
    )


def test_a_skip_without_a_reason_is_a_mistake() -> None:
    (mistake,) = skip_mistakes(site("mm1", needed=[SYSTEM], system=" "))
    assert "no reason" in str(mistake)


def test_a_host_that_does_not_answer_is_named_with_the_reason() -> None:
    report = collect(
        {"mm1": [DISK]}, {}, {}, silent={"mm1": Refusal("no route to host", "Find one")}
    )
    ((host, finding),) = report.errors
    assert (host, finding.name, finding.found) == ("mm1", "reachable", "no route to host")
    assert finding.remedy == "Find one."


@pytest.mark.parametrize("verbose", [False, True])
def test_the_table_fits_eighty_columns(verbose: bool) -> None:
    text = shown(REPORT, verbose=verbose)
    assert max(map(len, text.splitlines())) <= 80
    assert "Debian 4" in text
    assert "needed: Debian 12" in text
    assert "Take a newer one." in text
    assert ("as it should be" in text) == verbose


def test_the_summary_of_a_host_is_one_line() -> None:
    assert shown(REPORT).splitlines()[-1] == "mm2: 1 check"
    assert REPORT.summary("mm1") == "mm1: 3 checks, 1 error, 1 warning"
    skipped = collect({"mm1": [SYSTEM, CLOCK]}, {"mm1": DEBIAN_12}, {"system": "why"})
    assert skipped.summary("mm1") == "mm1: 2 checks, 1 warning, 1 skipped"


def test_brackets_in_a_finding_are_text() -> None:
    odd = requirement("system", replace(REFUSAL, found="[red]x[/red]"))
    assert "[red]x[/red]" in shown(collect({"mm1": [odd]}, {"mm1": DEBIAN_12}, {}))


def test_json_has_every_finding() -> None:
    data = json.loads(REPORT.to_json())
    assert (data["errors"], data["warnings"]) == (1, 1)
    assert data["hosts"]["mm1"][0] == {
        "name": "system",
        "verdict": "error",
        "found": "Debian 4",
        "needed": "Debian 12",
        "remedy": "Take a newer one.",
    }
    assert [one["verdict"] for one in data["hosts"]["mm2"]] == ["ok"]


def test_the_error_is_the_plain_text_of_what_is_not_well() -> None:
    assert str(PreflightError(REPORT)).splitlines() == [
        "preflight found 1 error; nothing was changed",
        "mm1: 3 checks, 1 error, 1 warning",
        "  - error, system: Debian 4; needed: Debian 12. Take a newer one.",
        "  - warning, clock: 3 s behind; needed: synchronised. Set it.",
        "mm2: 1 check",
    ]


def test_deploy_greenlets_ask_each_host_once_though_they_fill_the_pool(asked: list[str]) -> None:
    wanted = site("@local")
    facts: list[Mapping[str, HostFacts]] = []
    hosts = [SiteHost(name, ("app",), {}) for name in ("@fake/1", "@fake/2", "@fake/3")]
    wanted = replace(wanted, hosts=tuple(hosts))
    with connections(hosts) as state:
        for host in state.inventory:
            state.activate_host(host)
        for _ in hosts:
            state.pool.spawn(lambda: facts.append(preflight.require(wanted)))
        assert state.pool.join(timeout=20)
    assert sorted(asked) == ["@fake/1", "@fake/2", "@fake/3"]
    assert len(facts) == 3
    assert facts[0] == facts[1] == facts[2]
    assert facts[0]["@fake/2"].managed
    assert not facts[0]["@fake/1"].managed


def test_a_host_whose_facts_are_known_is_not_asked_again(asked: list[str]) -> None:
    wanted = replace(site("@fake/1", "@fake/2"), known={"@fake/1": DEBIAN_12})
    with connections(wanted.hosts) as state:
        for host in state.inventory:
            state.activate_host(host)
        facts = preflight.require(wanted)
    assert asked == ["@fake/2"]
    assert facts["@fake/1"] is DEBIAN_12


def test_each_deploy_greenlet_is_stopped_by_the_same_errors(asked: list[str]) -> None:
    wanted = site("@fake/1", "@fake/2", needed=[SYSTEM])
    with connections(wanted.hosts) as state:
        for host in state.inventory:
            state.activate_host(host)
        for _ in range(2):
            with pytest.raises(PreflightError, match="2 errors"):
                preflight.require(wanted)
    assert len(asked) == 2


def test_inquiries_ask_from_the_host_and_may_be_skipped(asked: list[str]) -> None:
    def ask(host: Host, facts: HostFacts) -> list[Finding]:
        return [Finding("db-version", "ok", host.name), Finding("db-tls", "warning", "none")]

    inquiry = Inquiry({"db-version": "", "db-tls": ""}, ask)
    report = preflight.run(site("@fake/1", needed=[inquiry], **{"db-tls": "a tunnel"}))
    assert report.findings["@fake/1"] == (
        Finding("db-version", "ok", "@fake/1"),
        Finding("db-tls", "skipped", "a tunnel"),
    )
    report = preflight.run(site("@fake/1", needed=[inquiry], **{"db-version": "later"}))
    assert report.findings["@fake/1"] == (Finding("db-version", "skipped", "later"),)


def test_hosts_are_asked_about_the_place_of_the_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sites without backups pay nothing for it."""
    places: list[str] = []

    def answer(host: Host, name: str, backup: str) -> HostFacts:
        places.append(backup)
        return DEBIAN_12

    monkeypatch.setattr(reading, "read", answer)
    monkeypatch.setattr(each_host, "connect", lambda host: None)
    for to in (None, "/srv/backup"):
        preflight.run(replace(site("@fake/1"), settings=Settings(backup=Backup(to))))
    assert places == ["", "/srv/backup"]


def test_what_a_deploy_judges_itself_is_not_asked(asked: list[str]) -> None:
    def ask(host: Host, facts: HostFacts) -> list[Finding]:
        raise AssertionError("asked")

    wanted = site("@fake/1", needed=[DISK, Inquiry({"backup-place": ""}, ask)])
    with connections(wanted.hosts) as state:
        for host in state.inventory:
            state.activate_host(host)
        assert set(preflight.require(wanted, aside=["backup-place"])) == {"@fake/1"}


def test_this_machine_is_asked_without_ssh() -> None:
    seen: list[HostFacts] = []

    def look(facts: HostFacts) -> list[Finding]:
        seen.append(facts)
        return [Finding("look", "ok", "")]

    report = preflight.run(site("@local", needed=[Requirement("look", look)]))
    assert not report.errors
    assert seen[0].cpus > 0
    assert seen[0].distribution


def test_a_host_that_cannot_be_connected_is_an_error_with_its_reason() -> None:
    data = {"ssh_port": 1, "ssh_hostname": "127.0.0.1", "ssh_strict_host_key_checking": "off"}
    wanted = Site((SiteHost("mm1", ("app",), data),))
    ((host, finding),) = preflight.run(wanted).errors
    assert (host, finding.name) == ("mm1", "reachable")
    assert "127.0.0.1" in finding.found


def test_a_host_that_runs_nothing_as_root_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    Path("config.py").write_text("from pyinfra import config\nconfig.SU_USER = 'nobody-here'\n")
    ((_, finding),) = preflight.run(site("@local")).errors
    assert "nobody-here does not exist" in finding.found


def test_run_wants_the_folder_with_config() -> None:
    Path("config.py").unlink()
    with pytest.raises(OperatorError, match=r"no config\.py;"):
        preflight.run(site("@local"))


MUTE = Refusal("mute", "speak")


def test_a_reading_names_those_who_answered_and_those_who_did_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        reading, "_ask", lambda host, *_: DEBIAN_12 if host.name == "@fake/1" else MUTE
    )
    with connections(site("@fake/1", "@fake/2").hosts) as state:
        answer = reading.facts_of(list(state.inventory), "x")
    assert answer == Reading({"@fake/1": DEBIAN_12}, {"@fake/2": MUTE})


@pytest.mark.parametrize("skip", [{}, {"supported-platform": "I know"}])
def test_a_system_that_nobody_knows_is_one_finding_and_not_one_of_each_check(
    skip: Mapping[str, str],
) -> None:
    """Skipping its check is no way round: there is nothing that it could be handled as."""
    facts = replace(DEBIAN_12, distribution="amzn", release="2023")
    needed = [supported_platform(), selinux_enforces(), firewalld_decides(), DISK]
    found = collect({"mm1": needed}, {"mm1": facts}, skip).findings["mm1"]
    errors = [one for one in found if one.verdict == "error"]
    assert [one.name for one in errors] == ["supported-platform"]
    assert errors[0].remedy.startswith("amzn 2023 is not supported")
    assert [one.name for one in found if one.verdict == "skipped"] == list(skip)


def test_what_a_known_system_lacks_is_a_finding_of_that_check() -> None:
    def check(_: HostFacts) -> list[Finding]:
        raise OperatorError("No such packages.")

    (found,) = collect({"mm1": [Requirement("x", check)]}, {"mm1": DEBIAN_12}, {}).findings["mm1"]
    assert (found.name, found.verdict, found.remedy) == ("x", "error", "No such packages.")
