"""The database is on several hosts: nothing is lost with one of them, and users wait a moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import Lab
from tests.lab.losses import LOSSES, Loss, suffer
from tests.lab.many import ManyHosts, raised
from tests.lab.traffic import Traffic, none_lost_none_doubled


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    """Three databases, and a host with server and proxy."""
    yield raised(lab, tmp_path_factory.mktemp("many"), release)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name.replace(" ", "-"))
def test_no_post_is_lost_and_users_wait_for_a_while(site: ManyHosts, loss: Loss) -> None:
    result = suffer(site, loss)
    assert result.gap_s <= loss.goal_s + loss.tolerance_s
    assert site.deploy().changed == ()


def test_a_higher_parameter_comes_into_force_without_a_lost_post(site: ManyHosts) -> None:
    traffic = Traffic(site)
    with traffic:
        site.site["mattermost"]["settings"] = {"SqlSettings.MaxOpenConns": 150}
        site.write()
        site.deploy()
    none_lost_none_doubled(traffic)
    assert site.deploy().changed == ()
