"""What it takes to look into the backup of a lost host; `mattermost-host restore --from` does both.

pyinfra inventories/single.py deploys/restore_look.py
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import backup, mattermost, postgres
from mattermost_host.ops.backup_files import Server
from mattermost_host.ops.state_files import STATE
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight import unfinished
from mattermost_host.preflight.backup_held import OWNER
from mattermost_host.site import complete_hosts
from mattermost_host.site.site import Site

with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site, aside=[unfinished.NAME, OWNER]).get(host.name)
    if facts and "db" in site.roles(host.name):
        backup.readable(
            site.settings.backup,
            facts,
            cluster=postgres.cluster(site.settings.postgres, facts),
            key=site.secrets.backup_key,
            access=site.secrets.backup_access,
            server=Server(
                mattermost.USER, STATE, "http://{}:{}{}".format(*mattermost.LISTEN, mattermost.PING)
            ),
        )
