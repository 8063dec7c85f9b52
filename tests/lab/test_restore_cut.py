"""A restore whose host loses its power, anywhere: it is told, and the next run puts it right."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment, Run
from tests.lab.hosts import Lab
from tests.lab.kept import Kept, post_with_file, read_back
from tests.lab.power import Cut, cut_off
from tests.lab.runbook import typed

DATA = "/var/lib/postgresql/15/main"
FILES = "/var/lib/mattermost/data"
JOURNAL = "/var/lib/mattermost-host/backup/restore-journal"
PSQL = "cd / && runuser -u postgres -- psql -XAtq"
HALF = 'timeout -s KILL 0.2 /usr/bin/pgbackrest "$@"'
CUTS = [
    Cut("stops", "systemctl", "stop*mattermost*"),
    Cut("database", "mv", f'"-T {DATA} "*'),
    Cut("database", "mkdir", f'*" {DATA}"'),
    Cut("database", "pgbackrest", '*" restore "*', HALF),
    Cut("database", "systemctl", '"start postgresql@15-main"*'),
    Cut("database", "psql", '*"alter system reset recovery_target"'),
    Cut("files", "restic", '*"restore --quiet"*'),
    Cut("files", "mv", f'*" {FILES}"'),
    Cut("starts", "systemctl", '"start mattermost"'),
    Cut("starts", "curl", "*ping*"),
]
MORE = ("preflight", "apply --yes")


@dataclass(frozen=True)
class Site:
    """A site with a post that was deleted after WHEN."""

    made: Deployment
    kept: Kept
    when: str


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("restore-cut")
    made = Deployment(lab, lab.up("cutrestore"), folder, release, backup={"to": "/srv/backup"})
    made.deploy()
    kept = post_with_file(made)
    made.run("mattermost-host", "backup", str(made.inventory))
    when = made.host.run("sleep 2; date '+%F %T%:::z'; sleep 2").stdout.strip()
    yield Site(made, kept, when)


def _delete(site: Site) -> None:
    site.made.host.run(
        f"{PSQL} -d mattermost -c 'delete from posts'; find {FILES} -name kept.bin -delete"
    )


def _is_there(site: Site) -> bool:
    asked = f"{PSQL} -d mattermost -c \"select count(*) from posts where id = '{site.kept.post}'\""
    return site.made.host.run(asked).stdout.strip() == "1"


def _command(site: Site) -> list[str]:
    return typed("Restore", site.made, words={'"$WHEN"': f"'{site.when}'"})


def _cut_off(site: Site, cut: Cut) -> None:
    cut_off(site.made, [*_command(site), "--yes"], cut)


def _told(site: Site, step: str, *names: str) -> None:
    """Whatever comes next says where it stands and what to do, and changes nothing."""
    before = site.made.host.run(f"cat {JOURNAL}; ls -a {DATA} {FILES}", check=False).stdout
    for name in names:
        run = site.made.run("mattermost-host", *name.split(), str(site.made.inventory), check=False)
        print(run.output)
        assert run.status != 0
        assert f"was cut off at the step {step}" in run.words
        assert "run `mattermost-host restore` again, with the same options" in run.words
        assert "`mattermost-host restore --back` does the first and no more" in run.words
    after = site.made.host.run(f"cat {JOURNAL}; ls -a {DATA} {FILES}", check=False).stdout
    assert after == before


def _well(site: Site, step: str) -> None:
    site.made.wait_healthy()
    assert f"step={step}\n" in site.made.host.run(f"cat {JOURNAL}").stdout
    assert site.made.deploy().changed == ()


def _again(site: Site) -> Run:
    run = site.made.run(*_command(site), "--yes")
    print(run.output)
    assert "everything holds" in run.words
    return run


def _back(site: Site) -> Run:
    run = site.made.run(*typed("Restore", site.made, 1))
    print(run.output)
    assert "What was there before is in place, and everything holds" in run.words
    return run


@pytest.mark.parametrize("cut", [CUTS[2], CUTS[5], CUTS[7]], ids=str)
def test_taken_back_the_old_state_is_there_and_its_own_line(site: Site, cut: Cut) -> None:
    """What was written before and after is what a later restore brings, not what was cut off."""
    _delete(site)
    _cut_off(site, cut)
    refused = site.made.run("mattermost-host", "backup", str(site.made.inventory), check=False)
    assert refused.status == 1
    assert "A restore was cut off: nothing is backed up before" in refused.words
    said = _back(site).words
    assert ("What the restore had brought is kept as" in said) == (cut != CUTS[2])
    assert not _is_there(site)
    _well(site, "back")
    late = post_with_file(site.made, f"late-{CUTS.index(cut)}")
    site.made.run("mattermost-host", "restore", str(site.made.inventory), "--yes")
    read_back(site.made, late)
    assert not _is_there(site)
    _well(site, "done")


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_run_again_it_puts_back_and_restores(site: Site, cut: Cut) -> None:
    _delete(site)
    _cut_off(site, cut)
    _told(site, cut.step, "plan", *(MORE if cut in (CUTS[2], CUTS[6]) else ()))
    said = _again(site).words
    assert f"cut off at the step {cut.step} is taken back" in said
    read_back(site.made, site.kept)
    _well(site, "done")
    site.made.host.run(f"rm -rf {DATA}.before-restore-* {FILES}.before-restore-*")


def test_nothing_is_put_back_where_nothing_was_cut_off(site: Site) -> None:
    assert "No restore was cut off here" in _back(site).words
