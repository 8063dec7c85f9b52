"""The firewall of one host among many, without the site: surfaces that no component shows yet.

A deploy file in a test's folder calls ``deploy`` with the peers.
"""

from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path
from typing import Any

from pyinfra import host

from mattermost_host.components import base, firewall
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import About, Peer, Place
from mattermost_host.knowledge.surface import Networks, Peers, Port, Protocol, Surface
from mattermost_host.preflight import run as preflight
from mattermost_host.site.site import Site

HTTPS, METRICS, GOSSIP, PEER_PORT, VRRP = 443, 8067, 8074, 8075, 112
SURFACE = Surface(
    ports=(
        Port(HTTPS, "clients", "world"),
        Port(8065, "the server", "loopback"),
        Port(METRICS, "metrics", Peers(("monitoring",), by="all")),
        Port(PEER_PORT, "between servers", Peers(("app",))),
        Port(GOSSIP, "gossip", Peers(("app",)), protocol="udp"),
    ),
    protocols=(
        Protocol(VRRP, "virtual addresses", Peers(("app",))),
        Protocol(50, "a tunnel", Networks(("192.0.2.0/24", "2001:db8::/32"))),
    ),
)
PLAN = """
import sys
from pathlib import Path
from mattermost_host.cli import entry
from mattermost_host.plan import plan
plan.DEPLOY = Path(sys.argv.pop(1))
entry.main()
"""
"""Our command with another deploy than the site's."""


def surfaces(site: Site, facts: HostFacts) -> list[Surface]:
    """What is shown: the above, and ssh by the site's settings."""
    place = Place(About(site.settings.url, site.settings.name, 1, "low", "11.7.9"), facts=facts)
    return [SURFACE, firewall.surface(site.settings.firewall, place)]


def deploy(peers: Iterable[Peer]) -> None:
    """Base and firewall of the host, as deploys/site.py calls them."""
    site = Site.current()
    facts = preflight.require(site)[host.name]
    # pyinfra's types know nothing of a component's arguments.
    of_base: Any = base.deploy
    of_firewall: Any = firewall.deploy
    of_base(site.settings.base, facts)
    of_firewall(
        site.settings.firewall,
        surfaces=surfaces(site, facts),
        peers=list(peers),
        family=facts.family,
    )


def written(folder: Path, peers: Iterable[Peer]) -> Path:
    """The deploy file."""
    file = folder / "doors.py"
    described = ", ".join(f"Peer{astuple(peer)!r}" for peer in peers)
    file.write_text(
        "from mattermost_host.facts.place import Peer\n"
        "from tests.lab import doors\n"
        f"doors.deploy([{described}])\n",
        encoding="utf-8",
    )
    return file
