"""A host as a member of the engines that run on several hosts, with its certificate and secrets."""

from mattermost_host.certificates.authority import Pair
from mattermost_host.components import etcd as etcd_component
from mattermost_host.components import patroni as patroni_component
from mattermost_host.components import postgres
from mattermost_host.facts.place import Peer
from mattermost_host.site.site import Site


def etcd(site: Site, host_name: str) -> etcd_component.Member:
    """A voter."""
    here, authority, pair = _of(site, host_name)
    return etcd_component.Member(
        here,
        site.place(host_name).having("etcd"),
        authority,
        pair,
        root_password=site.secrets.passwords[etcd_component.ROOT],
        patroni_password=site.secrets.passwords[etcd_component.OF_PATRONI],
    )


def patroni(site: Site, host_name: str) -> patroni_component.Member:
    """A database."""
    here, authority, pair = _of(site, host_name)
    passwords, of_site = site.secrets.passwords, site.secrets.database_password
    assert of_site  # the component asks for it
    return patroni_component.Member(
        here,
        site.place(host_name).peers,
        authority,
        pair,
        passwords={
            postgres.NAME: of_site,
            **{one: passwords[one] for one in patroni_component.PASSWORDS},
        },
        etcd_password=passwords[etcd_component.OF_PATRONI],
    )


def _of(site: Site, host_name: str) -> tuple[Peer, str, Pair]:
    here, secrets = site.place(host_name).here, site.secrets
    assert secrets.authority  # the component asks for a certificate
    return here, secrets.authority, secrets.certificates[here.purpose]
