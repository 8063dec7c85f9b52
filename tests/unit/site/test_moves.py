"""Where a site's database is to be moved, by its inventory and its host."""

from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from mattermost_host.site import moves
from mattermost_host.site.site import Site
from tests.unit.examples import DEBIAN_12, ROCKY_9

UNIT = "postgresql@{}-main.service"
BEFORE = replace(
    DEBIAN_12,
    release="13",
    managed=True,
    clusters=(("15", "main", 5432),),
    database_units=(UNIT.format(15),),
)
AFTER = replace(
    BEFORE,
    clusters=(*BEFORE.clusters, ("17", "main", 5432)),
    database_units=(UNIT.format(17),),
    database_move=(("step", "done"), ("old", "15"), ("new", "17"), ("since", "17000")),
)


def _site(folder: Path, **more: object) -> Site:
    inventory = folder / "chat.py"
    site = {"url": "https://chat.example.com", "users": 50, **more}
    inventory.write_text(f"site = {site!r}\napp = db = proxy = ['h1']\n")
    return Site.load(inventory)


@pytest.mark.parametrize(
    ("facts", "postgres", "moved"),
    [
        (BEFORE, {}, (15, 17)),
        (BEFORE, {"version": 15}, None),
        (replace(BEFORE, release="12"), {}, None),
        (replace(BEFORE, release="12"), {"pgdg": True, "version": 18}, (15, 18)),
        (DEBIAN_12, {}, None),
        (AFTER, {}, None),
        (AFTER, {"pgdg": True, "version": 18}, (17, 18)),
        (replace(AFTER, database_move=()), {}, None),
    ],
)
def test_from_which_version_to_which(
    tmp_path: Path, facts: HostFacts, postgres: dict[str, object], moved: tuple[int, int] | None
) -> None:
    target = moves.of(_site(tmp_path, postgres=postgres), facts, "h1")
    assert (target and (target.question.old, target.question.new)) == moved


def test_on_enterprise_linux_from_one_version_of_pgdg_to_another(tmp_path: Path) -> None:
    before = replace(
        ROCKY_9,
        managed=True,
        clusters=(("16", "/var/lib/pgsql/16/data", 5432),),
        database_units=("postgresql-16.service",),
    )
    site = _site(tmp_path, postgres={"pgdg": True, "version": 17})
    target = moves.of(site, before, "h1")
    assert target and (target.question.old, target.question.new) == (16, 17)
    assert target.question.after == ENTERPRISE_LINUX.cluster_of_pgdg(17)
    unit, parameters, access = target.settings
    assert unit.path == "/etc/systemd/system/postgresql-17.service.d/mattermost-host.conf"
    assert "/usr/pgsql-17/bin/postgres -D /var/lib/pgsql/17/data" in str(unit.content)
    assert "include_if_exists = '/var/lib/pgsql/17/data/postgresql.conf'" in str(parameters.content)
    assert access.path == "/etc/mattermost-host/postgresql/pg_hba.conf"


@pytest.mark.parametrize(
    ("facts", "pgdg", "held"),
    [
        (DEBIAN_12, False, True),
        (DEBIAN_12, True, True),
        (ROCKY_9, True, True),
        (ROCKY_9, False, False),
    ],
)
def test_whose_packages_stand_side_by_side(facts: HostFacts, pgdg: bool, held: bool) -> None:
    assert moves.side_by_side(postgres.Settings(pgdg=pgdg), facts) == held


def test_the_way_back_is_that_of_the_last_move(tmp_path: Path) -> None:
    site = _site(tmp_path)
    target = moves.of(site, AFTER, "h1", back=True)
    assert target and (target.question.old, target.question.new) == (15, 17)
    cut_off = (("step", "starts"), *AFTER.database_move[1:])
    for back in (True, False):
        assert moves.of(site, replace(AFTER, database_move=cut_off), "h1", back=back)


def test_the_newer_one_starts_with_the_settings_of_a_deploy(tmp_path: Path) -> None:
    site = _site(tmp_path, backup={"to": "/srv/backup"})
    target = moves.of(site, BEFORE, "h1")
    assert target and target.backups
    unit, parameters, access = target.settings
    assert unit.path == f"/etc/systemd/system/{UNIT.format(17)}.d/mattermost-host.conf"
    assert "mattermost-firewall.service" in str(unit.content)
    assert parameters.path == "/etc/postgresql/17/main/conf.d/mattermost-host.conf"
    assert "hba_file = '/etc/postgresql/17/main/pg_hba.conf'" in str(parameters.content)
    assert "archive_mode = on" in str(parameters.content)
    assert access.path == "/etc/postgresql/17/main/pg_hba.conf"
    assert target.question.after.packages == ("postgresql-17",)
    plain = moves.of(_site(tmp_path), BEFORE, "h1")
    assert plain and plain.backups is None
