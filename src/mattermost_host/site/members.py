"""A host as a member of the engines that run on several hosts, with its certificate and secrets."""

from mattermost_host.certificates.authority import Pair
from mattermost_host.components import etcd as etcd_component
from mattermost_host.components import patroni as patroni_component
from mattermost_host.components import postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Peer
from mattermost_host.preflight import cluster
from mattermost_host.releases import patroni as patroni_release
from mattermost_host.releases.patroni import PatroniWheel
from mattermost_host.site.site import Site


def etcd(site: Site, host_name: str) -> etcd_component.Member:
    """A voter."""
    here, trusted, pair = _of(site, host_name)
    return etcd_component.Member(
        here,
        site.place(host_name).having("etcd"),
        trusted,
        pair,
        root_password=site.secrets.passwords[etcd_component.ROOT],
        patroni_password=site.secrets.passwords[etcd_component.OF_PATRONI],
    )


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
