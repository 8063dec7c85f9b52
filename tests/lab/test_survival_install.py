"""A first install that ends in the middle, at points spread over all of it."""

from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.strikes import Blow, blows, converges, strike

SEED = 3
KILLS, CUTS = 10, 4
# The operations of a first run, and at most how many seconds after its beginning one is struck:
# about what it takes. Each leaves something half done: packages, a release, files without restart.
OPERATIONS = (
    ("Base | basic packages are installed", 4.0),
    ("Base | the locale en_US.UTF-8 is there", 1.0),
    ("Base | kernel parameters are configured", 0.2),
    ("Firewall | firewall rules are loaded", 0.2),
    ("PostgreSQL | PostgreSQL 15 is installed", 7.0),
    ("PostgreSQL | settings and access rules are in place", 0.2),
    ("PostgreSQL | PostgreSQL is running", 1.0),
    ("PostgreSQL | role, database and schema belong to Mattermost", 0.3),
    ("Mattermost | release", 1.2),
    ("Mattermost | folders, settings and unit are in place", 0.3),
    ("Mattermost | the server is running", 0.5),
    ("Mattermost | the administrator sysadmin exists", 0.2),
    ("NGINX | NGINX is installed", 1.5),
    ("NGINX | the tested configuration is in place", 0.3),
)


@pytest.mark.parametrize("blow", blows(OPERATIONS, KILLS, CUTS, SEED), ids=str)
def test_next_run_converges(lab: Lab, release: Path, tmp_path: Path, blow: Blow) -> None:
    host = lab.up("first")
    try:
        deployment = Deployment(lab, host, tmp_path, release)
        assert strike(deployment, blow)
        converges(deployment)
    finally:
        lab.down(host)
