"""The site's own PostgreSQL."""

from typing import cast

from mattermost_host.components import postgres
from mattermost_host.ops.account import Account
from tests.host import asking
from tests.host import judge_database as judge
from tests.host.asking import Seen
from tests.host.judge import account, differs, holds
from tests.host.questions_database import Cluster
from tests.host.recording import Recorder


def _cluster(seen: Seen) -> Cluster:
    cluster = cast(Cluster, seen.answers[asking.CLUSTER])
    holds(judge.answers(cluster))
    return cluster


def test_the_server_logs_in_without_a_password(seen: Seen) -> None:
    """The server's account logs in by peer authentication."""
    holds(judge.peer(_cluster(seen), postgres.NAME))


def test_the_role_may_only_log_in(seen: Seen) -> None:
    """The role may only log in."""
    holds(judge.role(_cluster(seen), postgres.NAME))


def test_the_database_belongs_to_the_role(seen: Seen) -> None:
    """Database and schema belong to the role, with the right encoding and locale."""
    holds(judge.database(_cluster(seen), postgres.NAME, postgres.LOCALE))


def test_nobody_comes_in_over_the_network(seen: Seen) -> None:
    """PostgreSQL listens on its socket only, on no address."""
    holds(judge.addresses(_cluster(seen)))


def test_our_parameters_are_in_force(seen: Seen) -> None:
    """Our parameters are in force."""
    wanted = seen.site.postgres_parameters(seen.host.name, seen.facts)
    holds(judge.parameters(_cluster(seen), wanted))


def test_its_pages_have_checksums(seen: Seen) -> None:
    """Data checksums are on, if a deploy created the cluster (on Enterprise Linux)."""
    layout = postgres.cluster(seen.site.settings.postgres, seen.facts)
    holds(judge.checksums(_cluster(seen), layout))


def test_it_is_in_one_place(seen: Seen, record_property: Recorder) -> None:
    """No move to another major version was cut off, and none that the inventory states is due."""
    for found in postgres.in_its_place(seen.site.settings.postgres).check(seen.facts):
        if found.verdict == "error":
            holds([differs("PostgreSQL", found.needed, found.found)])
        if found.verdict == "warning":
            record_property("PostgreSQL", f"{found.found}. {found.remedy}")


def test_its_account_is_no_administrator(seen: Seen) -> None:
    """Its account is locked, for its service alone, and in no group of administrators."""
    holds(account(asking.DATABASE_ACCOUNT, seen.answers[Account(asking.DATABASE_ACCOUNT.user)]))
