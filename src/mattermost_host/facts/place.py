"""Where a component stands: the host, its roles, its peers, and what the site says of itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.sizing import Usage
from mattermost_host.knowledge.surface import Networks, Peers
from mattermost_host.releases.installed import Installed, installed

UNASKED = HostFacts("", "", "", "", 0, 0, False)
"""The facts of a host before it was asked: rules that are judged before any connection."""


class SecretsOfSite(Protocol):
    """The secrets that components may name in their requirements."""

    @property
    def database_password(self) -> SecretStr | None:
        """The password of the database."""

    @property
    def settings(self) -> Mapping[str, SecretStr]:
        """Secret settings of the server, by their documented names."""

    @property
    def certificates(self) -> Mapping[str, Pair]:
        """Certificates of the site's own authority, by purpose."""


@dataclass(frozen=True)
class About:
    """What every component may know of the site."""

    url: str
    name: str
    """The name that users type, without scheme and port."""
    users: int
    file_use: Usage
    version: str
    """The release of the server, ``11.7.9``: the stated one, else what a first deploy takes."""
    version_is_stated: bool = True
    """Otherwise a host keeps the release that it has."""
    secrets_file: str = ""
    """Where the site's secrets are kept; named in sentences."""

    def version_on(self, facts: HostFacts) -> str:
        """The release that a host with these facts is to run."""
        found = None if self.version_is_stated else installed_on(facts)
        return found.version if found else self.version


@dataclass(frozen=True)
class Peer:
    """A host of the site as the others see it."""

    name: str
    roles: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    """All global addresses of the host."""
    private_address: str | None = None
    """Where the other hosts of the site reach it; without one, any of its addresses."""
    priority: int | None = None
    """Its place among hosts of one role, the highest first; None where none was stated."""


@dataclass(frozen=True)
class Place:
    """Where a component stands. ``peers`` holds every host of the site, this one included."""

    site: About
    facts: HostFacts = UNASKED
    roles: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = field(default=(), repr=False)
    secrets: SecretsOfSite | None = field(default=None, repr=False)
    """None before the secrets were read."""


def installed_on(facts: HostFacts) -> Installed | None:
    """The release that a host runs, or ran last."""
    return installed(facts.current_release, facts.noted_release, facts.releases)


def reachable_addresses(reach: Peers | Networks, peers: Iterable[Peer]) -> tuple[str, ...]:
    """The addresses and networks of those who may reach something, each once, in order."""
    if isinstance(reach, Networks):
        return tuple(dict.fromkeys(reach.networks))
    return tuple(
        dict.fromkeys(
            address
            for peer in peers
            if set(peer.roles) & set(reach.roles)
            for address in _addresses(peer, reach)
        )
    )


def _addresses(peer: Peer, reach: Peers) -> tuple[str, ...]:
    if reach.by == "private" and peer.private_address:
        return (peer.private_address,)
    return peer.addresses
