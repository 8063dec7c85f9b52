"""etcd, which decides which PostgreSQL is the leader."""

from tests.host import asking
from tests.host import judge_cluster as judge
from tests.host.asking import Seen
from tests.host.judge import holds


def test_only_our_accounts_are_let_in(seen: Seen) -> None:
    """Who has a certificate but no account reads and writes nothing."""
    holds(judge.accounts(seen.answers[asking.ACCESS]))


def test_exactly_the_hosts_of_the_inventory_decide(seen: Seen) -> None:
    """The members of etcd are the inventory's hosts, no more and no less."""
    holds(judge.voters(seen.answers[seen.voters], seen.voters.urls))
