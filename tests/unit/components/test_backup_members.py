"""The backup of a database on several hosts: its parts, and which host's programs go on."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from mattermost_host.components import backup, postgres
from mattermost_host.components.backup import Settings
from mattermost_host.facts.place import Place
from mattermost_host.knowledge import patroni as known
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.ops import backup_files, backup_members, backup_target, backup_watch, remains
from mattermost_host.ops.entries import File
from mattermost_host.ops.pgbackrest_member import FOLLOWS, NOT_LEADING, SYSTEM
from mattermost_host.ops.pgbackrest_state import DUMPED, MARK
from mattermost_host.support.templates import render
from tests.unit import local
from tests.unit.cluster_examples import place
from tests.unit.examples import DEBIAN_12, converged, ssh_key
from tests.unit.fake_host import Answer, Plan, answering, nothing_installed, plan
from tests.unit.parsers import complaints_of_systemd

KEY = "Key-of-all-backups"
ACCESS = Access(SecretStr("access"), SecretStr("secret-of-s3"), SecretStr(ssh_key()))
TO_S3 = Settings(to="s3://backups/chat", endpoint="https://s3.example.com")
LAYOUT = postgres.cluster(postgres.Settings(), DEBIAN_12)
KEPT = ("/etc/mattermost-host", "/var/lib/mattermost/data")
PARTS: Any = backup


def _member(settings: Settings = TO_S3, answer: Answer = nothing_installed) -> Plan:
    def deployed() -> None:
        PARTS.reach(settings, DEBIAN_12, LAYOUT, SecretStr(KEY), ACCESS, member=True)
        PARTS.archive_members(settings)
        PARTS.schedule_member(settings, layout=LAYOUT, with_files=False)

    return plan(deployed, answer=answer)


def _files(settings: Settings = TO_S3, answer: Answer = nothing_installed) -> Plan:
    def deployed() -> None:
        PARTS.reach(settings, DEBIAN_12, LAYOUT, SecretStr(KEY), ACCESS, member=False)
        PARTS.schedule_files(settings, layout=LAYOUT, kept=KEPT, alone=True)

    return plan(deployed, answer=answer)


def test_a_fresh_member() -> None:
    assert [name.removeprefix("Backup | ") for name in _member().changed] == [
        "pgBackRest and restic are installed",
        "settings of the repositories are in place",
        "the database is archived",
        "the nightly backup of the database is described",
        "the nightly backup of the database is scheduled",
        "the metrics of the database's backups are scheduled",
        "a backup of the database was made lately",
    ]


def test_a_fresh_host_of_the_files() -> None:
    assert [name.removeprefix("Backup | ") for name in _files().changed] == [
        "pgBackRest and restic are installed",
        "settings of the files' repository are in place",
        "the nightly backup of the files is described",
        "the nightly backup of the files is scheduled",
        "the metrics of the files' backups are scheduled",
        "a backup of the files was made lately",
    ]


def test_converged_hosts_yield_nothing() -> None:
    assert _member(answer=converged(_member())).changed == []
    assert _files(answer=converged(_files())).changed == []


def test_switched_off_each_part_is_removed() -> None:
    left = answering({remains.AskRemains(backup_members.OURS): backup_members.TIMERS})
    for part in (_member, _files):
        assert part(Settings()).changed == []
        shell = part(Settings(), left).shell
        assert f"--now {backup_members.TIMER} {backup_files.TIMER}" in shell
        assert backup_target.RESTIC in shell


def test_secrets_are_in_closed_files_of_the_hosts_that_need_them() -> None:
    for part, files in (
        (_member(), {backup_target.CONFIGURATION, backup_target.KEY_FILE}),
        (_files(), {backup_target.KEY_FILE}),
    ):
        holding = {path for path, content in part.written.items() if KEY.encode() in content}
        assert holding == files
        assert KEY not in part.shell
        closed = {one.path for one in part.entries if isinstance(one, File) and one.secret}
        assert holding <= closed


def test_what_is_closed_depends_on_the_role() -> None:
    of_member = backup.surface(TO_S3, place()).secret_files
    of_files = backup.surface(TO_S3, place(name="chat")).secret_files
    assert {one.path for one in of_member} - {one.path for one in of_files} == {
        backup_target.CONFIGURATION
    }
    assert of_files


def test_dumps_and_files_have_a_repository_each() -> None:
    dumps = "RESTIC_REPOSITORY=s3:https://s3.example.com/backups/chat/mattermost-host/dumps\n"
    assert dumps in _member().text(backup_files.DUMP)
    files = _files().text(backup_target.RESTIC)
    assert "s3.example.com/backups/chat/mattermost-host/files " in files
    assert "pgbackrest" not in _files().text(backup_files.BACK_UP_FILES)
    for program in (_member().text(backup_files.DUMP), _files().text(backup_files.BACK_UP_FILES)):
        assert "--keep-within 35d $prune\n" in program, "each removes its own, once a week"


def test_the_units_are_understood_by_systemd(tmp_path: Path) -> None:
    for part in (_member(), _files()):
        for one in part.entries:
            if isinstance(one, File) and one.path.endswith((".service", ".timer")):
                unit = tmp_path / one.path.rpartition("/")[2]
                unit.write_bytes(one.data)
    for unit in tmp_path.glob("mattermost-backup*"):
        said = complaints_of_systemd(unit)
        # The programs are on hosts only.
        assert [one for one in said if "is not executable" not in one] == [], unit.name


def test_what_archives_is_shared_by_all_members() -> None:
    told = {"max_connections": "120", **backup.parameters(TO_S3)}
    shared = known.of_all_members(told)["postgresql"]["parameters"]
    assert shared["archive_mode"] == "on"
    assert shared["archive_command"] == "pgbackrest --stanza=mattermost archive-push %p"
    assert not {"archive_mode", "archive_command"} & known.of_member(told).keys()
    without = known.of_all_members({})["postgresql"]["parameters"]
    assert (without["archive_mode"], without["archive_timeout"]) == ("off", "0")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(to="/srv/backup"), "each of the database's hosts has to reach"),
        (TO_S3, None),
    ],
)
def test_a_folder_is_refused(settings: Settings, said: str | None) -> None:
    here: Place = place()
    found = " ".join(str(one) for one in backup.mistakes(settings, here))
    assert (said in found) if said else found == ""


@pytest.mark.parametrize(
    ("follows", "owner", "status", "said"),
    [
        ("f", "7 db1", 0, "it goes on"),
        ("t", "7 db1", 0, NOT_LEADING),
        ("t", "8 other", 0, NOT_LEADING),
        ("f", "8 other", 1, "belongs to another site (other)"),
        ("f", "0a chat", 1, "belongs to another site (chat)"),
        ("f", "", 1, "has no mark of its site"),
        ("", "7 db1", 1, "no database"),
    ],
)
def test_only_the_leader_of_the_sites_own_database_goes_on(
    tmp_path: Path, follows: str, owner: str, status: int, said: str
) -> None:
    answer = f'case "$*" in *"{SYSTEM}") echo 7 ;; *"{FOLLOWS}") echo {follows} ;; esac'
    silent = "echo no database >&2; exit 2"
    local.program(tmp_path, "psql", answer if follows else silent)
    local.program(tmp_path, "pgbackrest", f'[ "$5" = {MARK} ] && echo "{owner}"')
    text = render(
        "backup/leader.sh.j2",
        account="",
        psql="psql -d postgres",
        follows=FOLLOWS,
        not_leading=NOT_LEADING,
        system=SYSTEM,
        stanza="mattermost",
        mark=MARK,
    )
    done = local.run(f"set -eu\n{text}\necho it goes on", programs=tmp_path)
    # A member whose PostgreSQL does not answer has failed, whatever its exit status.
    assert (done.returncode != 0) is (status != 0)
    assert said in done.stdout + done.stderr
    assert ("it goes on" in done.stdout) is (said == "it goes on")


INFO = (
    '[{"backup":['
    '{"archive":{"start":"01"},"error":false,"info":{"repository":{"delta":4,"size":5}},'
    '"timestamp":{"start":10,"stop":20}},'
    '{"archive":{"start":"02"},"error":false,"info":{"repository":{"delta":6,"size":7}},'
    '"timestamp":{"start":30,"stop":40}},'
    '{"archive":{"start":"03"},"error":true,"info":{"repository":{"delta":8,"size":9}},'
    '"timestamp":{"start":50,"stop":60}}]}]'
)


def _metrics(folder: Path, *, answers: bool) -> dict[tuple[str, str], float]:
    status = folder / "main/pg_wal/archive_status"
    for one in (folder / "node", folder / "state", status):
        one.mkdir(parents=True, exist_ok=True)
    (status / "01.ready").touch()
    programs = folder / "programs"
    passed = 'while case $1 in --*) ;; *) false ;; esac; do shift; done; exec "$@"'
    local.program(programs, "setpriv", passed)
    local.program(programs, "systemctl", "exit 1")
    told = f"case \"$*\" in *info*) echo '{INFO}' ;; *{DUMPED}) echo finished=35 ;; esac"
    local.program(programs, "pgbackrest", told if answers else "echo away >&2; exit 1")
    text = render(
        "backup/backup-metrics.sh.j2",
        folder=folder / "node",
        file=backup_watch.FILE,
        prefix=backup_watch.PREFIX,
        state=folder / "state",
        data=folder / "main",
        units=backup_members.OF_DATABASE,
        member=True,
        files=False,
        stanza="mattermost",
        dumped=DUMPED,
    )
    done = local.run(text, programs=programs)
    assert done.returncode == 0, done.stderr
    written = (folder / "node" / backup_watch.FILE).read_text()
    return {
        (one.name.removeprefix(backup_watch.PREFIX), "".join(one.labels.values())): one.value
        for family in text_string_to_metric_families(written)
        for one in family.samples
    }


def test_each_member_tells_of_the_last_good_backup_of_any(tmp_path: Path) -> None:
    told = _metrics(tmp_path, answers=True)
    assert told["finished_timestamp_seconds", "database"] == 40
    assert told["finished_timestamp_seconds", "dump"] == 35
    assert told["size_bytes", "database"] == 7
    assert told["wal_segments_waiting", ""] == 1
    assert _metrics(tmp_path, answers=False) == told, "its age grows while it is away"


def test_a_repository_that_never_answered_is_told_by_no_value(tmp_path: Path) -> None:
    told = _metrics(tmp_path, answers=False)
    assert not [name for name, _ in told if name == "finished_timestamp_seconds"]


def test_the_shell_is_understood() -> None:
    for part in (_member(), _files()):
        for one in part.entries:
            if isinstance(one, File) and one.path.startswith(backup_files.PROGRAMS):
                subprocess.run(["sh", "-n"], input=one.data, check=True, timeout=20)
