"""The server's way to the leader of a database on several hosts."""

from mattermost_host.components import haproxy
from tests.host.asking import Seen
from tests.host.judge import differs, holds


def test_it_has_found_the_leader(seen: Seen) -> None:
    """One of the databases leads, and connections are passed on to it."""
    if not seen.answers[haproxy.ASK_LEADER]:
        holds([differs("HAProxy", "a leader among the databases", "none")])
