"""Patroni: where it comes from, and its settings for a site's database.

Patroni 3.0 with etcd's third protocol lost acknowledged posts after its process was stopped and
continued (shown twice); 4.0.7 and 4.1.5 lost none in the same test.
"""

from collections.abc import Mapping
from typing import Any

from mattermost_host.knowledge.postgresql_sizing import KEEPALIVES

PACKAGES = ("patroni", "python3-etcd", "python3-psycopg2")
"""Where the distribution's own is 4."""

VERSION = "4.1.5"
WHEEL = f"patroni-{VERSION}-py3-none-any.whl"
SHA256 = "7aad8c1539e6c51c269a8005169dd54ddc7668437b7900fa6099d7894e224c84"
"""Patroni's wheel on PyPI, for the others: pure Python, the same for each processor and version."""
NEEDS = (
    "python3",
    "python3-cdiff",
    "python3-click",
    "python3-dateutil",
    "python3-etcd",
    "python3-prettytable",
    "python3-psutil",
    "python3-psycopg2",
    "python3-urllib3",
    "python3-yaml",
)
"""What the wheel imports with etcd and PostgreSQL. It declares py-consul, too, which it does not
import then; cdiff is ydiff by its former name.
"""

TTL_S, LOOP_S, RETRY_S = 20, 5, 5
"""Seconds after which a silent leader is replaced (Patroni 4.1 takes no less than 20), between two
looks, and for etcd's answers: with these the longest gap after a leader's loss was 20 to 30 s."""
NOT_LOCAL = (
    "max_connections",
    "max_worker_processes",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "max_wal_senders",
    "max_replication_slots",
    "wal_level",
    "track_commit_timestamp",
    "hot_standby",
    "wal_log_hints",
)
"""Parameters that Patroni takes from etcd only, because all members need the same values."""

NO_ARCHIVE = {"archive_mode": "off", "archive_command": "", "archive_timeout": "0"}
"""What the leader archives by, as it is without backups. Any member may become the leader."""
TO_REWIND = (
    "pg_catalog.pg_ls_dir(text, boolean, boolean)",
    "pg_catalog.pg_stat_file(text, boolean)",
    "pg_catalog.pg_read_binary_file(text)",
    "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
)
"""What pg_rewind calls on the leader, by PostgreSQL's manual."""


def of_all_members(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The settings that lie in etcd; ``parameters`` are PostgreSQL's for these hosts."""
    shared = {name: value for name, value in parameters.items() if name in NOT_LOCAL}
    # Patroni quotes by itself.
    archiving = {name: parameters.get(name, off).strip("'") for name, off in NO_ARCHIVE.items()}
    return {
        "ttl": TTL_S,
        "loop_wait": LOOP_S,
        "retry_timeout": RETRY_S,
        # A replica that lacks more (bytes) may not become the leader.
        "maximum_lag_on_failover": 2**20,
        # An acknowledged write is on a second host, and which one may change at any time.
        "synchronous_mode": "quorum",
        "synchronous_node_count": 1,
        # Without etcd a leader that still reaches all members stays one.
        "failsafe_mode": True,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {
                **shared,
                **archiving,
                "wal_level": "replica",
                "wal_log_hints": "on",
                "max_wal_senders": "10",
                "max_replication_slots": "10",
            },
        },
    }


def of_member(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters of one host."""
    shared = (*NOT_LOCAL, *NO_ARCHIVE)
    local = {name: value for name, value in parameters.items() if name not in shared}
    return {
        **local,
        **KEEPALIVES,
        "password_encryption": "scram-sha-256",
        # Queries on a replica are not cancelled because the leader cleans up.
        "hot_standby_feedback": "on",
        # A connection to a host that vanished ends after so long, not after two hours.
        "wal_sender_timeout": "6s",
        "wal_receiver_timeout": "6s",
        "fsync": "on",
        "full_page_writes": "on",
        # The sandbox forbids to run what was just written to memory.
        "jit": "off",
    }
