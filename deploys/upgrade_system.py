"""The distribution of a site's host upgraded in place to its next release.

pyinfra inventories/single.py deploys/upgrade_system.py
Afterwards deploy the site once: what the next release wants otherwise follows.
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.system_upgrades import in_place
from mattermost_host.ops import system_upgrade
from mattermost_host.ops.system_upgrade import AskSystem
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight import upgrade_system as adviser
from mattermost_host.site import complete_hosts, ways
from mattermost_host.site.site import Site


def deploy(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """The steps on the host."""
    adviser.refuse(hosts=len(site.hosts), roles=roles, local_database=site.settings.postgres.local)
    before, after = in_place(facts.platform)
    question = AskSystem(before.code_name)
    adviser.advise(question, before, after, backups=site.settings.backup.to is not None)
    system_upgrade.upgraded(
        name=f"the system is {after.name} {after.release}",
        question=question,
        before=before,
        after=after,
        ways=ways.of(site, facts),
    )


with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site)
    if host.name in facts:
        deploy(site, facts[host.name], site.roles(host.name))
