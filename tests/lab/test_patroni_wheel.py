"""A database on three Debian 12 hosts, whose own Patroni is too old: with Patroni from PyPI."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.knowledge.patroni import VERSION
from mattermost_host.ops.patroni_program import FOLDER, LIBRARY, NOTE, PATRONI
from tests.lab import kept
from tests.lab.hosts import Lab
from tests.lab.losses import LOSSES, suffer
from tests.lab.many import ManyHosts, raised

PROCESS = "$(systemctl show -p MainPID --value patroni)"
FROZEN_S = 50
"""For so long Patroni 3.0 had to be stopped on the leader to lose posts with etcd's protocol 3."""


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    """Three databases, and a host with server and proxy."""
    yield raised(lab, tmp_path_factory.mktemp("many"), release, "bookworm")


def test_a_second_run_changes_nothing_and_users_are_served(site: ManyHosts) -> None:
    assert site.is_whole()
    assert site.deploy().changed == ()
    site.verify("--journey")
    assert site.leader.run(f"{PATRONI} --version").stdout.strip() == f"patroni {VERSION}"


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (f"echo '#' >>{LIBRARY}/patroni/ha.py", "was changed since it was unpacked"),
        (f"touch {LIBRARY}/click.py", "was changed since it was unpacked"),
        (f"echo '#' >>{PATRONI}", f"{PATRONI} has another content"),
        (f"rm {NOTE}; mkdir {FOLDER}/.arrived-0.new", "was not unpacked to its end"),
        (f"mv {LIBRARY} {FOLDER}/.arrived-0.old", f"{LIBRARY} is missing"),
        # As after an upgrade of the distribution's Python.
        (f"sed -i '2s/.*/python3.9/' {NOTE}", "was compiled for another Python"),
    ],
)
def test_what_is_not_as_it_was_unpacked_is_named_and_put_right(
    site: ManyHosts, edit: str, named: str
) -> None:
    site.followers[0].run(edit)
    plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
    assert plan.status == 2
    assert named in plan.words
    # A program with the content that Patroni has read at its start is no reason.
    assert ("would restart: patroni.service" in plan.words) == ("content" not in named)
    site.deploy()
    assert site.deploy().changed == ()


def test_a_leader_whose_patroni_is_frozen_and_goes_on_loses_nothing(site: ManyHosts) -> None:
    old, before = site.leader, kept.post_with_file(site, "before")
    old.run(f"kill -STOP {PROCESS}")
    time.sleep(FROZEN_S)
    meanwhile = kept.post_with_file(site, "meanwhile")
    old.run(f"kill -CONT {PROCESS}")
    site.wait_whole()
    assert site.leader != old
    kept.read_back(site, before)
    kept.read_back(site, meanwhile)
    assert site.deploy().changed == ()


def test_the_leader_is_lost_and_nothing_with_it(site: ManyHosts) -> None:
    post = kept.post_with_file(site, "lost")
    result = suffer(site, LOSSES[0])
    assert result.gap_s <= LOSSES[0].goal_s + LOSSES[0].tolerance_s
    kept.read_back(site, post)
    assert site.deploy().changed == ()
