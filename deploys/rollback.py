"""Rollback: back to the release before the last upgrade, keeping what was written since.

pyinfra inventories/single.py deploys/rollback.py
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.ops import upgrade
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight import upgrade as adviser
from mattermost_host.preflight.backup_repository import PLACE_CHECKS
from mattermost_host.site import complete_hosts, ways
from mattermost_host.site.site import Site

with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site, aside=PLACE_CHECKS).get(host.name)
    if facts and "app" in site.roles(host.name):
        servers = sum("app" in one.roles for one in site.hosts)
        adviser.refuse(local_database=site.settings.postgres.local, servers=servers)
        upgrade.taken_back(
            name="the server runs the release before the last upgrade",
            ways=ways.of(site, facts),
            lose=site.accept_loss,
        )
