"""A site: everything that one inventory describes, checked before any connection.

``config.py`` loads it at the start of each pyinfra run; deploys call ``Site.current()``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, ClassVar, Unpack

from mattermost_host.certificates.authority import Pair
from mattermost_host.certificates.pem import pem_blocks
from mattermost_host.components import backup, mattermost, nginx, tls
from mattermost_host.engine import inventory, locks, pyinfra_command
from mattermost_host.engine.inventory import CommandLine, SiteHost
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED, Peer, Place, installed_on, peers_of
from mattermost_host.knowledge import postgresql_sizing
from mattermost_host.knowledge.dsn import Dsn
from mattermost_host.knowledge.surface import Surface
from mattermost_host.ops.release_state import CURRENT
from mattermost_host.preflight import external_database_findings
from mattermost_host.preflight.finding import Need
from mattermost_host.preflight.run import skip_mistakes
from mattermost_host.releases import lego
from mattermost_host.releases.choice import Release, release_to_run
from mattermost_host.site import data_source, server_environment
from mattermost_host.site import rules as site_rules
from mattermost_host.site.about import about
from mattermost_host.site.of_run import OfRun
from mattermost_host.site.secrets import Secrets
from mattermost_host.site.settings import ROOMS, Description, Room, describe
from mattermost_host.site.to import To
from mattermost_host.support.errors import OperatorError, SiteError


@dataclass(frozen=True)
class Site:
    """A valid inventory with its secrets."""

    path: Path
    settings: Description
    hosts: tuple[SiteHost, ...]
    secrets: Secrets
    accept_loss: bool = False
    """Whether a way back may lose what was written since."""
    delete: tuple[str, ...] = ()
    """What an uninstall deletes for good, by its names in ``site/deletion.py``."""
    by_hash: bool = False
    """Whether this run hashes every file of a release, not only those that were touched."""
    known: Mapping[str, HostFacts] = field(default_factory=dict)
    """What hosts have told this run already, by their names."""

    _current: ClassVar["Site | None"] = None
    _lock: ClassVar[IO[str] | None] = None
    """The site's lock, held until pyinfra's process ends."""

    @classmethod
    def load(
        cls, path: Path, command_line: CommandLine | None = None, to: To | None = None
    ) -> "Site":
        """Read and check the inventory at ``path``; nothing is written.

        ``to`` is another release than it states. Secrets that are missing are generated in memory:
        ``secrets.keep()`` before any change. Raises SiteError with every mistake at once.
        """
        read, settings = cls.described(path, command_line, to)
        told = about(settings, path)
        place = Place(told, peers=peers_of(read.hosts, {}))
        secrets = Secrets.load(path, site_rules.wanted(settings, place), datetime.now(UTC))
        mistakes = list(site_rules.mistakes_with_secrets(settings, told, secrets))
        site = cls(path, settings, read.hosts, secrets)
        # The names of the checks follow from settings and secrets without mistakes.
        mistakes = mistakes or skip_mistakes(site)
        if mistakes:
            raise SiteError(str(path), mistakes)
        return site

    @classmethod
    def described(
        cls, path: Path, command_line: CommandLine | None = None, to: To | None = None
    ) -> tuple[inventory.Inventory, Description]:
        """The inventory at ``path`` without its secrets. Raises SiteError with all mistakes."""
        read = inventory.read(path, command_line)
        settings, mistakes = describe(to.restated(read.description) if to else read.description)
        place = Place(about(settings, path), peers=peers_of(read.hosts, {}))
        mistakes = [*read.mistakes, *mistakes, *site_rules.mistakes(settings, place)]
        if mistakes:
            raise SiteError(str(path), mistakes)
        return read, settings

    @classmethod
    def use(
        cls,
        path: Path,
        command_line: CommandLine | None = None,
        *,
        to: To | None = None,
        **of_run: Unpack[OfRun],
    ) -> "Site":
        """Load the inventory at ``path`` and make it the site of this run."""
        Site._current = replace(cls.load(path, command_line, to), **of_run)
        return Site._current

    @classmethod
    def load_for_pyinfra(cls) -> None:
        """Load the inventory of pyinfra's command line, if it is a file and not a host's name.

        Does nothing if one of our commands reads config.py: it has loaded its inventory already.
        """
        if Site._current is not None:
            return
        typed = pyinfra_command.parameters()
        if typed is None:
            return  # one of our commands, which loads its inventory itself
        path = Path(str(typed["inventory"]))
        if path.is_file() or path.suffix == ".py":
            cls.use(path, pyinfra_command.hosts_data(typed))
            if not pyinfra_command.changes_nothing(typed):
                Site._lock = locks.take(path)
                cls.current().secrets.keep()

    @classmethod
    def current(cls) -> "Site":
        """The site of this run. Raises OperatorError if config.py was not read."""
        if cls._current is None:
            raise OperatorError(
                "config.py was not read, so nothing was checked; "
                "run pyinfra in the folder that holds config.py, with an inventory file"
            )
        return cls._current

    def roles(self, host_name: str) -> tuple[str, ...]:
        """The host's roles; empty for an ops host, which only checks for drift."""
        return next((host.roles for host in self.hosts if host.name == host_name), ())

    def place(self, host_name: str, facts: Mapping[str, HostFacts] | None = None) -> Place:
        """The surroundings of a host's components; ``facts`` of all hosts that were asked."""
        known = facts or {}
        return Place(
            site=about(self.settings, self.path),
            name=host_name,
            facts=known.get(host_name, UNASKED),
            roles=self.roles(host_name),
            peers=self.peers(known),
            secrets=self.secrets,
        )

    def peers(self, facts: Mapping[str, HostFacts]) -> tuple[Peer, ...]:
        """The hosts of the site as they see each other."""
        return peers_of(self.hosts, facts)

    def rooms(self, host_name: str) -> Iterator[tuple[Room, Any]]:
        """The components of a host, each with its settings, in the order of deploys/site.py."""
        roles = self.roles(host_name)
        for name, room in ROOMS.items():
            settings = getattr(self.settings, name)
            if room.stands(settings, roles, clustered=self.clustered):
                yield room, settings

    def surfaces(self, host_name: str, facts: HostFacts) -> Mapping[str, Surface]:
        """The surface of each component on this host, by the component's name."""
        place = self.place(host_name, {host_name: facts})
        return {room.name: room.module.surface(own, place) for room, own in self.rooms(host_name)}

    def requirements(self, host_name: str) -> list[Need]:
        """The requirements of this host's components."""
        place = self.place(host_name)
        needed = [
            one
            for room, settings in self.rooms(host_name)
            for one in room.module.requires(settings, place)
        ]
        if self.dsn and "app" in place.roles:
            # An external database is checked from the application host.
            needed += external_database_findings.inquiries(
                self.dsn,
                self.secrets.database_password,
                authorities=self.database_ca,
                version_on=place.site.version_on,
                pool=data_source.pool(self.settings),
            )
        return needed

    @property
    def name(self) -> str:
        """The name users type."""
        return self.settings.name

    @property
    def skip(self) -> Mapping[str, str]:
        """Checks of the preflight that the operator skips, and why."""
        return self.settings.skip

    @property
    def administrator_email(self) -> str:
        """Address of the first administrator."""
        administrator = self.settings.mattermost.administrator
        # A mail address can't have an IPv6 address as its domain.
        domain = "localhost" if ":" in self.settings.name else self.settings.name
        return administrator.email or f"{administrator.username}@{domain}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of the server that we own, as environment variables."""
        return server_environment.variables(
            self.settings.mattermost,
            url=self.settings.url,
            data_source=data_source.data_source(
                self.settings, self.secrets.database_password, clustered=self.clustered
            ),
            secret_settings=self.secrets.settings,
            users=self.settings.users,
        )

    @property
    def dsn(self) -> Dsn | None:
        """The external database; None if the site has its own. TLS is verified by default."""
        return data_source.external(self.settings)

    @property
    def clustered(self) -> bool:
        """Whether the database is on several hosts, kept by Patroni and etcd."""
        return any("etcd" in host.roles for host in self.hosts)

    @property
    def serving(self) -> nginx.Serving:
        """What the proxy serves, and where it comes from."""
        return nginx.Serving(
            server_name=self.settings.name,
            authority=self.settings.authority,
            upstreams=[":".join(map(str, mattermost.LISTEN))],
            certificate=tls.CERTIFICATE,
            key=tls.KEY,
            max_file_size_mb=self.settings.mattermost.max_file_size_mb,
            static_folder=f"{CURRENT}/client",
            acme_folder=tls.challenge_folder(self.settings.tls),
        )

    @property
    def certificate(self) -> Pair | None:
        """The site's certificate and key; None if the host gets them by ACME."""
        return tls.pair_of(self.settings.tls, self.secrets.certificates)

    @property
    def licence(self) -> bytes | None:
        """The licence file's content."""
        return _content(self.settings.mattermost.licence)

    @property
    def database_ca(self) -> bytes | None:
        """The CA certificates for a PostgreSQL that the server reaches by the network."""
        if self.clustered:
            assert self.secrets.authority  # the databases' certificates are its
            return self.secrets.authority.encode()
        content = _content(self.settings.postgres.ca_certificate)
        return pem_blocks(content).encode() if content else None

    @property
    def may_change(self) -> bool:
        """Whether this run may change hosts: it holds the site's lock."""
        return Site._lock is not None

    def release(self, facts: HostFacts) -> Release:
        """The release for this host.

        If the host lacks it, it is fetched and verified now, so that a bad tarball is reported
        before anything is changed. Only a run with changes fetches it; `apply` does so after its
        question. Raises ReleaseError.
        """
        settings, found = self.settings.mattermost.release, installed_on(facts)
        wanted = release_to_run(settings, facts.architecture, found, by_hash=self.by_hash)
        if wanted.folder not in facts.releases and self.may_change:
            wanted.fetch("")
        return wanted

    def lego(self, facts: HostFacts) -> lego.LegoTarball:
        """lego for this host, fetched now if the host lacks it. Raises ReleaseError."""
        wanted = lego.tarball(self.settings.tls.lego, facts.architecture)
        if self.may_change and tls.lacks(self.settings.tls, facts, wanted):
            wanted.fetch()
        return wanted

    @property
    def database_connections(self) -> int:
        """The most connections that PostgreSQL takes, which its servers' HAProxy passes on."""
        return data_source.pool(self.settings).connections

    def postgres_parameters(self, host_name: str, facts: HostFacts) -> dict[str, str]:
        """PostgreSQL's parameters on this host: memory, connections, archiving."""
        size, shared = (facts.cpus, facts.memory_mb), len(self.roles(host_name)) > 1
        sized = postgresql_sizing.postgresql(
            *size, shared=shared, pool=data_source.pool(self.settings)
        ).parameters()
        return {**sized, **backup.parameters(self.settings.backup)}


def _content(file: str | None) -> bytes | None:
    return Path(file).read_bytes() if file else None
