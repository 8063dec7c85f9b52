"""Which PostgreSQL the site runs on: what a preflight says after an upgrade of the system."""

from dataclasses import replace

import pytest

from mattermost_host.components import postgres
from mattermost_host.components.postgres import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight.finding import Finding
from tests.unit.examples import DEBIAN_12, place

UNIT = "postgresql@{}-main.service"
UPGRADED = replace(
    DEBIAN_12,
    release="13",
    managed=True,
    clusters=(("15", "main", 5432),),
    database_units=(UNIT.format(15),),
)
"""Debian 12 with its site, upgraded in place to Debian 13."""
MOVED = replace(
    UPGRADED,
    clusters=(("15", "main", 5433), ("17", "main", 5432)),
    database_units=(UNIT.format(17),),
    database_move=(("step", "done"), ("old", "15"), ("new", "17")),
)


def _finding(name: str, facts: HostFacts, **settings: object) -> Finding:
    requirements = postgres.requires(Settings.model_validate(settings), place(facts))
    check = next(one for one in requirements if one.name == name)
    (found,) = check.check(facts)
    return found


def _cut_off(step: str) -> HostFacts:
    units = (UNIT.format(15), UNIT.format(17))
    journal = (("step", step), ("old", "15"), ("new", "17"))
    return replace(MOVED, database_units=units, database_move=journal)


def test_after_an_upgrade_of_the_system_the_site_goes_on_with_its_cluster() -> None:
    assert postgres.major(Settings(), UPGRADED) == 15
    assert postgres.unit(Settings(), UPGRADED) == UNIT.format(15)
    assert _finding("no-other-postgresql", UPGRADED).verdict == "ok"
    assert _finding("postgresql-version", UPGRADED).verdict == "ok"
    due = _finding("postgresql-move", UPGRADED)
    assert due.verdict == "warning"
    assert due.found == "the site's PostgreSQL is 15, and Debian 13 has 17 here"
    assert due.remedy == (
        "The site goes on with 15, and no deploy moves it. When it suits, "
        "`mattermost-host upgrade-postgresql` does."
    )


def test_the_version_that_the_site_has_may_be_stated_and_another_is_not_taken_by_a_deploy() -> None:
    assert _finding("postgresql-version", UPGRADED, version=15).verdict == "ok"
    assert _finding("postgresql-move", UPGRADED, version=15).verdict == "ok"
    stated = _finding("postgresql-move", UPGRADED, version=17)
    assert stated.verdict == "error"
    assert stated.found == "the site's PostgreSQL is 15, and the inventory states 17"
    assert "Run `mattermost-host upgrade-postgresql`" in stated.remedy
    assert postgres.major(Settings(version=17), UPGRADED) == 15


def test_by_the_projects_packages() -> None:
    facts = replace(UPGRADED, release="12")
    due = _finding("postgresql-move", facts, pgdg=True)
    assert due.verdict == "warning"
    assert due.found == "the site's PostgreSQL is 15, and the PostgreSQL project has 17 here"
    assert _finding("postgresql-move", facts).verdict == "ok"


@pytest.mark.parametrize(("own", "stated"), [(17, "'version': 17, 'pgdg': True"), (16, "'pgdg'")])
def test_no_data_goes_to_an_older_postgresql(own: int, stated: str) -> None:
    clusters = ((str(own), "main", 5432),)
    facts = replace(UPGRADED, release="12", clusters=clusters, database_units=(UNIT.format(own),))
    found = _finding("postgresql-move", facts)
    assert (found.verdict, found.found) == (
        "error",
        f"the site's PostgreSQL is {own}, and the inventory leads to 15",
    )
    assert stated in found.remedy


def test_after_the_move_the_old_cluster_is_told_with_the_way_to_drop_it() -> None:
    assert postgres.major(Settings(), MOVED) == 17
    assert _finding("no-other-postgresql", MOVED).verdict == "ok"
    kept = _finding("postgresql-move", MOVED)
    assert kept.verdict == "ok"
    assert "pg_dropcluster 15 main && apt-get purge postgresql-15" in kept.found
    dropped = replace(MOVED, clusters=(("17", "main", 5432),))
    assert _finding("postgresql-move", dropped).found == "nothing is to be moved"
    third = replace(MOVED, clusters=(*MOVED.clusters, ("16", "main", 5434)))
    assert _finding("no-other-postgresql", third).found == "PostgreSQL 16/main on the host"


@pytest.mark.parametrize("step", ["stops", "moves", "switches", "starts", "going-back", "stuck"])
def test_a_move_that_was_cut_off_stops_every_deploy_and_names_the_command(step: str) -> None:
    found = _finding("postgresql-move", _cut_off(step))
    assert found.verdict == "error"
    said = f"a move of the database from 15 to 17 is under way, or was cut off at the step {step}"
    assert found.found == said
    assert "Run `mattermost-host upgrade-postgresql`" in found.remedy
    assert _finding("no-other-postgresql", _cut_off(step)).verdict == "ok"
