"""The vendor's reference architectures: hosts for users at the same time.

Source: the vendor's scaling pages, measured on 9.5 with PostgreSQL 14 and 100 million posts. Their
proxy is oversized in the small tiers, because the test needed its network. What lies between two
published sizes is interpolated: a straight line between the two, rounded up.
"""

import itertools
from dataclasses import dataclass, replace
from math import ceil

from mattermost_host.support.errors import OperatorError


@dataclass(frozen=True)
class Hosts:
    """A number of hosts of one size; memory in GB as the documents count it."""

    count: int
    cpus: int
    memory_gb: int


@dataclass(frozen=True)
class Tier:
    """An architecture that carries ``users`` at the same time."""

    users: int
    app: Hosts
    database: Hosts
    """Including the writer; the others are readers."""
    search: Hosts | None
    proxy: Hosts
    cache: Hosts | None = None
    published: bool = True
    """Whether the vendor has published it; otherwise it is interpolated."""


_PROXY = Hosts(1, 16, 64)

TIERS = (
    Tier(200, Hosts(1, 2, 4), Hosts(1, 2, 16), None, _PROXY),
    Tier(2_000, Hosts(2, 2, 4), Hosts(2, 2, 16), Hosts(2, 4, 32), _PROXY),
    Tier(15_000, Hosts(2, 4, 8), Hosts(2, 4, 32), Hosts(2, 4, 32), _PROXY),
    Tier(30_000, Hosts(2, 8, 16), Hosts(2, 8, 64), Hosts(4, 8, 64), _PROXY),
    Tier(50_000, Hosts(5, 8, 16), Hosts(5, 8, 64), Hosts(4, 8, 64), _PROXY),
    Tier(80_000, Hosts(4, 16, 32), Hosts(4, 16, 128), Hosts(4, 8, 64), _PROXY),
    Tier(90_000, Hosts(5, 16, 32), Hosts(5, 16, 128), Hosts(4, 8, 64), _PROXY),
    Tier(100_000, Hosts(6, 16, 32), Hosts(6, 16, 128), Hosts(4, 8, 64), _PROXY),
    Tier(
        200_000,
        Hosts(14, 16, 32),
        Hosts(7, 16, 128),
        Hosts(4, 8, 64),
        Hosts(4, 32, 128),
        Hosts(1, 8, 32),
    ),
)
"""As published."""

DIAGRAMS = (5_000, 10_000, 25_000, 50_000)
"""Users of the reference diagrams, which show every layer twice or more, without sizes."""


def tier(concurrent_users: int) -> Tier:
    """What carries ``concurrent_users``, and never less of anything than fewer users need.

    Published: 80,000 users have fewer, but larger hosts than 50,000; here they have as many.
    Raises OperatorError above the largest published tier.
    """
    if concurrent_users > TIERS[-1].users:
        raise OperatorError(
            f"No architecture is published for {concurrent_users:,} users at the same time; the "
            f"largest carries {TIERS[-1].users:,}. Split the site, or measure with the vendor's "
            "load-test-ng and size it by hand."
        )
    below = GROWING[0]
    for above in GROWING:
        if concurrent_users == above.users or concurrent_users < GROWING[0].users:
            return above
        if concurrent_users < above.users:
            return _between(below, above, concurrent_users)
        below = above
    raise AssertionError  # the last one is the largest


def _between(below: Tier, above: Tier, users: int) -> Tier:
    share = (users - below.users) / (above.users - below.users)

    def hosts(first: Hosts, last: Hosts) -> Hosts:
        return Hosts(
            on_line(first.count, last.count, share),
            on_line(first.cpus, last.cpus, share),
            on_line(first.memory_gb, last.memory_gb, share),
        )

    return Tier(
        users,
        app=hosts(below.app, above.app),
        database=hosts(below.database, above.database),
        # From 2.5 million posts on; published for sizes from 2,000 users on.
        search=hosts(below.search, above.search) if below.search and above.search else None,
        proxy=hosts(below.proxy, above.proxy),
        # Advised for more than 100,000 users only.
        cache=above.cache,
        published=False,
    )


def on_line(first: int, last: int, share: float) -> int:
    """A whole number between ``first`` and ``last``, rounded up; ``share`` is 0 to 1."""
    return ceil(round(first + share * (last - first), 6))


def _most(one: Hosts | None, other: Hosts | None) -> Hosts | None:
    if one is None or other is None:
        return one or other
    return Hosts(
        max(one.count, other.count),
        max(one.cpus, other.cpus),
        max(one.memory_gb, other.memory_gb),
    )


def _growing(one: Tier, other: Tier) -> Tier:
    most = {name: _most(getattr(one, name), getattr(other, name)) for name in LAYERS}
    return replace(other, **most)  # type: ignore[arg-type]


LAYERS = ("app", "database", "search", "proxy", "cache")
GROWING = tuple(itertools.accumulate(TIERS, _growing))
"""As published, and each at least as the one before it."""
