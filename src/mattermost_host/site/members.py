"""A host as a member of the engines that run on several hosts, with its certificate and secrets."""

from collections.abc import Mapping
from dataclasses import replace

from mattermost_host.certificates.authority import Pair
from mattermost_host.components import etcd as etcd_component
from mattermost_host.components import patroni as patroni_component
from mattermost_host.components import postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Peer
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops.etcd_members import AskVoters
from mattermost_host.preflight import cluster
from mattermost_host.releases import patroni as patroni_release
from mattermost_host.releases.patroni import PatroniWheel
from mattermost_host.site.site import Site


def etcd(site: Site, host_name: str, facts: Mapping[str, HostFacts]) -> etcd_component.Member:
    """A voter; ``facts`` of all hosts of this run tell which have been one before."""
    here, trusted, pair = _of(site, host_name)
    members = site.place(host_name).having("etcd")
    kept = {name: one.cluster_data for name, one in facts.items()}
    founders = [one.name for one in members if "etcd" in kept.get(one.name, ())]
    return etcd_component.Member(
        here,
        members,
        trusted,
        pair,
        root_password=site.secrets.passwords[etcd_component.ROOT],
        patroni_password=site.secrets.passwords[etcd_component.OF_PATRONI],
        keeps_order=here.name == (founders or [members[0].name])[0],
        # A first deploy that was cut off may leave data on a minority, which never worked.
        founded=len(founders) > len(members) // 2
        or any("database" in one for one in kept.values()),
    )


def voters(site: Site, host_name: str) -> AskVoters:
    """The question who the members of etcd are."""
    place = site.place(host_name)
    return etcd_component.asked(place.here, place.having("etcd"))


def patroni(site: Site, host_name: str) -> patroni_component.Member:
    """A database."""
    here, trusted, pair = _of(site, host_name)
    passwords, of_site = site.secrets.passwords, site.secrets.database_password
    assert of_site  # the component asks for it
    return patroni_component.Member(
        here,
        site.place(host_name).peers,
        trusted,
        pair,
        passwords={
            postgres.NAME: of_site,
            **{one: passwords[one] for one in patroni_component.PASSWORDS},
        },
        etcd_password=passwords[etcd_component.OF_PATRONI],
        etcd_access=etcd_component.ACCESS if "etcd" in here.roles else "",
    )


def layout(site: Site, facts: HostFacts) -> Cluster:
    """PostgreSQL's files on a member, which Patroni starts."""
    return replace(postgres.cluster(site.settings.postgres, facts), unit=patroni_component.UNIT)


def patroni_wheel(site: Site, facts: HostFacts) -> PatroniWheel | None:
    """Patroni's wheel for a host, fetched now if the host lacks it; None where it needs none.

    Raises ReleaseError.
    """
    if cluster.packages_patroni(facts):
        return None
    wanted = patroni_release.wheel(site.settings.patroni.wheel)
    if site.may_change and facts.patroni != wanted.sha256:
        wanted.fetch()
    return wanted


def authority(site: Site) -> bytes:
    """The certificate of the site's authority, which all members trust."""
    assert site.secrets.authority  # the components ask for certificates
    return site.secrets.authority.encode()


def _of(site: Site, host_name: str) -> tuple[Peer, str, Pair]:
    here = site.place(host_name).here
    return here, authority(site).decode(), site.secrets.certificates[here.purpose]
