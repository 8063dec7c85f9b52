"""Uninstall: what deploys put on the hosts is removed; data, backups and packages stay.

pyinfra inventories/single.py deploys/uninstall.py

Data is deleted only where `mattermost-host uninstall --delete` names it.
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import backup, firewall, mattermost, nginx, postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import (
    deletion,
    files,
    idle,
    lego,
    package_files,
    remains,
    running,
    selinux_back,
)
from mattermost_host.preflight import run as preflight
from mattermost_host.site import complete_hosts, leaving
from mattermost_host.site import deletion as named
from mattermost_host.site.site import Site


def remove(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """Remove the components of one host, those that use others first."""
    leaving.refuse(facts)
    named.refuse(site, facts, host)
    idle.idle(name="nothing is at work")
    if "proxy" in roles:
        running.stopped(name="NGINX is stopped", unit=nginx.UNIT)
        remains.removed(name="the site is not in NGINX any more", paths=leaving.of_proxy())
        package_files.as_packaged(
            name="NGINX has its package's settings",
            path=nginx.MAIN,
            manager=facts.family.package_manager,
        )
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
        backup.deploy(
            backup.Settings(),
            facts,
            cluster=layout,
            key=None,
            access=site.secrets.backup_access,
        )
        running.stopped(name="PostgreSQL is stopped", unit=layout.unit)
        files.present(
            name="PostgreSQL's parameters are removed",
            entries=list(leaving.of_database(layout, facts)),
        )
        remains.removed(
            name="PostgreSQL's unit is its package's", paths=leaving.of_database_unit(layout)
        )
    if facts.family.selinux:
        selinux_back.taken_back(
            name="SELinux has no rule for the site", allowed=leaving.of_selinux(roles)
        )
    firewall.deploy(firewall.Settings(enabled=False), surfaces=(), peers=(), family=facts.family)
    delete(site, facts, roles)
    remains.removed(name="kernel parameters are removed", paths=leaving.of_host())
    remains.emptied(name="empty folders are removed", folders=leaving.LEFT_IF_EMPTY)


def delete(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """Delete the data that the command names."""
    if named.BACKUPS in site.delete and "db" in roles:
        deletion.folders(name="backups are deleted", paths=named.repositories(site.settings.backup))
        remains.removed(name="nothing tells of backups", paths=named.notes_of_backups())
    if named.DATABASE in site.delete and "db" in roles:
        debian = facts.family.package_manager == "apt"
        deletion.database(
            name="the database is deleted",
            cluster=postgres.cluster(site.settings.postgres, facts),
            role=postgres.NAME,
            left=named.OF_DATABASE,
            debian=debian,
        )
        if before := named.from_before_move(site, facts):
            deletion.database(
                name="the database from before its move is deleted",
                cluster=before,
                role=postgres.NAME,
                left=named.OF_DATABASE,
                debian=debian,
            )
    if named.FILES in site.delete and "app" in roles:
        deletion.folders(
            name="files, logs and accounts are deleted",
            paths=named.OF_FILES,
            users=(mattermost.USER, lego.USER),
        )


with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site, aside=leaving.aside(site, host.name))
    if host.name in facts:
        remove(site, facts[host.name], site.roles(host.name))
