"""The system upgraded in place, and the database moved to the PostgreSQL that comes with it.

Posts and files are read back by hash after each step. The commands are those of docs/operations.md.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment, Run
from tests.lab.hosts import Lab
from tests.lab.runbook import script, typed
from tests.lab.shell import wait_until
from tests.lab.upgrades import Written, all_there, released, write

FOLDER = "/var/lib/mattermost-host/postgresql"
SYSTEM = "/var/lib/mattermost-host/system"
UNIT = "mattermost-host-postgresql.service"
OWN = "/etc/postgresql/15/main/conf.d/own.conf"


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Debian 12 with PostgreSQL 15, and backups."""
    folder = tmp_path_factory.mktemp("major")
    made = Deployment(lab, lab.up("major"), folder, release, backup={"to": "/srv/backup"})
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def written(site: Deployment) -> list[Written]:
    """What users wrote before."""
    return [write(site)]


def _upgraded(site: Deployment) -> Run:
    """The system, without the question."""
    return _said(site, typed("Upgrade Debian itself", site))


def _move(site: Deployment) -> Run:
    return _said(site, typed("Move to another PostgreSQL", site))


def _moved_back(site: Deployment) -> Run:
    return _said(site, typed("Move to another PostgreSQL", site, 1))


def _said(site: Deployment, command: list[str]) -> Run:
    done = site.run(*command, "--yes", check=False)
    print(done.output)
    return done


def _plan(site: Deployment) -> Run:
    return site.run("mattermost-host", "plan", str(site.inventory), check=False)


def _clusters(site: Deployment) -> list[str]:
    shown = site.host.run("pg_lsclusters -h").stdout.splitlines()
    return [" ".join(line.split()[:4]) for line in shown]


def _has_the_data(site: Deployment, major: int, written: list[Written]) -> None:
    asked = "cd /; runuser -u postgres -- psql -XAt -c 'show server_version'"
    assert site.host.run(asked).stdout.startswith(f"{major}.")
    all_there(site, written)


def _serves_with(site: Deployment, major: int, written: list[Written]) -> None:
    _has_the_data(site, major, written)
    released(site)
    assert site.host.run("systemctl is-active mattermost-backup.timer").stdout.strip() == "active"


def test_one_whose_host_is_cut_off_while_it_fetches_has_its_sources_back(
    site: Deployment, lab: Lab, written: list[Written]
) -> None:
    """The second run finds those of the next release, and can't fetch anything itself."""
    sources = "find /etc/apt/sources.list* -type f -exec sha256sum {} + | sort"
    before = site.host.run(sources).stdout
    command = site.command(*typed("Upgrade Debian itself", site), "--yes")
    fetches = f"grep -qsx step=fetches {SYSTEM}/journal && grep -rqs trixie /etc/apt/sources.list*"
    with subprocess.Popen(command, cwd=site.folder, stdout=subprocess.DEVNULL) as cut_off:
        wait_until(lambda: site.host.run(fetches, check=False).returncode == 0, 300, "it fetches")
        lab.crash(site.host)
        cut_off.kill()
    lab.start(site.host)
    site.wait_healthy()
    assert site.host.run(sources).stdout != before
    assert "was cut off at the step fetches" in _plan(site).words
    nowhere = "/etc/apt/apt.conf.d/99-nowhere"
    site.host.write(nowhere, 'Acquire::http::Proxy "http://127.0.0.1:9";\n')
    done = _upgraded(site)
    site.host.run(f"rm {nowhere}")
    assert done.status == 1
    assert "these don't name bookworm" not in done.words
    assert "the sources of packages are those of Debian 12: apt-get update failed" in done.words
    assert site.host.run(sources).stdout == before
    assert _plan(site).status == 0
    _serves_with(site, 15, written)


def test_an_upgrade_of_the_system_leaves_the_site_at_work(
    site: Deployment, written: list[Written]
) -> None:
    done = _upgraded(site)
    assert done.status == 0
    assert "The system is Debian 13, and the site serves" in done.words
    assert "was sorted by the C library 2.36, and this host has 2.41" in done.words
    assert "table inet mattermost_host" not in done.words
    assert "PostgreSQL: the site's PostgreSQL is 15, and Debian 13 has 17 here" in done.words
    assert "The system was upgraded, and everything holds" in done.words
    assert site.host.run(". /etc/os-release; echo $VERSION_ID").stdout.strip() == "13"
    said = site.run("mattermost-host", "preflight", str(site.inventory))
    assert "the site's PostgreSQL is 15, and Debian 13 has 17 here" in said.words
    assert _plan(site).status == 0
    _serves_with(site, 15, written)
    assert "The system has its newest release" in _upgraded(site).words


def test_a_disk_without_room_is_refused_before_anything_is_touched(
    site: Deployment, written: list[Written]
) -> None:
    started = site.started()
    place = "/var/lib/postgresql/17"
    site.host.run(f"mkdir {place} && mount -t tmpfs -o size=64m none {place}")
    refused = _move(site)
    site.host.run(f"umount {place} && rmdir {place}")
    assert refused.status == 1
    assert "error, move-room: 64 MB free" in refused.words
    assert "nothing was changed" in refused.words
    assert site.started() == started
    _serves_with(site, 15, written)


def test_what_fails_in_the_middle_goes_back_by_itself(
    site: Deployment, written: list[Written]
) -> None:
    """A parameter of the administrator's own that PostgreSQL 17 does not know any more."""
    site.host.write(OWN, "vacuum_defer_cleanup_age = 0\n")
    done = _move(site)
    assert done.status == 1
    assert "PostgreSQL 15 serves again, as before" in done.words
    assert "vacuum_defer_cleanup_age" in done.words
    assert _clusters(site) == ["15 main 5432 online"]
    assert _plan(site).status == 0
    _serves_with(site, 15, written)
    written.append(write(site))
    site.host.run(f"rm {OWN}")


def test_one_whose_control_machine_is_killed_ends_by_itself(
    site: Deployment, written: list[Written]
) -> None:
    command = site.command(*typed("Move to another PostgreSQL", site), "--yes")
    moves = f"grep -qs step=moves {FOLDER}/journal"
    with subprocess.Popen(command, cwd=site.folder, stdout=subprocess.DEVNULL) as killed:
        wait_until(lambda: site.host.run(moves, check=False).returncode == 0, 300, "it moves")
        killed.kill()
    ended = f"! systemctl is-active --quiet {UNIT}"
    wait_until(lambda: site.host.run(ended, check=False).returncode == 0, 600, "it has ended")
    print(site.host.read(f"{FOLDER}/log"))
    assert "step=done" in site.host.read(f"{FOLDER}/journal")
    assert _clusters(site) == ["15 main 5433 down", "17 main 5432 online"]
    _serves_with(site, 17, written)


def test_it_is_taken_back_where_nobody_wrote(site: Deployment, written: list[Written]) -> None:
    done = _moved_back(site)
    assert done.status == 0
    assert "The database was moved back, and everything holds" in done.words
    assert _clusters(site) == ["15 main 5432 online"]
    assert _plan(site).status == 0
    _serves_with(site, 15, written)
    written.append(write(site))


@pytest.mark.parametrize("step", ["moves", "starts"])
def test_one_whose_host_is_cut_off_goes_on_or_begins_anew(
    site: Deployment, lab: Lab, written: list[Written], step: str
) -> None:
    command = site.command(*typed("Move to another PostgreSQL", site), "--yes")
    reached = f"grep -qs step={step} {FOLDER}/journal"
    with subprocess.Popen(command, cwd=site.folder, stdout=subprocess.DEVNULL) as cut_off:
        wait_until(lambda: site.host.run(reached, check=False).returncode == 0, 300, "it moves")
        lab.crash(site.host)
        cut_off.kill()
    lab.start(site.host)
    site.wait_healthy()
    _has_the_data(site, 15 if step == "moves" else 17, written)
    told = _plan(site)
    assert told.status == 1
    cut = "a move of the database from 15 to 17 is under way, or was cut off at the step"
    assert f"{cut} {step}" in told.words
    assert "Run `mattermost-host upgrade-postgresql`" in told.words
    if step == "moves":
        done = _move(site)
        assert done.status == 0
        assert _moved_back(site).status == 0
        _serves_with(site, 15, written)


def test_the_move_keeps_everything_and_a_second_run_changes_nothing(
    site: Deployment, written: list[Written]
) -> None:
    done = _move(site)
    assert done.status == 0
    assert "PostgreSQL 17 serves: its status, a log-in and a post were tested" in done.words
    assert "The database was moved, and everything holds" in done.words
    assert re.search(r"Seen through NGINX, four requests a second: \d+ of \d+ failed", done.words)
    _serves_with(site, 17, written)
    assert "Nothing had to be moved" in _move(site).words
    assert _plan(site).status == 0
    assert site.deploy().changed == ()
    site.verify("--journey")
    info = "cd /; runuser -u postgres -- pgbackrest --stanza=mattermost info --output=json"
    (stanza,) = json.loads(site.host.run(info).stdout)
    assert stanza["db"][-1]["version"] == "17"
    newest = stanza["backup"][-1]
    assert (newest["type"], newest["database"]["id"]) == ("full", stanza["db"][-1]["id"])
    site.host.reboot()
    site.wait_healthy()
    _serves_with(site, 17, written)
    assert _clusters(site) == ["15 main 5433 down", "17 main 5432 online"]


def test_the_way_back_is_refused_after_the_first_write(
    site: Deployment, written: list[Written]
) -> None:
    written.append(write(site))
    refused = _moved_back(site)
    assert refused.status == 1
    assert "would lose what was written since" in refused.words
    _serves_with(site, 17, written)


def test_what_is_left_is_dropped_as_the_runbook_says(
    site: Deployment, written: list[Written]
) -> None:
    drop = script("Move to another PostgreSQL", 2)
    site.host.run(f"export DEBIAN_FRONTEND=noninteractive\n{drop}")
    assert _clusters(site) == ["17 main 5432 online"]
    assert _plan(site).status == 0
    _serves_with(site, 17, written)
