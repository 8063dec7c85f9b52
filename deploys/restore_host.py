"""A host made ready for what was backed up on another; `mattermost-host restore --from` goes on.

pyinfra inventories/single.py deploys/restore_host.py
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import backup, base, firewall, mattermost, postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import account, files
from mattermost_host.ops.entries import Directory
from mattermost_host.ops.state_files import STATE
from mattermost_host.preflight import run as preflight
from mattermost_host.site import complete_hosts
from mattermost_host.site.site import Site


def deploy(site: Site, facts: HostFacts) -> None:
    """Everything below the data: PostgreSQL, which does not archive yet, and the account."""
    base.deploy(site.settings.base, facts)
    firewall.deploy(
        site.settings.firewall,
        surfaces=site.surfaces(host.name, facts).values(),
        peers=site.peers({host.name: facts}),
        family=facts.family,
    )
    postgres.deploy(
        site.settings.postgres,
        facts,
        parameters={
            name: value
            for name, value in site.postgres_parameters(host.name, facts).items()
            if name not in backup.parameters(site.settings.backup)
        },
        before_start=firewall.before_start(site.settings.firewall),
        archive=backup.archive(site.settings.backup),
        hold=None,  # there is no user yet
    )
    account.system_account(name="the account mattermost exists", user=mattermost.USER, home=STATE)
    files.present(
        name="the folder of its files is in place",
        entries=[Directory(STATE, "750", mattermost.USER, mattermost.USER)],
    )


with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site)
    if host.name in facts and "db" in site.roles(host.name):
        deploy(site, facts[host.name])
