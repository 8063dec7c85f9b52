"""Uninstall: what deploys put on the hosts is removed; data, backups and packages stay.

pyinfra inventories/single.py deploys/uninstall.py
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import backup, firewall, mattermost, nginx, postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import files, idle, lego, package_files, remains, running
from mattermost_host.preflight import run as preflight
from mattermost_host.site import leaving
from mattermost_host.site.site import Site


def remove(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """Remove the components of one host, those that use others first."""
    leaving.refuse(facts)
    idle.idle(name="nothing is at work or unfinished")
    if "proxy" in roles:
        running.stopped(name="NGINX is stopped", unit=nginx.UNIT)
        remains.removed(name="the site is not in NGINX any more", paths=leaving.of_proxy())
        package_files.as_packaged(name="NGINX has its package's settings", path=nginx.MAIN)
        remains.removed(name="lego's files are removed", paths=lego.OURS, timers=(lego.TIMER_FILE,))
        files.present(
            name="the certificate is removed",
            entries=list(leaving.of_certificate(facts.family)),
        )
    if "app" in roles:
        running.stopped(name="the server is stopped", unit=mattermost.UNIT)
        remains.removed(name="the server is removed", paths=leaving.of_server())
    if "db" in roles and site.settings.postgres.local:
        layout = postgres.cluster(site.settings.postgres, facts)
        backup.deploy(backup.Settings(), facts, cluster=layout, key=None)
        running.stopped(name="PostgreSQL is stopped", unit=layout.unit)
        files.present(
            name="PostgreSQL's parameters are removed",
            entries=list(leaving.of_database(layout, facts)),
        )
        remains.removed(
            name="PostgreSQL's unit is its package's", paths=leaving.of_database_unit(layout)
        )
    firewall.deploy(firewall.Settings(enabled=False), surfaces=(), peers=(), family=facts.family)
    remains.removed(name="kernel parameters are removed", paths=leaving.of_host())
    remains.emptied(name="empty folders are removed", folders=leaving.LEFT_IF_EMPTY)


with sentences():
    site = Site.current()
    facts = preflight.require(site, aside=leaving.aside(site, host.name))
    if host.name in facts:
        remove(site, facts[host.name], site.roles(host.name))
