"""The move to another release: when it begins, what the program on the host is told."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import explanations
from mattermost_host.ops import upgrade
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.release_state import Found as Releases
from mattermost_host.ops.release_state import ReleaseState
from mattermost_host.ops.upgrade import Ways
from mattermost_host.ops.upgrade_state import AskUpgrade, Found
from mattermost_host.releases.choice import Release
from tests.unit.fake_host import Plan, answering, apply, plan
from tests.unit.ops.release_host import never

OLD, NEW = "10.11.20-aaaaaaaa", "11.7.9-bbbbbbbb"
QUESTION = AskUpgrade("mattermost", Client(5432, "/pg/psql", "/data/postmaster.pid"), "/data")
WAYS = Ways(
    QUESTION,
    "/pg",
    "/run/mattermost/local.socket",
    "/api/v4/system/ping",
    "chat.example.com",
    "/etc/mattermost-host/mattermost.env",
    Hold(("127.0.0.1", 8065), "www-data"),
)
NONE = Found()
CUT_OFF = {"step": "starts", "old": OLD, "new": NEW, "schema": "0a1b", "since": "1700000000000"}


def _run(run: Any, current: str, last: Found = NONE, new: str = NEW) -> Plan:
    releases = Releases(releases=(NEW, OLD), current=f"releases/{current}", noted=current)
    answer = answering({ReleaseState(new): releases, QUESTION: last})
    with explanations.collecting():
        made: Plan = run(
            lambda: upgrade.moved(name="moved", wanted=Release(new, never), ways=WAYS),
            answer=answer,
        )
    return made


def test_nothing_is_touched_where_the_release_runs() -> None:
    assert _run(plan, NEW).changed == []
    assert _run(plan, NEW, Found(journal={**CUT_OFF, "step": "done"})).changed == []


def test_a_plan_says_what_an_upgrade_is() -> None:
    (link, server) = _run(plan, OLD).step("moved").told
    assert (link.severity, link.heals) == ("critical", False)
    assert link.found == f"leads to {OLD}: an upgrade to {NEW}, with a way back"
    assert (server.subject, server.effect) == ("mattermost.service", "restart")


def test_the_program_is_shell_and_knows_what_it_moves() -> None:
    program = _run(apply, OLD).step("moved").shell
    assert f"old={OLD} new={NEW}" in program
    assert "mode=upgrade known=no" in program
    assert 'meta skuid "www-data"' in program
    assert "first_packets output 8065" in program
    assert '$3 == "0100007F:1F81" && $2 ~ /^0100007F:/' in program
    assert "--resolve 'chat.example.com:443:127.0.0.1'" in program
    assert f"ln -sfn releases/{OLD}" in program
    assert f"ln -sfn releases/{NEW}" in program
    done = subprocess.run(
        ["dash", "-n"], input=program, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_release_that_runs_on_the_newer_database_needs_the_link_alone() -> None:
    assert "known=yes" in _run(apply, OLD, new="11.2.4-cccccccc").step("moved").shell


def test_an_upgrade_that_was_cut_off_goes_on_with_what_it_noted() -> None:
    done = _run(apply, NEW, Found(journal=CUT_OFF))
    program = done.step("moved").shell
    assert "mode=resume" in program
    assert "before=0a1b since=1700000000000" in program
    assert f"old={OLD} new={NEW}" in program


@pytest.mark.parametrize("step", ["prepares", "stops", "going-back", "stuck", "back", "done"])
def test_one_that_left_the_release_before_begins_anew(step: str) -> None:
    begun = _run(apply, OLD, Found(journal={**CUT_OFF, "step": step}))
    program = begun.step("moved").shell
    assert "mode=upgrade" in program
    assert "before= since=" in program


@pytest.mark.parametrize("step", ["stops", "switches", "starts", "going-back", "stuck"])
def test_whatever_was_cut_off_behind_the_link_goes_on(step: str) -> None:
    done = _run(apply, NEW, Found(journal={**CUT_OFF, "step": step}))
    assert "mode=resume" in done.step("moved").shell
    assert f"step_before={step}" in done.step("moved").shell


def test_a_link_that_leads_nowhere_is_not_upgraded() -> None:
    with pytest.raises(Exception, match="leads to no release that could be gone back to"):
        _run(plan, "mine")


def test_what_a_host_says() -> None:
    said = [
        "journal=step=starts",
        "journal=old=a",
        "serving=yes",
        "missing=nft",
        "free_mb=12",
        "database_free_mb=13",
        "database_mb=14",
        "schema=147",
    ]
    found = QUESTION.parse(said)
    assert found.journal == {"step": "starts", "old": "a"}
    assert (found.serving, found.at_work, found.missing) == (True, False, ("nft",))
    assert (found.free_mb, found.database_free_mb, found.database_mb) == (12, 13, 14)
    assert found.schema == "147"
    assert found.unfinished
    assert QUESTION.parse([]) == Found()
    checked = subprocess.run(["dash", "-n"], input=QUESTION.script(), text=True, check=False)
    assert checked.returncode == 0


def _back(run: Any, current: str, journal: dict[str, str], releases: tuple[str, ...]) -> Plan:
    found = Releases(releases=releases, current=f"releases/{current}", noted=current)
    answer = answering({ReleaseState(""): found, QUESTION: Found(journal=journal)})
    with explanations.collecting():
        made: Plan = run(lambda: upgrade.taken_back(name="back", ways=WAYS), answer=answer)
    return made


def test_the_last_upgrade_is_taken_back() -> None:
    done = {**CUT_OFF, "step": "done"}
    planned = _back(plan, NEW, done, (NEW, OLD)).step("back")
    assert planned.told[0].found == f"leads to {NEW}: back to {OLD}"
    program = _back(apply, NEW, done, (NEW, OLD)).step("back").shell
    assert "mode=back" in program
    assert "step_before=done" in program
    assert f"old={OLD} new={NEW}" in program
    assert "lose=no" in program
    for step in ("", "prepares", "back"):
        assert _back(plan, OLD, {**CUT_OFF, "step": step}, (NEW, OLD)).changed == []


def test_there_is_no_way_back_without_the_release_or_from_another_one() -> None:
    done = {**CUT_OFF, "step": "done"}
    with pytest.raises(Exception, match=f"{OLD} is not on the host any more"):
        _back(plan, NEW, done, (NEW,))
    with pytest.raises(Exception, match="there is no way back from here"):
        _back(plan, "11.8.0-dddddddd", done, (NEW, OLD))


CONFIGURATION = """\
{
    "ServiceSettings": {
        "SiteURL": "https://chat.example.com",
        "Enable": true
    },
    "ClusterSettings": {
        "Enable": false,
        "ClusterName": "x"
    },
    "EmailSettings": {
        "SMTPPassword": "hunter2",
        "ConnectionSecurity": "",
        "EnableEmailBatching": true
    }
}
"""


def test_settings_of_the_console_are_read_without_any_other(tmp_path: Path) -> None:
    place = tmp_path / "config.json"
    place.write_text(CONFIGURATION)
    (line,) = [one for one in QUESTION.script().splitlines() if "awk -v names" in one]
    awk = line[line.index("awk ") :]
    done = subprocess.run(
        ["dash", "-c", f"{awk} <{place}"], capture_output=True, text=True, check=True
    )
    found = QUESTION.parse(done.stdout.splitlines())
    assert found.settings == {
        "ClusterSettings.Enable": "false",
        "EmailSettings.ConnectionSecurity": '""',
        "EmailSettings.EnableEmailBatching": "true",
    }


def test_what_the_binary_and_the_database_say() -> None:
    found = QUESTION.parse(["enterprise=false", "posts=400000", "largest=posts=293"])
    assert (found.edition, found.posts) == ("team", 400_000)
    assert (found.largest, found.largest_mb) == ("posts", 293)
    assert QUESTION.parse(["posts=-1", "enterprise=true"]).edition == "enterprise"


def _function(program: str, name: str) -> str:
    """One function of the program's shell."""
    begin = program.index(f"\n{name}() {{")
    return program[begin : program.index("\n}\n", begin) + 3]


def test_changed_settings_that_the_new_release_lacks_are_named_without_their_values(
    tmp_path: Path,
) -> None:
    program = _run(apply, OLD).step("moved").shell
    for release, text in (
        (OLD, CONFIGURATION.replace('"x"', '"y"').replace("hunter2", "")),
        (NEW, CONFIGURATION.replace("ClusterName", "Renamed").replace("SMTPPassword", "Password")),
    ):
        (tmp_path / release / "config").mkdir(parents=True)
        (tmp_path / release / "config/config.json").write_text(text)
    here = tmp_path / "config.json"
    here.write_text(CONFIGURATION)
    functions = "".join(_function(program, name) for name in ("flat", "tell_dropped"))
    functions = functions.replace("/opt/mattermost/releases", str(tmp_path))
    functions = functions.replace("/var/lib/mattermost/config/config.json", str(here))
    script = (
        f"set -u; kept={tmp_path} old={OLD} new={NEW}\n"
        'say() { echo "$*"; }; as_server() { "$@"; }\n'
        f"{functions}\ntell_dropped"
    )
    done = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split(": ")[1].split() == [
        "ClusterSettings.ClusterName",
        "EmailSettings.SMTPPassword",
    ]
    assert "hunter2" not in done.stdout
    assert not (tmp_path / "packaged").exists()


def test_the_restore_point_of_one_that_could_not_go_back_stays_until_the_old_release_serves(
    tmp_path: Path,
) -> None:
    """Run again, it is all there is."""
    program = _run(apply, OLD, Found(journal={**CUT_OFF, "step": "stuck"})).step("moved").shell
    script = (
        f"set -u; kept={tmp_path} unit=x old={OLD} why=asleep\n"
        "step() { :; }; forget_probe_user() { :; }; systemctl() { :; }\n"
        'serves() { return 1; }; give_up() { echo "$1"; exit; }\n'
        f"{_function(program, 'upgrade')}\nupgrade"
    )
    (tmp_path / "database.dump").write_text("all there is")
    done = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{OLD} itself does not pass the test: asleep\n"
    assert (tmp_path / "database.dump").read_text() == "all there is"


def _upgraded(tmp_path: Path, begun: str) -> str:
    """What an upgrade without a restore point says; ``begun`` is the old server's start."""
    program = _run(apply, OLD).step("moved").shell
    script = (
        f"set -u; kept={tmp_path} unit=x old={OLD} new={NEW} known=no saves=no why=\n"
        "step() { :; }; forget_probe_user() { :; }; systemctl() { :; }; tell_dropped() { :; }\n"
        "sleep() { :; }; watch() { :; }; hold_back() { :; }; stop_server() { :; }; say() { :; }\n"
        "schema() { echo 1; }; keep_copies() { :; }; backups_wait() { :; }\n"
        "restore_point() { why='pg_dump failed'; return 1; }; serves() { :; }\n"
        'end_as() { echo "$1: $2"; exit; }\n'
        f"start_server() {{ {begun}; }}\n"
        f"{_function(program, 'upgrade')}\nupgrade"
    )
    done = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_old_release_that_does_not_start_again_is_not_said_to_serve(tmp_path: Path) -> None:
    serves = f"back: {OLD} serves again, and nothing was changed: pg_dump failed."
    assert _upgraded(tmp_path, ":") == serves
    stuck = _upgraded(tmp_path, "why='it ended with 1'; return 1")
    assert stuck == (
        f"stuck: {OLD} does not serve, though nothing was changed: it ended with 1. "
        "Before that: pg_dump failed."
    )


def test_the_nightly_dump_waits_for_an_upgrade_because_migrations_would_wait_for_it(
    tmp_path: Path,
) -> None:
    program = _run(apply, OLD).step("moved").shell
    log = tmp_path / "log"
    script = (
        f'systemctl() {{ echo "$*" >>{log}; }}\n'
        f"{_line(program, 'backups_wait')}\n{_function(program, 'backups_go_on')}\n"
        "backups_wait; backups_go_on"
    )
    subprocess.run(["dash", "-c", script], check=True)
    stop, asked, start = log.read_text().splitlines()
    assert stop.split()[:2] == ["stop", "mattermost-backup.timer"]
    assert "mattermost-backup-dump.service" in stop.split()
    assert asked == "is-enabled --quiet mattermost-backup.timer"
    assert start == "start --no-block mattermost-backup.timer"
    body = _function(program, "upgrade")
    assert body.index("backups_wait") < body.index("hold_back") < body.index("stop_server")
    assert "trap 'let_in; backups_go_on' EXIT" in program
    ended = program[program.index("= ended ]") :]
    assert "backups_go_on" in ended[: ended.index("exit")], "also where it was killed"


def _line(program: str, name: str) -> str:
    """A function of one line."""
    return next(line for line in program.splitlines() if line.startswith(f"{name}() {{"))
