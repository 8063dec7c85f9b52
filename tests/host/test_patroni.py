"""PostgreSQL on several hosts, kept by Patroni."""

from mattermost_host.knowledge import patroni as known
from mattermost_host.ops.account import Account
from tests.host import asking
from tests.host import judge_cluster as judge
from tests.host.asking import Seen
from tests.host.judge import account, holds


def test_one_member_leads_and_all_others_follow(seen: Seen) -> None:
    """All hosts of db are members; one leads, the others follow it."""
    wanted = [peer.name for peer in seen.site.place(seen.host.name).having("db")]
    holds(judge.members(seen.answers[seen.members], wanted))


def test_a_write_is_on_a_second_host(seen: Seen) -> None:
    """A follower confirms each write before it is acknowledged."""
    holds(judge.confirmed(seen.answers[seen.members]))


def test_all_members_have_our_settings(seen: Seen) -> None:
    """The settings that lie in etcd are ours, and nobody has paused Patroni."""
    parameters = seen.site.postgres_parameters(seen.host.name, seen.facts)
    holds(judge.settings(seen.answers[seen.members], known.of_all_members(parameters)))


def test_the_database_account_is_no_administrator(seen: Seen) -> None:
    """Its account is locked, for its service alone, and in no group of administrators."""
    holds(account(asking.DATABASE_ACCOUNT, seen.answers[Account(asking.DATABASE_ACCOUNT.user)]))
