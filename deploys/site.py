"""The table of contents: the components of a site, in the order in which they are deployed.

pyinfra inventories/single.py deploys/site.py
"""

from collections.abc import Mapping

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.components import (
    backup,
    base,
    etcd,
    firewall,
    haproxy,
    mattermost,
    nginx,
    patroni,
    postgres,
    tls,
)
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import sizing
from mattermost_host.ops.backup_files import Server
from mattermost_host.ops.checkpoint import checkpoint
from mattermost_host.ops.state_files import KEPT, STATE
from mattermost_host.preflight import run as preflight
from mattermost_host.site import members, members_in_order, ways
from mattermost_host.site.site import Site


def deploy(site: Site, of_all: Mapping[str, HostFacts], roles: tuple[str, ...]) -> None:
    """Deploy the components of one host."""
    facts = of_all[host.name]
    if "db" in roles and site.clustered:
        members_in_order.begin(site, host.name)
    base.deploy(site.settings.base, facts)
    firewall.deploy(
        site.settings.firewall,
        surfaces=site.surfaces(host.name, facts).values(),
        peers=site.peers({host.name: facts}),
        family=facts.family,
    )
    behind_firewall = firewall.before_start(site.settings.firewall)
    hold = ways.hold(site, host.name, facts)
    checkpoint(name="all hosts are prepared")

    if "etcd" in roles:
        etcd.deploy(
            site.settings.etcd,
            family=facts.family,
            member=members.etcd(site, host.name, of_all),
            before_start=behind_firewall,
        )
    checkpoint(name="all voters are ready")

    if "db" in roles and site.clustered:
        patroni.deploy(
            site.settings.patroni,
            facts,
            layout=postgres.cluster(site.settings.postgres, facts),
            member=members.patroni(site, host.name),
            parameters=site.postgres_parameters(host.name, facts),
            before_start=behind_firewall,
            wheel=members.patroni_wheel(site, facts),
        )
        backup.reach(
            site.settings.backup,
            facts,
            layout=members.layout(site, facts),
            key=site.secrets.backup_key,
            access=site.secrets.backup_access,
            member=True,
        )
    elif "db" in roles and site.settings.postgres.local:
        postgres.deploy(
            site.settings.postgres,
            facts,
            parameters=site.postgres_parameters(host.name, facts),
            before_start=behind_firewall,
            archive=backup.archive(site.settings.backup),
            hold=hold,
        )
        backup.deploy(
            site.settings.backup,
            facts,
            cluster=postgres.cluster(site.settings.postgres, facts),
            key=site.secrets.backup_key,
            access=site.secrets.backup_access,
        )
    checkpoint(name="all databases are ready")

    if "db" in roles and site.clustered:
        members_in_order.settle(site, host.name)
        backup.archive_members(site.settings.backup)

    if "app" in roles and site.clustered:
        haproxy.deploy(
            site.settings.haproxy,
            family=facts.family,
            databases=site.place(host.name).having("db"),
            authority=members.authority(site),
            connections=site.database_connections,
            before_start=behind_firewall,
        )
    if "app" in roles:
        mattermost.deploy(
            site.settings.mattermost,
            family=facts.family,
            wanted=site.release(facts),
            before_start=behind_firewall,
            hold=hold,
            brotli=nginx.brotli_module(facts) is not None,
            variables=site.environment,
            local_database=site.settings.postgres.local and not site.clustered,
            database_ca=site.database_ca,
            licence=site.licence,
            administrator_email=site.administrator_email,
            administrator_password=site.secrets.admin_password,
        )
    checkpoint(name="all servers are ready")

    if "proxy" in roles:
        pair = tls.deploy(
            site.settings.tls,
            family=facts.family,
            server_name=site.settings.name,
            pair=site.certificate,
            lego_tarball=site.lego(facts),
        )
        nginx.deploy(
            site.settings.nginx,
            site.serving,
            family=facts.family,
            sizing=sizing.nginx(site.settings.users),
            before_start=behind_firewall,
            held=hold,
            nginx_version=nginx.version(facts),
            streams=nginx.streams(facts),
            brotli_module=nginx.brotli_module(facts),
            ipv6=facts.has_ipv6,
            fips=facts.fips,
            pair=pair,
        )
        tls.issue(site.settings.tls, family=facts.family, server_name=site.settings.name)

    if "db" in roles and site.settings.postgres.local and not site.clustered:
        server = Server(
            mattermost.USER, STATE, "http://{}:{}{}".format(*mattermost.LISTEN, mattermost.PING)
        )
        cluster = postgres.cluster(site.settings.postgres, facts)
        backup.schedule(
            site.settings.backup, cluster=cluster, kept=(base.FOLDER, *KEPT), server=server
        )
        backup.prove(site.settings.backup, cluster=cluster, server=server)

    if "db" in roles and site.clustered:
        backup.schedule_member(
            site.settings.backup, layout=members.layout(site, facts), with_files="app" in roles
        )
    if "app" in roles and site.clustered:
        alone = "db" not in roles
        if alone:
            backup.reach(
                site.settings.backup,
                facts,
                layout=members.layout(site, facts),
                key=site.secrets.backup_key,
                access=site.secrets.backup_access,
                member=False,
            )
        backup.schedule_files(
            site.settings.backup,
            layout=members.layout(site, facts),
            kept=(base.FOLDER, *KEPT),
            alone=alone,
        )


with sentences():
    site = Site.current()
    facts = preflight.require(site)
    if host.name in facts:
        deploy(site, facts, site.roles(host.name))
