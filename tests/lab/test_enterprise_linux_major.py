"""The database moved between two majors of the PostgreSQL project's on the look-alike of EL 9.

Both are real: 14 and 15, in the paths of PGDG's packages. Posts and files are read back by hash
after each step. The commands are those of docs/operations.md.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import pgdg
from tests.lab.deployment import Deployment, Run
from tests.lab.hosts import Lab
from tests.lab.runbook import script, typed
from tests.lab.shell import wait_until
from tests.lab.truth import sql
from tests.lab.upgrades import Written, all_there, released, write

FOLDER = "/var/lib/mattermost-host/postgresql"
OLD, NEW = pgdg.BEFORE, pgdg.MAJOR
OWN = f"/var/lib/pgsql/{OLD}/data/postgresql.conf"
"""What initdb found; an administrator's own parameters are there, too."""


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A site with the older one, whose inventory states the newer one."""
    fingerprint, authority = pgdg.serve(lab, with_another=True)
    host = lab.up("el", suite="el9")
    pgdg.trust(host, authority)
    folder = tmp_path_factory.mktemp("major")
    database = {"pgdg": True, "version": OLD}
    made = Deployment(lab, host, folder, release, postgres=database)
    made.deploys = str(pgdg.deploys(folder, fingerprint) / "site.py")
    made.deploy()
    host.run("restorecon -R /etc/nginx")  # as rpm does there: a hold takes the label from it
    host.run(f"echo 'log_min_duration_statement = 4321' >>{OWN}")
    host.run(_sql("ALTER SYSTEM SET deadlock_timeout = '1234ms'"))
    _state(made, NEW)
    yield made


@pytest.fixture(scope="module")
def written(site: Deployment) -> list[Written]:
    """What users wrote before."""
    return [write(site)]


def _sql(*statements: str) -> str:
    """Each on its own: psql 14 prints only the last result of several."""
    return "; ".join(sql(one).replace("psql -q", "psql -q -At") for one in statements)


def _command(site: Deployment, *command: str) -> list[str]:
    """A command of ours, with the deploys that know the lab's key."""
    return ["python", "-c", pgdg.COMMAND, str(Path(site.deploys).parent), *command]


def _told(site: Deployment, *command: str) -> Run:
    done = site.run(*_command(site, *command), check=False)
    print(done.output)
    return done


def _move(site: Deployment) -> Run:
    return _told(site, *typed("Move to another PostgreSQL", site)[1:], "--yes")


def _moved_back(site: Deployment) -> Run:
    """As the runbook says: the inventory states the older one again."""
    _state(site, OLD)
    done = _told(site, *typed("Move to another PostgreSQL", site, 1)[1:], "--yes")
    _state(site, NEW)
    return done


def _state(site: Deployment, major: int) -> None:
    site.site["postgres"] = {"pgdg": True, "version": major}
    site.write()


def _plan(site: Deployment) -> Run:
    return _told(site, "plan", str(site.inventory))


def _clusters(site: Deployment) -> list[str]:
    """Units of clusters, whether they run, and whether a boot starts them."""
    units = [f"postgresql-{major}.service" for major in (OLD, NEW)]
    asked = "; ".join(
        f"echo {unit} $(systemctl is-active {unit}) $(systemctl is-enabled {unit})"
        for unit in units
    )
    return site.host.run(asked).stdout.splitlines()


def _only(major: int) -> list[str]:
    runs = {True: "active enabled", False: "inactive disabled"}
    return [f"postgresql-{one}.service {runs[one == major]}" for one in (OLD, NEW)]


def _serves_with(site: Deployment, major: int, written: list[Written]) -> None:
    assert site.host.run(_sql("show server_version")).stdout.startswith(f"{major}.")
    all_there(site, written)
    released(site)


def test_no_deploy_moves_it(site: Deployment, written: list[Written]) -> None:
    told = _plan(site)
    assert told.status == 1
    assert f"the site's PostgreSQL is {OLD}, and the inventory states {NEW}" in told.words
    assert "Run `mattermost-host upgrade-postgresql`" in told.words
    _serves_with(site, OLD, written)


def test_a_parameter_that_the_newer_one_does_not_know_is_told_while_users_work(
    site: Deployment, written: list[Written]
) -> None:
    started = site.started()
    site.host.run(f"cp -p {OWN} /root/own; echo \"stats_temp_directory = 'pg_stat_tmp'\" >>{OWN}")
    done = _move(site)
    site.host.run(f"cp -p /root/own {OWN}")
    assert done.status == 1
    said = f'does not take the settings of {OLD}: LOG: unrecognized configuration parameter "stats_'
    assert f"Nothing was touched: PostgreSQL {NEW} {said}" in done.words
    assert site.started() == started
    _serves_with(site, OLD, written)


def test_what_fails_in_the_middle_goes_back_by_itself(
    site: Deployment, written: list[Written]
) -> None:
    """A table of the administrator's own with a type that pg_upgrade refuses."""
    site.host.run(_sql("CREATE TABLE own (what regproc)"))
    done = _move(site)
    site.host.run(_sql("DROP TABLE own"))
    assert done.status == 1
    assert f"PostgreSQL {OLD} serves again, as before" in done.words
    assert "Your installation contains one of the reg* data types" in done.words
    assert not site.host.run(f"ls -A /var/lib/pgsql/{NEW}/data").stdout
    assert _clusters(site) == _only(OLD)
    _serves_with(site, OLD, written)
    written.append(write(site))


@pytest.mark.parametrize("step", ["moves", "starts"])
def test_one_whose_host_is_cut_off_goes_on_or_begins_anew(
    site: Deployment, lab: Lab, written: list[Written], step: str
) -> None:
    command = site.command(*_command(site, *typed("Move to another PostgreSQL", site)[1:], "--yes"))
    reached = f"grep -qs step={step} {FOLDER}/journal"
    with subprocess.Popen(command, cwd=site.folder, stdout=subprocess.DEVNULL) as cut_off:
        wait_until(lambda: site.host.run(reached, check=False).returncode == 0, 300, "it moves")
        lab.crash(site.host)
        cut_off.kill()
    lab.start(site.host)
    site.wait_healthy()
    has = OLD if step == "moves" else NEW
    assert site.host.run(_sql("show server_version")).stdout.startswith(f"{has}.")
    all_there(site, written)
    told = _plan(site)
    assert told.status == 1
    cut = f"a move of the database from {OLD} to {NEW} is under way, or was cut off at the step"
    assert f"{cut} {step}" in told.words
    done = _move(site)
    assert done.status == 0
    _serves_with(site, NEW, written)
    back = _moved_back(site)
    assert back.status == 0
    assert _clusters(site) == _only(OLD)
    _serves_with(site, OLD, written)
    written.append(write(site))


def test_the_move_keeps_everything_and_a_second_run_changes_nothing(
    site: Deployment, written: list[Written]
) -> None:
    about = [f"show {one}" for one in ("data_checksums", "lc_ctype", "server_encoding")]
    before = site.host.run(_sql(*about)).stdout.split()
    assert before == ["on", "en_US.UTF-8", "UTF8"]
    # As if another C library had sorted what there is.
    other = "UPDATE pg_collation SET collversion = '2.0' WHERE collversion IS NOT NULL"
    site.host.run(sql(other, "mattermost"))
    done = _move(site)
    assert done.status == 0
    assert "the indexes are sorted by the C library 2.0, and this host has 2.36" in done.words
    assert "The indexes of mattermost are built anew" in done.words
    assert f"PostgreSQL {NEW} serves: its status, a log-in and a post were tested" in done.words
    assert "The database was moved, and everything holds" in done.words
    seen = re.search(r"Seen through NGINX, four requests a second: (\d+) of \d+ failed", done.words)
    assert seen and seen[1] == "0"
    assert site.host.run(_sql(*about)).stdout.split() == before
    own = ("show log_min_duration_statement", "show deadlock_timeout", "show data_directory")
    kept = ["4321ms", "1234ms", f"/var/lib/pgsql/{NEW}/data"]
    assert site.host.run(_sql(*own)).stdout.split() == kept
    _serves_with(site, NEW, written)
    assert "Nothing had to be moved" in _move(site).words
    assert _plan(site).status == 0
    kept_one = f"{OLD} in /var/lib/pgsql/{OLD}/data, from before the move, is kept and stopped"
    assert kept_one in _told(site, "preflight", "--verbose", str(site.inventory)).words
    assert site.deploy().changed == ()
    assert _told(site, "verify", str(site.inventory), "--journey").status == 0
    site.host.reboot()
    site.wait_healthy()
    _serves_with(site, NEW, written)
    assert _clusters(site) == _only(NEW)


def test_the_way_back_is_refused_after_the_first_write(
    site: Deployment, written: list[Written]
) -> None:
    written.append(write(site))
    refused = _moved_back(site)
    assert refused.status == 1
    assert "would lose what was written since" in refused.words
    _serves_with(site, NEW, written)


def test_what_is_left_is_dropped_as_the_runbook_says(
    site: Deployment, written: list[Written]
) -> None:
    site.host.run(script("Move to another PostgreSQL", 3))
    assert not site.host.run(f"rpm -qa 'postgresql{OLD}*'").stdout
    assert not site.host.run(f"ls /var/lib/pgsql/{OLD} | grep data", check=False).stdout
    assert _plan(site).status == 0
    _serves_with(site, NEW, written)
