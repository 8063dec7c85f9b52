"""Databases that come and go, and restarts of those that stay, so that users hardly notice."""

from mattermost_host.components import patroni
from mattermost_host.ops import patroni_members
from mattermost_host.ops.patroni_members import Handover
from mattermost_host.ops.patroni_state import AskCluster
from mattermost_host.site.site import Site


def begin(site: Site, host_name: str) -> None:
    """Before anything shuts out a host that the inventory does not name any more."""
    patroni_members.led_by_ours(
        name="a host of the inventory leads the database",
        question=question(site, host_name),
        ours=_names(site, host_name),
    )


def settle(site: Site, host_name: str) -> None:
    """Restart PostgreSQL where it has to be, after all members know of all settings."""
    asked = question(site, host_name)
    patroni_members.settled(asked, Handover(asked.way, asked.name))
    patroni_members.only_ours(
        name="all members of the database are hosts of the inventory",
        question=asked,
        ours=_names(site, host_name),
    )


def question(site: Site, host_name: str) -> AskCluster:
    """The question to the host's Patroni about all members."""
    here = site.place(host_name).here
    return AskCluster(patroni.way(here.address), here.name)


def _names(site: Site, host_name: str) -> list[str]:
    return [one.name for one in site.place(host_name).having("db")]
