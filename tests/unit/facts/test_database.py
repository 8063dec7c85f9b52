"""Which cluster is the site's own: by its drop-ins, and by the journal where two have them."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.facts.database import Move, last_move, own_major
from mattermost_host.facts.questions import QUESTIONS, SCRIPT
from tests.unit.examples import DEBIAN_12, ROCKY_9

OLD, NEW = "postgresql@15-main.service", "postgresql@17-main.service"
BOTH = (("15", "main", 5432), ("17", "main", 5433))
DEBIAN_13 = replace(DEBIAN_12, release="13", managed=True)


def _journal(step: str) -> tuple[tuple[str, str], ...]:
    return (("step", step), ("old", "15"), ("new", "17"))


@pytest.mark.parametrize(
    ("units", "journal", "own"),
    [
        ((), (), None),
        ((OLD,), (), 15),
        ((NEW,), (), 17),
        (("postgresql@16-main.service", "postgresql@15-other.service"), (), None),
        ((OLD, NEW), (), 17),
        ((OLD, NEW), _journal("moves"), 15),
        ((OLD, NEW), _journal("going-back"), 15),
        ((OLD, NEW), _journal("switches"), 17),
        ((OLD, NEW), _journal("done"), 17),
    ],
)
def test_the_cluster_of_the_site(
    units: tuple[str, ...], journal: tuple[tuple[str, str], ...], own: int | None
) -> None:
    facts = replace(DEBIAN_13, clusters=BOTH, database_units=units, database_move=journal)
    assert own_major(facts) == own


def test_a_cluster_that_is_gone_is_nobodys() -> None:
    assert own_major(replace(DEBIAN_13, database_units=(OLD,))) is None
    odd = (("9.6", "main", 5432), ("15", "main", 5432))
    assert own_major(replace(DEBIAN_13, clusters=odd, database_units=(OLD,))) == 15


def test_appstream_has_one_version_at_a_time() -> None:
    there = (("16", "/var/lib/pgsql/data", 5432),)
    facts = replace(ROCKY_9, clusters=there, database_units=("postgresql.service",))
    assert own_major(facts) is None


@pytest.mark.parametrize(
    ("units", "journal", "own"),
    [
        ((), (), None),
        (("postgresql-15.service",), (), 15),
        (("postgresql-15.service", "postgresql-17.service"), _journal("moves"), 15),
        (("postgresql-15.service", "postgresql-17.service"), _journal("starts"), 17),
    ],
)
def test_versions_of_the_postgresql_project_stand_side_by_side(
    units: tuple[str, ...], journal: tuple[tuple[str, str], ...], own: int | None
) -> None:
    there = tuple((str(one), f"/var/lib/pgsql/{one}/data", 5432) for one in (15, 17))
    facts = replace(ROCKY_9, clusters=there, database_units=units, database_move=journal)
    assert own_major(facts) == own


def test_a_journal_that_says_nothing_is_none() -> None:
    assert last_move(DEBIAN_12) is None
    assert last_move(replace(DEBIAN_12, database_move=(("step", "moves"), ("old", "x")))) is None
    move = last_move(replace(DEBIAN_12, database_move=_journal("moves")))
    assert move == Move("moves", 15, 17)
    assert (move.unfinished, move.switched) == (True, False)


def test_the_host_is_asked_for_drop_ins_access_rules_and_the_journal(tmp_path: Path) -> None:
    """The question's own shell, on folders of this test."""
    for path in (
        "etc/systemd/system/postgresql@15-main.service.d/mattermost-host.conf",
        "etc/systemd/system/postgresql@16-main.service.d/other.conf",
        "etc/postgresql/17/main/conf.d/mattermost-host.conf",
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    for version, said in (
        ("14", "# Written by mattermost-host; changes"),
        ("13", "# of the package"),
    ):
        rules = tmp_path / f"etc/postgresql/{version}/main/pg_hba.conf"
        rules.parent.mkdir(parents=True)
        rules.write_text(f"{said}\nlocal all all peer\n")
    journal = tmp_path / "var/lib/mattermost-host/postgresql/journal"
    journal.parent.mkdir(parents=True)
    journal.write_text("step=done\nold=15\n")
    data = tmp_path / "var/lib/postgresql/17/main"
    (data / "pg_tblspc").mkdir(parents=True)
    (data / "pg_tblspc/16390").symlink_to("/srv/a place")
    (data / "pg_wal").mkdir()
    settings = tmp_path / "etc/postgresql/17/main/postgresql.conf"
    settings.write_text("#data_directory = 'x'\n data_directory = '/mnt/pg'\t# elsewhere\n")
    here = SCRIPT.replace("/etc/", f"{tmp_path}/etc/").replace("/var/lib/", f"{tmp_path}/var/lib/")
    done = subprocess.run(
        ["sh", "-c", f"{here}\ndatabase"], capture_output=True, text=True, check=False
    )
    left = "unit postgresql@14-main.service"
    assert done.stdout.splitlines() == [
        f"unit {OLD}",
        f"unit {NEW}",
        left,
        f"link {data}/pg_tblspc/16390 /srv/a place",
        f"link {tmp_path}/var/lib/postgresql/17/main /mnt/pg",
        "step done",
        "old 15",
    ]
    assert done.stderr == ""
    found = QUESTIONS["database"](done.stdout.splitlines())
    assert found["database_links"] == (
        (f"{data}/pg_tblspc/16390", "/srv/a place"),
        (f"{data}", "/mnt/pg"),
    )
