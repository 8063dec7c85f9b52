"""Checks of the engines that run on several hosts, by what they tell of themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from mattermost_host.ops.etcd_accounts import Access
from mattermost_host.ops.etcd_members import Voters, foreign
from mattermost_host.ops.patroni_settings import differing
from mattermost_host.ops.patroni_state import ClusterState
from tests.host.judge import Sentences, differs

CONFIRMS = ("sync_standby", "quorum_standby")


def accounts(found: Access) -> Sentences:
    """Nobody is let in without an account of ours."""
    if not found.answered:
        yield differs("etcd", "it telling its accounts", "no answer")
    elif found.open:
        yield differs("etcd", "only accounts let in", "everybody with a certificate let in")
    elif not found.known:
        yield differs("etcd's account root", "the password of the secrets file", "another one")
    elif not found.granted:
        yield differs("etcd's account patroni", "it writing below its prefix only", "another right")


def voters(found: Voters, wanted: Sequence[str]) -> Sentences:
    """Exactly the hosts of the inventory are members of etcd."""
    if found.listed is None:
        yield differs("etcd", "it listing its members", "no answer")
        return
    for url in wanted:
        if not found.listed.get(url):
            yield differs(f"etcd at {url}", "a member that has started", "none")
    for url, name in foreign(found, wanted).items():
        yield differs(f"etcd's member {name or url}", "a host of the inventory", "another one")


def members(found: ClusterState, wanted: Sequence[str]) -> Sentences:
    """Exactly the hosts of the inventory are members; one leads, the others follow."""
    if not found.answered:
        yield differs("Patroni", "an answer", "none")
        return
    leaders = [one.name for one in found.members if one.is_leader]
    if len(leaders) != 1:
        yield differs("leaders of the database", "one", ", ".join(leaders) or "none")
    names = [one.name for one in found.members]
    for name in wanted:
        if name not in names:
            yield differs(f"the database on {name}", "a member of the cluster", "none")
    for one in found.members:
        if one.name not in wanted:
            yield differs(f"the member {one.name}", "a host of the inventory", "another one")
        elif not one.works:
            yield differs(f"the database on {one.name}", "it leading or following", one.state)


def confirmed(found: ClusterState) -> Sentences:
    """At least one follower confirms writes."""
    if found.answered and not any(one.role in CONFIRMS for one in found.members):
        yield differs("followers that confirm each write", "at least one", "none")


def settings(found: ClusterState, wanted: Mapping[str, Any]) -> Sentences:
    """The shared settings are ours, all of them are in force, and Patroni acts."""
    if not found.answered:
        return
    for path in differing(wanted, found.settings):
        yield differs(f"{path} of the database's cluster", "our value", "another one")
    for one in found.members:
        if one.waits_for_restart:
            yield differs(f"parameters of {one.name}", "all in force", "some wait for a restart")
    if found.paused:
        yield differs("Patroni", "it acting", "it paused, so that no host takes over")
