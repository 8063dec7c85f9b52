"""A server that somebody else installed on the host, moved over to the site, or back by itself.

pyinfra inventories/single.py deploys/take_over.py
Afterwards deploy the site once: PostgreSQL's settings, NGINX, certificate and firewall follow.
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import mattermost, nginx
from mattermost_host.facts.foreign import of_others
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import account, files, packages, selinux_rules, take_over
from mattermost_host.ops.state_files import STATE
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight import take_over as adviser
from mattermost_host.site import complete_hosts, taking_over, ways
from mattermost_host.site.site import Site


def deploy(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """The steps on the host."""
    adviser.refuse(hosts=len(site.hosts), roles=roles, local_database=site.settings.postgres.local)
    release = site.release(facts)
    there = of_others(facts)
    way, new = ways.of(site, facts), taking_over.new(site, facts, release.folder)
    if there.over:
        take_over.nothing_left(name="there is nothing to take over", found=there.over)
        return
    if there.unfinished:
        take_over.gone_on_with(name="the take-over has ended", new=new, ways=way, step=there.step)
        return
    old = taking_over.old(
        adviser.advise(facts, version=site.place(host.name).site.version_on(facts))
    )
    packages.installed(
        name="what holds users back is installed",
        packages=taking_over.packages(facts.family),
        manager=facts.family.package_manager,
    )
    account.system_account(name="the account mattermost exists", user=mattermost.USER, home=STATE)
    if facts.family.selinux:
        selinux_rules.for_server(name="SELinux knows its programs and pages", state=STATE)
    mattermost.release_on_host(
        release,
        brotli=nginx.brotli_module(facts) is not None,
        manager=facts.family.package_manager,
    )
    files.present(name="folders and settings are in place", entries=taking_over.in_advance(site)[0])
    take_over.prepared(name="what is to be moved is noted", old=old, new=new)
    take_over.taken_over(name="the server is the site's own", old=old, new=new, ways=way)


with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site, aside=taking_over.ASIDE)
    if host.name in facts:
        deploy(site, facts[host.name], site.roles(host.name))
