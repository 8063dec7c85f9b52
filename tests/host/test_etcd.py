"""etcd, which decides which PostgreSQL is the leader."""

from tests.host import asking
from tests.host import judge_cluster as judge
from tests.host.asking import Seen
from tests.host.judge import holds


def test_only_our_accounts_are_let_in(seen: Seen) -> None:
    """Who has a certificate but no account reads and writes nothing."""
    holds(judge.accounts(seen.answers[asking.VOTERS]))
