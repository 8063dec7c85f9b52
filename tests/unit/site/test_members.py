"""What members of the engines on several hosts get: Patroni's wheel, where they need it."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.knowledge.patroni import SHA256
from mattermost_host.releases import patroni
from mattermost_host.releases.source import ReleaseError
from mattermost_host.site import members
from mattermost_host.site.site import Site
from tests.unit.examples import DEBIAN_12
from tests.unit.site.test_site import RIGHT, written


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Whoever fetches the wheel gets an error."""

    def fetched(file: str | None) -> None:
        raise ReleaseError(f"fetched from {file}")

    monkeypatch.setattr(patroni, "_fetched", fetched)
    wheel = tmp_path / "patroni.whl"
    wheel.touch()
    return Site.load(written(tmp_path, {**RIGHT, "patroni": {"wheel": str(wheel)}}))


def test_a_distribution_with_patroni_4_needs_none(site: Site) -> None:
    assert members.patroni_wheel(site, replace(DEBIAN_12, release="13")) is None


def test_it_is_fetched_before_the_first_change_and_by_a_plan_never(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = members.patroni_wheel(site, DEBIAN_12)
    assert wanted is not None
    assert wanted.sha256 == SHA256
    monkeypatch.setattr(Site, "_lock", io.StringIO())
    with pytest.raises(ReleaseError, match=r"fetched from /.*/patroni\.whl"):
        members.patroni_wheel(site, DEBIAN_12)
    assert members.patroni_wheel(site, replace(DEBIAN_12, patroni=SHA256)) == wanted
