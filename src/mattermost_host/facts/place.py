"""What a component knows of its surroundings: the host, its roles, its peers, the site."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.knowledge.sizing import Usage
from mattermost_host.knowledge.surface import Networks, Peers
from mattermost_host.releases.installed import Installed, installed

BETWEEN_HOSTS = "mattermost.internal"
"""The domain of names that only certificates have; `.internal` is reserved for such use."""
UNASKED = HostFacts("", "", "", "", 0, 0, False)
"""Placeholder facts, for rules that are checked before any connection."""


class SecretsOfSite(Protocol):
    """The secrets that components may name in their requirements."""

    @property
    def database_password(self) -> SecretStr | None:
        """The password of the database."""

    @property
    def settings(self) -> Mapping[str, SecretStr]:
        """Secret settings of the server, by their documented names."""

    @property
    def backup_key(self) -> SecretStr | None:
        """The key that encrypts the backups."""

    @property
    def backup_access(self) -> Access:
        """What opens the place of the backups."""

    @property
    def passwords(self) -> Mapping[str, SecretStr]:
        """Passwords of accounts that the site's hosts use among themselves."""

    @property
    def certificates(self) -> Mapping[str, Pair]:
        """Certificates of the site's own authority, by purpose."""


@dataclass(frozen=True)
class About:
    """What every component may know about the site."""

    url: str
    name: str
    """The name that users type, without scheme and port."""
    users: int
    file_use: Usage
    version: str
    """The server's release, ``11.7.9``: the stated one, else what a first deploy takes."""
    version_is_stated: bool = True
    """Whether the inventory states the release; otherwise a host keeps the one that it has."""
    secrets_file: str = ""
    """The site's secrets file, for messages."""

    def version_on(self, facts: HostFacts) -> str:
        """The release that a host with these facts should run."""
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
    """The address that the site's other hosts use; without one, any of ``addresses``."""
    priority: int | None = None
    """Its rank among hosts of the same role, the highest first; None if not stated."""

    @property
    def address(self) -> str:
        """The address that the site's other hosts use, on sites where hosts have to state it."""
        assert self.private_address  # engine/roles.py asks for it
        return self.private_address

    @property
    def purpose(self) -> str:
        """Name of its certificate for connections between hosts."""
        return f"host {self.name}"

    @property
    def label(self) -> str:
        """Its name in letters, digits and hyphens, as a label of DNS."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:63].strip("-") or "host"

    @property
    def verified_name(self) -> str:
        """A name in its certificate for engines that verify no address, such as HAProxy."""
        return f"{self.label}.{BETWEEN_HOSTS}"

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """What that certificate is valid for; HAProxy hands on what is asked of 127.0.0.1."""
        return (self.verified_name, self.address, "localhost", "127.0.0.1")


@dataclass(frozen=True)
class Place:
    """The surroundings of a component. ``peers`` are all hosts of the site, this one included."""

    site: About
    name: str = ""
    """The host's name in the inventory."""
    facts: HostFacts = UNASKED
    roles: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = field(default=(), repr=False)
    secrets: SecretsOfSite | None = field(default=None, repr=False)
    """None until the secrets have been read."""

    @property
    def here(self) -> Peer:
        """This host as its peers see it."""
        return next(peer for peer in self.peers if peer.name == self.name)

    def having(self, role: str) -> tuple[Peer, ...]:
        """The hosts of a role."""
        return tuple(peer for peer in self.peers if role in peer.roles)

    @property
    def clustered(self) -> bool:
        """Whether the site's database is on several hosts."""
        return bool(self.having("etcd"))

    @property
    def with_database(self) -> bool:
        """Whether the host has it, or a part of it."""
        return "db" in self.roles or not self.clustered


def peers_of(hosts: Iterable[SiteHost], facts: Mapping[str, HostFacts]) -> tuple[Peer, ...]:
    """The hosts as they see each other; addresses of those whose facts are known."""
    return tuple(
        Peer(
            one.name,
            one.roles,
            facts[one.name].addresses if one.name in facts else (),
            one.private_address,
            one.priority,
        )
        for one in hosts
    )


def installed_on(facts: HostFacts) -> Installed | None:
    """The release that the host runs, or ran last."""
    return installed(facts.current_release, facts.noted_release, facts.releases)


def reachable_addresses(reach: Peers | Networks, peers: Iterable[Peer]) -> tuple[str, ...]:
    """The addresses or networks that ``reach`` means, in order and without duplicates."""
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
