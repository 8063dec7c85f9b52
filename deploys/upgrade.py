"""Upgrade to the release that the inventory states, with an automatic way back.

pyinfra inventories/single.py deploys/upgrade.py
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import mattermost, nginx
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import upgrade
from mattermost_host.ops.release import pruned
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight import upgrade as adviser
from mattermost_host.preflight.backup_repository import PLACE_CHECKS
from mattermost_host.site import complete_hosts, ways
from mattermost_host.site.site import Site


def deploy(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """The steps on a host with the server."""
    if "app" not in roles:
        return
    servers = sum("app" in one.roles for one in site.hosts)
    adviser.refuse(local_database=site.settings.postgres.local, servers=servers)
    way = ways.of(site, facts)
    stated = site.settings.mattermost
    to = adviser.To(
        site.place(host.name).site.version_on(facts),
        edition="" if stated.release.file else stated.release.edition,
        settings={**stated.settings, **site.secrets.settings},
    )
    adviser.advise(way.question, facts, to)
    release = site.release(facts)
    mattermost.release_on_host(
        release,
        brotli=nginx.brotli_module(facts) is not None,
        manager=facts.family.package_manager,
    )
    upgrade.moved(name=f"the server runs release {release.folder}", wanted=release, ways=way)
    pruned(name="releases that no way back needs are removed", release=release)


with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site, aside=PLACE_CHECKS)
    if host.name in facts:
        deploy(site, facts[host.name], site.roles(host.name))
