"""An upgrade of the configuration that ends in the middle, at points spread over all of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.strikes import Blow, blows, converges, digests, strike

SEED = 4
KILLS, CUTS = 20, 6
# What the upgrade changes, and at most how many seconds after its beginning each is struck.
OPERATIONS = (
    ("Base | kernel parameters are configured", 0.2),
    ("Firewall | firewall rules are written", 0.2),
    ("Firewall | firewall rules are loaded", 0.2),
    ("PostgreSQL | settings and access rules are in place", 0.2),
    ("PostgreSQL | PostgreSQL is running", 1.5),
    ("Mattermost | folders, settings and unit are in place", 0.3),
    ("Mattermost | the server is running", 1.0),
    ("NGINX | the tested configuration is in place", 0.3),
    ("NGINX | NGINX is running", 0.1),
)
BEFORE: Mapping[str, Mapping[str, Any]] = {"base": {}, "firewall": {}, "nginx": {}}
AFTER: Mapping[str, Mapping[str, Any]] = {
    "base": {"kernel_parameters": False},
    "firewall": {"forward": True},
    "nginx": {"trusted_proxies": ["192.0.2.0/24"]},
}
CONNECTIONS = {"before": 60, "after": 90}
"""The server's settings and PostgreSQL's follow from it."""


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site that goes from one configuration to the other, and back."""
    yield Deployment(lab, lab.up("site"), tmp_path_factory.mktemp("site"), release)


@pytest.fixture(scope="module")
def whole(deployment: Deployment) -> dict[str, set[str]]:
    """Both contents of each file that a service reads: any other would be half a file."""
    found: dict[str, set[str]] = {}
    for upgraded in (True, False):
        _describe(deployment, upgraded=upgraded)
        deployment.deploy()
        for path, digest in digests(deployment).items():
            found.setdefault(path, set()).add(digest)
    return found


def _describe(deployment: Deployment, *, upgraded: bool) -> None:
    deployment.site.update(AFTER if upgraded else BEFORE)
    connections = CONNECTIONS["after" if upgraded else "before"]
    deployment.site["mattermost"]["settings"] = {"SqlSettings.MaxOpenConns": connections}
    deployment.write()


def test_the_upgrade_changes_what_is_struck(deployment: Deployment, whole: object) -> None:
    _describe(deployment, upgraded=True)
    changed = deployment.deploy().changed
    assert set(changed) == {name for name, _ in OPERATIONS}
    _describe(deployment, upgraded=False)
    assert set(deployment.deploy().changed) >= set(changed)


@pytest.mark.parametrize(
    ("number", "blow"),
    list(enumerate(blows(OPERATIONS, KILLS, CUTS, SEED))),
    ids=lambda value: str(value) if isinstance(value, Blow) else "",
)
def test_next_run_converges(
    deployment: Deployment, whole: Mapping[str, set[str]], number: int, blow: Blow
) -> None:
    _describe(deployment, upgraded=number % 2 == 0)
    assert strike(deployment, blow)
    for path, digest in digests(deployment).items():
        assert digest in whole[path], f"{path} is neither the old file nor the new one"
    converges(deployment)
