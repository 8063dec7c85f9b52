"""The move to another PostgreSQL: when it begins, what the program on the host is told."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components import backup
from mattermost_host.engine import explanations
from mattermost_host.facts.database import Move
from mattermost_host.knowledge.families import DEBIAN, ENTERPRISE_LINUX
from mattermost_host.ops import backup_files, cluster, postgresql_move
from mattermost_host.ops.database_state import AS_POSTGRES, Client
from mattermost_host.ops.entries import File
from mattermost_host.ops.packages import PackageStates
from mattermost_host.ops.postgresql_move import Backups, Target
from mattermost_host.ops.postgresql_move_state import AskMove, Found, Space, occupied
from mattermost_host.ops.streams import ModuleStreams
from tests.unit.fake_host import Plan, answering, apply, plan
from tests.unit.ops.test_upgrade import WAYS

BEFORE, AFTER = (DEBIAN.cluster(major) for major in (15, 17))
QUESTION = AskMove("mattermost", Client(5432, f"{BEFORE.programs}/psql"), BEFORE, AFTER)
TARGET = Target(
    question=QUESTION,
    client=Client(5432, f"{AFTER.programs}/psql"),
    settings=(File("/u", "of unit"), File("/p", "of parameters"), File("/a", "of access")),
    backups=None,
)
BACKED_UP = replace(
    TARGET, backups=Backups(backup.QUESTION, backup_files.TIMER, backup_files.SERVICE)
)
OF_PGDG = replace(
    TARGET,
    question=AskMove("mattermost", Client(), *map(ENTERPRISE_LINUX.cluster_of_pgdg, (16, 17))),
)


def _is_shell(program: str) -> None:
    for shell in ("dash", "bash"):
        done = subprocess.run(
            [shell, "-n"], input=program, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def _run(run: Any, last: Move | None = None, target: Target = TARGET, word: str = "moved") -> Plan:
    operation = getattr(postgresql_move, word)
    with explanations.collecting():
        made: Plan = run(
            lambda: operation(name="moved", target=target, last=last, ways=WAYS),
            answer=answering({QUESTION: Found()}),
        )
    return made


def test_a_plan_says_what_a_move_is() -> None:
    database, server = _run(plan).step("moved").told
    assert (database.severity, database.heals) == ("critical", False)
    assert str(database) == "the database is PostgreSQL 15: it is moved to 17, with a way back"
    assert (server.subject, server.effect) == ("mattermost.service", "restart")


def test_the_newer_ones_settings_are_where_the_program_finds_them() -> None:
    staged = {one.path: one for one in TARGET.staged}
    folder = staged["/var/lib/mattermost-host/postgresql/new"]
    assert folder.mode == "700"
    names = ("unit.conf", "parameters.conf", "pg_hba.conf")
    files = [staged[f"{folder.path}/{name}"] for name in names]
    assert [getattr(one, "content", "") for one in files] == [
        "of unit",
        "of parameters",
        "of access",
    ]


@pytest.mark.parametrize("target", [TARGET, BACKED_UP])
def test_the_program_is_shell_and_knows_what_it_moves(target: Target) -> None:
    program = _run(apply, target=target).step("moved").shell
    assert "old=15 new=17 since= " in program
    assert "mode=move step_before=\n" in program
    assert "/usr/lib/postgresql/17/bin/psql" in program
    assert "/usr/lib/postgresql/15/bin/psql" not in program
    assert "remove it: pg_dropcluster 15 main" in program
    assert ("stanza-upgrade" in program) == (target is BACKED_UP)
    assert ("rm -f /var/lib/mattermost-host/backup/last" in program) == (target is BACKED_UP)
    _is_shell(program)


def test_on_enterprise_linux_pg_upgrade_itself_moves_what_initdb_made_the_same() -> None:
    program = _run(apply, target=OF_PGDG).step("moved").shell
    initdb = "/usr/pgsql-17/bin/postgresql-17-setup initdb"
    assert f'PGSETUP_INITDB_OPTIONS="$made --no-sync {cluster.AUTHENTICATION}" {initdb}' in program
    assert "pg_upgrade -b /usr/pgsql-16/bin -B /usr/pgsql-17/bin" in program
    assert "old_data=/var/lib/pgsql/16/data new_data=/var/lib/pgsql/17/data" in program
    assert "old_unit=postgresql-16.service new_unit=postgresql-17.service" in program
    (removed,) = re.findall(r"remove it: (.*)\"", program)
    assert removed == ENTERPRISE_LINUX.cluster_of_pgdg(16).removal
    # Not a word of the other layout.
    for debians in ("pg_upgradecluster", "pg_dropcluster", "/etc/postgresql/", "postgresql@"):
        assert debians not in program
    for pgdgs in ("/var/lib/pgsql", "pgsql-", "initdb"):
        assert pgdgs not in _run(apply).step("moved").shell
    _is_shell(program)


@pytest.mark.parametrize(
    ("step", "mode"),
    [
        ("prepares", "move"),
        ("stops", "move"),
        ("moves", "move"),
        ("switches", "forward"),
        ("starts", "forward"),
        ("going-back", "move"),
        ("stuck", "move"),
        ("back", "move"),
    ],
)
def test_what_was_cut_off_begins_anew_or_goes_on(step: str, mode: str) -> None:
    last = Move(step, 15, 17, "1700000000000")
    done = _run(apply, last).step("moved")
    assert f"mode={mode} step_before={step}\n" in done.shell
    since = "1700000000000" if mode == "forward" else ""
    assert f"since={since} " in done.shell
    if last.unfinished:
        words = "it goes on" if mode == "forward" else "it is taken back, and begins anew"
        assert words in _run(plan, last).step("moved").told[0].found


def test_the_last_move_is_taken_back() -> None:
    last = Move("done", 15, 17, "1700000000000")
    program = _run(apply, last, word="taken_back").step("moved").shell
    assert "mode=back step_before=done\n" in program
    assert "since=1700000000000 " in program
    _is_shell(program)
    for none in (None, Move("back", 15, 17)):
        assert _run(plan, none, word="taken_back").changed == []


def test_the_newer_version_comes_without_a_cluster_of_its_own() -> None:
    question = PackageStates(("postgresql-17",), "apt")

    def operation() -> None:
        postgresql_move.beside(name="beside", after=AFTER)

    missing = answering({question: {}})
    assert plan(operation, answer=missing).changed == ["beside"]
    shell = apply(operation, answer=missing).step("beside").shell
    made, installed, gone = (shell.index(one) for one in ("echo 'create", " install", "rm -f /etc"))
    assert made < installed < gone
    there = answering({question: {"postgresql-17": "17.6"}})
    assert plan(operation, answer=there).changed == []


def test_packages_of_pgdg_make_no_cluster_so_they_are_only_installed() -> None:
    after = ENTERPRISE_LINUX.cluster_of_pgdg(17)
    missing = answering(
        {PackageStates(after.packages, "dnf"): {}, ModuleStreams(("postgresql",)): {}}
    )

    def operation() -> None:
        postgresql_move.beside(name="beside", after=after)

    shell = apply(operation, answer=missing).step("beside").shell
    assert "install postgresql17-server postgresql17-contrib" in shell
    assert "module disable postgresql" in shell
    assert "createcluster" not in shell


@pytest.mark.parametrize(
    ("old", "asked"), [(14, "pg_collation_actual_version"), (15, "pg_database_collation_actual")]
)
def test_the_version_of_the_sort_order_is_where_that_postgresql_has_it(
    old: int, asked: str
) -> None:
    for family in (DEBIAN, ENTERPRISE_LINUX):
        question = AskMove("mattermost", Client(), *map(family.cluster_of_pgdg, (old, 17)))
        script = question.script()
        assert asked in script
        assert ("datcollversion" in script) == (old >= 15)
        _is_shell(script)
        target = replace(TARGET, question=question)
        program = postgresql_move.program(target, None, WAYS, "move")
        assert (": >$kept/sort-anew" in program) == (old < 15)
        _is_shell(program)


@pytest.mark.parametrize(
    ("made", "said"),
    [((), False), (("17",), False), (("17", "17/data"), False), (("17/data/PG_VERSION",), True)],
)
def test_a_folder_that_a_package_left_empty_is_no_cluster(
    tmp_path: Path, made: tuple[str, ...], said: bool
) -> None:
    for path in made:
        where = tmp_path / path
        where.parent.mkdir(exist_ok=True, parents=True)
        where.touch() if where.name == "PG_VERSION" else where.mkdir()
    newer = ENTERPRISE_LINUX.cluster_of_pgdg(17)
    asked = occupied(newer).replace("/var/lib/pgsql", str(tmp_path))
    assert (subprocess.run(["sh", "-c", asked], check=False).returncode == 0) == said


def test_what_a_host_says() -> None:
    said = [
        "serving=yes",
        "answered=yes",
        "missing=nft",
        "data_mb=12",
        "free_mb=13",
        "disk=/",
        "space=5 6 /srv/my disk",
        "space=7",
        "offered=yes",
        "unpackaged=postgis (postgresql-15-postgis-3)",
        "session=report",
        "prepared=1",
        "slot=standby",
        "collation=2.36 2.41",
        "settings=own.conf",
    ]
    assert QUESTION.parse(said) == Found(
        serving=True,
        answered=True,
        missing=("nft",),
        data_mb=12,
        free_mb=13,
        disk="/",
        spaces=(Space(5, 6, "/srv/my disk"), Space(-1, -1, "")),
        offered=True,
        unpackaged=("postgis (postgresql-15-postgis-3)",),
        sessions=("report",),
        prepared=1,
        slots=("standby",),
        collation=("2.36", "2.41"),
        settings=("own.conf",),
    )
    assert QUESTION.parse([]) == Found()
    _is_shell(QUESTION.script())


def test_the_room_that_tablespaces_need(tmp_path: Path) -> None:
    """Those of this version; what was moved aside is not copied."""
    _tablespace(tmp_path, "main")
    here = QUESTION.script().replace(BEFORE.data, str(tmp_path / "main"))
    asked = here[here.index(AS_POSTGRES) :].partition("done'")[0].replace(AS_POSTGRES, "") + "done'"
    done = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=False)
    (space,) = QUESTION.parse(done.stdout.splitlines()).spaces
    assert space.mb in {3, 4}  # and the folder itself
    assert space.free_mb > 0


def _tablespace(at: Path, data: str) -> set[str]:
    (at / data / "pg_tblspc").mkdir(parents=True)
    (at / data / "pg_tblspc/16391").symlink_to(at / "ts")
    for name in ("PG_15_202209061", "PG_15_202209061.before-restore-1", "PG_17_202406281"):
        (at / "ts" / name).mkdir(parents=True)
        (at / "ts" / name / "5").write_bytes(b"." * (3 << 20))
    return {one.name for one in (at / "ts").iterdir()}


@pytest.mark.parametrize("linked", ["old", "new"])
def test_nothing_of_the_newer_version_stays_in_tablespaces(tmp_path: Path, linked: str) -> None:
    names = _tablespace(tmp_path, linked)
    program = "\n".join(_run(plan).steps[-1].commands)
    (function,) = re.findall(r"^empty_tablespaces\(\) \{.*?^\}", program, re.S | re.M)
    assert "{ empty_tablespaces && remove_new; }" in program
    around = f'as_postgres() {{ "$@"; }}\nold_data={tmp_path}/old new_data={tmp_path}/new new=17\n'
    script = f"{around}{function}\nempty_tablespaces"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {one.name for one in (tmp_path / "ts").iterdir()} == names - {"PG_17_202406281"}
