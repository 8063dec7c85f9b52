"""The system's upgrade: when it begins, what the program on the host is told."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import explanations
from mattermost_host.knowledge.platforms import Platform, find
from mattermost_host.knowledge.system_upgrades import in_place
from mattermost_host.ops import system_upgrade
from mattermost_host.ops.system_upgrade import AskSystem, Found
from mattermost_host.ops.upgrade import of_server
from mattermost_host.support.errors import OperatorError
from tests.unit.fake_host import Plan, answering, apply, plan
from tests.unit.ops.test_upgrade import WAYS

QUESTION = AskSystem("bookworm")


def _platform(distribution: str, release: str) -> Platform:
    found = find(distribution, release)
    assert found
    return found


BEFORE, AFTER = _platform("debian", "12"), _platform("debian", "13")


def _run(run: Any, found: Found, before: Platform = BEFORE) -> Plan:
    with explanations.collecting():
        made: Plan = run(
            lambda: system_upgrade.upgraded(
                name="upgraded", question=QUESTION, before=before, after=AFTER, ways=WAYS
            ),
            answer=answering({QUESTION: found}),
        )
    return made


def test_one_release_at_a_time() -> None:
    assert in_place(BEFORE) == (BEFORE, AFTER)
    assert in_place(_platform("debian", "11"))[1] is BEFORE
    assert in_place(AFTER) == (AFTER, AFTER)


@pytest.mark.parametrize(
    ("distribution", "release", "words"),
    [
        (
            "ubuntu",
            "22.04",
            [
                "Ubuntu 22.04 is upgraded",
                "make a backup",
                "run do-release-upgrade",
                "then `mattermost-host apply`",
            ],
        ),
        (
            "rocky",
            "9.4",
            [
                "Rocky Linux 9 is upgraded by Leapp",
                "the release 10 that it leads to has not been tried",
                "Stay on 9, which gets security updates until 2032-05-31",
                "a dump of the database and a copy of the files before",
                "`mattermost-host apply` after it",
            ],
        ),
    ],
)
def test_what_others_upgrade_is_said_with_what_to_do_before_and_after(
    distribution: str, release: str, words: list[str]
) -> None:
    with pytest.raises(OperatorError) as refused:
        in_place(_platform(distribution, release))
    for one in words:
        assert one in str(refused.value)


def test_a_plan_says_what_it_is() -> None:
    system, *services = _run(plan, Found()).step("upgraded").told
    assert system.found == "is Debian 12: it is upgraded to Debian 13, and there is no way back"
    assert (system.severity, system.heals) == ("critical", False)
    assert {(one.effect, one.heals) for one in services} == {("restart", False)}


def test_the_newest_release_is_left_alone() -> None:
    assert _run(plan, Found(), before=AFTER).changed == []


@pytest.mark.parametrize("before", [BEFORE, AFTER])
def test_one_that_was_cut_off_goes_on_whatever_the_host_calls_itself(before: Platform) -> None:
    cut_off = Found(journal={"step": "installs"})
    assert "mode=resume" in _run(apply, cut_off, before).step("upgraded").shell
    assert "that was cut off" in _run(plan, cut_off, before).step("upgraded").told[0].found
    for step in ("prepares", "fetches", "back", "done"):
        assert not Found(journal={"step": step}).unfinished


def test_the_program_is_shell() -> None:
    program = _run(apply, Found()).step("upgraded").shell
    assert "old=bookworm new=trixie mode=upgrade" in program
    assert "--force-confdef" in program and "--force-confold full-upgrade" not in program
    for shell in ("dash", "bash"):
        done = subprocess.run(
            [shell, "-n"], input=program, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_what_a_host_says() -> None:
    said = [
        "journal=step=installs",
        "serving=yes",
        "held=nginx",
        "broken=nginx-common",
        "others=/etc/apt/sources.list.d/other.list",
        "free_mb=12",
    ]
    assert QUESTION.parse(said) == Found(
        journal={"step": "installs"},
        serving=True,
        held=("nginx",),
        broken=("nginx-common",),
        others=("/etc/apt/sources.list.d/other.list",),
        free_mb=12,
    )
    assert QUESTION.parse([]) == Found()
    checked = subprocess.run(["dash", "-n"], input=QUESTION.script(), text=True, check=False)
    assert checked.returncode == 0


OWN = "deb http://archive.example.com/debian bookworm main\n"
OTHER = "deb http://packages.example.com/ stable main\n"


def _apt(folder: Path, own: str) -> None:
    """The sources of packages of a host, below ``folder``."""
    (folder / "sources.list.d").mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(own)
    (folder / "sources.list.d/own.list").write_text(own)
    (folder / "sources.list.d/other.list").write_text(OTHER)


def _cut_off(root: Path, step: str) -> None:
    """A host whose upgrade ended at ``step``, with what it had kept of its sources."""
    kept = root / "var/lib/mattermost-host/system"
    _apt(root / "etc/apt", OWN.replace("bookworm", "trixie"))
    _apt(kept / "sources", OWN)
    (kept / "journal").write_text(f"step={step}\nold=bookworm\nnew=trixie\n")


def _as_root(root: Path, script: str, *calls: str) -> str:
    """What functions of the program say on a host whose files are below ``root``."""
    for place in ("/etc/apt", "/var/lib/mattermost-host"):
        script = script.replace(place, f"{root}{place}")
    done = subprocess.run(
        ["dash", "-c", "\n".join((script, *calls))], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


def _functions() -> str:
    """Those about the sources; what an end means is not theirs."""
    program = _run(apply, Found()).step("upgraded").shell
    begin, end = program.index("\nsources_back() {"), program.index('\nif [ "${1:-}" = ended ]')
    ending = 'end_as() { echo "$1: $2"; exit; }\napt_get() { :; }\nsaid_last() { :; }\n'
    kept = "kept=/var/lib/mattermost-host/system old=bookworm new=trixie\nsay() { echo $1; }\n"
    return f"set -u\n{kept}{ending}{program[begin:end]}"


@pytest.mark.parametrize("interrupted", [False, True])
def test_one_cut_off_while_it_fetched_begins_with_the_sources_of_before(
    tmp_path: Path, interrupted: bool
) -> None:
    """What names the next release is never taken for them, wherever the first was cut off."""
    _cut_off(tmp_path, "fetches")
    live = tmp_path / "etc/apt"
    if interrupted:  # while it put them back
        (live / "sources.list.d").rename(live / "sources.list.d~")
    assert _as_root(tmp_path, _functions(), "prepare_sources && keep_sources") == ""
    kept = tmp_path / "var/lib/mattermost-host/system/sources"
    for one in (live, kept):
        assert (one / "sources.list").read_text() == OWN
        assert (one / "sources.list.d/own.list").read_text() == OWN
        assert (one / "sources.list.d/other.list").read_text() == OTHER


def test_one_that_ended_otherwise_takes_the_sources_as_they_are(tmp_path: Path) -> None:
    _cut_off(tmp_path, "back")
    _as_root(tmp_path, _functions(), "prepare_sources && keep_sources")
    kept = tmp_path / "var/lib/mattermost-host/system/sources"
    assert "trixie" in (kept / "sources.list").read_text()


@pytest.mark.parametrize("call", ["prepare_sources", "leave 'no room'"])
def test_sources_that_can_not_be_put_back_leave_the_journal_at_that_step(
    tmp_path: Path, call: str
) -> None:
    _cut_off(tmp_path, "fetches")
    sources = tmp_path / "var/lib/mattermost-host/system/sources"
    (sources / "sources.list.d").rename(sources / "moved")
    said = _as_root(tmp_path, _functions().replace("cp -a", "cp -a 2>/dev/null"), call)
    assert said.startswith("fetches: Nothing was installed")
    assert "sources of packages" in said and "put back" in said


@pytest.mark.parametrize(
    ("step", "others"),
    [
        ("fetches", ["/etc/apt/sources.list.d/other.list"]),
        (
            "back",
            [
                "/etc/apt/sources.list",
                "/etc/apt/sources.list.d/other.list",
                "/etc/apt/sources.list.d/own.list",
            ],
        ),
    ],
)
def test_sources_that_it_will_put_back_are_not_those_of_others(
    tmp_path: Path, step: str, others: list[str]
) -> None:
    _cut_off(tmp_path, step)
    lines = QUESTION.script().splitlines()
    asked = [one for one in lines if one.startswith(("at=", "for file"))]
    said = QUESTION.parse(_as_root(tmp_path, "\n".join(asked)).splitlines())
    assert [one.removeprefix(str(tmp_path)) for one in said.others] == others


def test_what_curl_could_not_ask_is_no_failure_of_the_site(tmp_path: Path) -> None:
    """While its own libraries were replaced, it ended without an answer."""
    (tmp_path / "answers").write_text("1.0  \n2.0 200 0.5\n3.0 502 0.1\n4.0 000 0.2\n")
    script = f"kept={tmp_path}\n{of_server(WAYS)}\n: & watcher=$!\nwatched"
    done = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "Seen through NGINX, four requests a second: 2 of 3 failed, the slowest took 0.5 s; "
        "unavailable for 1.2 s; 1 more were not asked, for curl did not run.\n"
    )
