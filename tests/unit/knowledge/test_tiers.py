"""The vendor's reference architectures, and what lies between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mattermost_host.knowledge.tiers import DIAGRAMS, LAYERS, TIERS, Hosts, Tier, tier
from mattermost_host.support.errors import OperatorError

USERS = st.integers(1, TIERS[-1].users)


def _numbers(one: Tier) -> list[int]:
    layers = [getattr(one, name) or Hosts(0, 0, 0) for name in LAYERS]
    return [number for hosts in layers for number in (hosts.count, hosts.cpus, hosts.memory_gb)]


def test_the_published_sizes() -> None:
    assert [one.users for one in TIERS] == [
        200,
        2_000,
        15_000,
        30_000,
        50_000,
        80_000,
        90_000,
        100_000,
        200_000,
    ]
    assert tier(200).app == Hosts(1, 2, 4)
    assert tier(200_000).database.count == 7


@pytest.mark.parametrize("row", TIERS, ids=lambda row: str(row.users))
def test_every_published_row_is_met(row: Tier) -> None:
    found = tier(row.users)
    assert found.published
    for layer, wanted in zip(_numbers(found), _numbers(row), strict=True):
        assert layer >= wanted


def test_as_few_users_as_you_like_are_the_smallest_row() -> None:
    assert tier(1) == TIERS[0]


@given(USERS, USERS)
def test_more_users_never_need_less_of_anything(one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    for less, most in zip(_numbers(tier(fewer)), _numbers(tier(more)), strict=True):
        assert less <= most


@pytest.mark.parametrize("users", [2_000, 15_000, 30_000])
def test_one_user_more_than_a_published_row_is_no_jump(users: int) -> None:
    here, more = tier(users).app, tier(users + 1).app
    assert more.cpus - here.cpus in (0, 1)
    assert more.memory_gb - here.memory_gb in (0, 1)
    assert more.count - here.count in (0, 1)


@pytest.mark.parametrize(
    ("users", "app", "database"),
    [
        (5_000, Hosts(2, 3, 5), Hosts(2, 3, 20)),
        (10_000, Hosts(2, 4, 7), Hosts(2, 4, 26)),
        (25_000, Hosts(2, 7, 14), Hosts(2, 7, 54)),
        (60_000, Hosts(5, 11, 22), Hosts(5, 11, 86)),
    ],
)
def test_between_two_rows(users: int, app: Hosts, database: Hosts) -> None:
    found = tier(users)
    assert (found.published, found.app, found.database) == (False, app, database)


@pytest.mark.parametrize("users", DIAGRAMS)
def test_the_diagrams_have_every_layer_twice(users: int) -> None:
    found = tier(users)
    assert found.app.count >= 2
    assert found.database.count >= 2
    assert found.search is not None
    assert found.search.count >= 2


def test_beyond_the_largest_tier_is_a_sentence() -> None:
    with pytest.raises(OperatorError) as raised:
        tier(200_001)
    assert str(raised.value) == (
        "No architecture is published for 200,001 users at the same time; the largest carries "
        "200,000. Split the site, or measure with the vendor's load-test-ng and size it by hand."
    )
