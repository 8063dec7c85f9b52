"""The database is on several hosts: nothing is lost with one of them, and users wait a moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import Lab
from tests.lab.losses import LOSSES, Loss, suffer
from tests.lab.many import ManyHosts


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    """Three databases, and a host with server and proxy."""
    databases = [lab.up(f"db{number}", "trixie") for number in (1, 2, 3)]
    made = ManyHosts(
        lab, databases, lab.up("chat", "trixie"), tmp_path_factory.mktemp("many"), release
    )
    made.deploy()
    yield made


def test_it_serves_users_and_a_second_run_changes_nothing(site: ManyHosts) -> None:
    assert site.is_whole()
    assert site.deploy().changed == ()
    site.verify("--journey")


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name.replace(" ", "-"))
def test_no_post_is_lost_and_users_wait_no_longer_than_claimed(site: ManyHosts, loss: Loss) -> None:
    result = suffer(site, loss)
    assert result.gap_s <= loss.goal_s
    assert site.deploy().changed == ()
