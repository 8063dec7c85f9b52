"""Which PostgreSQL each Mattermost needs, and how long it is supported.

Source: the vendor's policy since Mattermost 10.6. The minimum is the oldest major version that the
PostgreSQL project still supports, and only an extended support release raises it.
"""

from datetime import date

PGDG_DEFAULT = 17
"""Default major version from the PostgreSQL project's repository."""

MINIMUM = (
    ((11, 0), 14),
    ((10, 6), 13),
    ((8, 0), 11),
    ((5, 26), 10),
    ((0, 0), 9),
)
"""First Mattermost line -> lowest PostgreSQL major version, newest first. From the policy table of
the server deployment planning page and the upgrade notes; release 11 checks it when it starts."""

PLAN_THE_UPGRADE = "Plan the upgrade of the database."
BEGIN_WITH_A_NEWER_ONE = (
    "There is no database here yet, so begin with a newer one: from the PostgreSQL project's "
    "repository (`postgres.pgdg`), or with a newer release of the distribution."
)

END_OF_LIFE = {
    10: date(2022, 11, 10),
    11: date(2023, 11, 9),
    12: date(2024, 11, 21),
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
"""Last day of the PostgreSQL project's support, five years a major version. From
www.postgresql.org/support/versioning."""

NEWEST = max(END_OF_LIFE)
OLDEST = 14
"""The oldest that a site may use: every supported release of Mattermost accepts it."""
"""The newest known major version."""


def minimum_for(release: str) -> int:
    """Lowest PostgreSQL major version that Mattermost ``release`` (``11.7.9``) starts with."""
    major, minor = (int(part) for part in release.split(".")[:2])
    return next(lowest for line, lowest in MINIMUM if (major, minor) >= line)


def too_old(major: int, release: str) -> str | None:
    """A sentence if Mattermost ``release`` would refuse to start with PostgreSQL ``major``."""
    lowest = minimum_for(release)
    if major >= lowest:
        return None
    return (
        f"PostgreSQL {major} is too old: Mattermost {release} needs {lowest} or newer. Install a "
        "newer one from the PostgreSQL project's repository (`postgres.pgdg`), set an external "
        "one (`postgres.dsn`), or take a newer release of the distribution."
    )


def out_of_support(major: int, today: date | None = None, *, in_use: bool = True) -> str | None:
    """A sentence if the PostgreSQL project no longer supports ``major``.

    ``in_use``: there already is a database, which would have to be upgraded.
    """
    ended = END_OF_LIFE.get(major, date.min if major < min(END_OF_LIFE) else date.max)
    if ended >= (today or date.today()):
        return None
    since = "long ago" if ended == date.min else f"on {ended}"
    return (
        f"The PostgreSQL project ended its support for PostgreSQL {major} {since}; only the "
        "distribution may still repair it, and the next extended support release of Mattermost "
        f"will ask for a newer one. {PLAN_THE_UPGRADE if in_use else BEGIN_WITH_A_NEWER_ONE}"
    )


def verdict(major: int, release: str, today: date | None = None) -> str | None:
    """What is wrong with PostgreSQL ``major`` for Mattermost ``release``; None: nothing.

    ``too_old`` is an error; ``out_of_support`` alone is a warning.
    """
    return too_old(major, release) or out_of_support(major, today)
