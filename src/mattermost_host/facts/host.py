"""The facts of a host. ``reading`` gets them over ssh, ``this_machine`` by psutil."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from mattermost_host.facts.backups import NO_BACKUPS, BackupFacts
from mattermost_host.knowledge import platforms
from mattermost_host.knowledge.families import FAMILIES, Family
from mattermost_host.knowledge.platforms import Platform


@dataclass(frozen=True)
class Listener:
    """A listening socket."""

    protocol: str
    """tcp or udp."""
    address: str
    """``0.0.0.0`` and ``::`` mean every address."""
    port: int
    process: str
    """Name of the oldest process that holds it; empty if that could not be read."""


@dataclass(frozen=True)
class Disk:
    """The file system under a path, or under its nearest existing parent."""

    path: str
    file_system: str
    """Device, or mount point if it has no device. Paths with the same value share a file system."""
    free_mb: int
    size_mb: int = 0
    """Total size; 0 if that was not asked."""


@dataclass(frozen=True)
class HostFacts:
    """What the preflight checks, and what components are sized by. Sizes in MB (2**20 bytes)."""

    distribution: str
    """``ID`` of os-release: debian, ubuntu, rhel, almalinux, rocky, ol."""
    release: str
    """``VERSION_ID`` of os-release: 12, 24.04, 9.4."""
    architecture: str
    """amd64 or arm64, otherwise what ``uname -m`` says."""
    glibc: str
    cpus: int
    memory_mb: int
    """Memory that the kernel offers, or the cgroup's limit if that is lower."""
    opt_noexec: bool
    disks: tuple[Disk, ...] = ()
    """One for each of ``DISK_PATHS``."""
    mounts: tuple[tuple[str, str], ...] = ()
    """What is mounted, without the kernel's own: (mount point, device)."""
    unmounted: tuple[str, ...] = ()
    """Mount points of /etc/fstab at which nothing is mounted."""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
    """Global addresses of the host, without prefix length."""
    has_ipv6: bool = True
    """The kernel knows IPv6, whether or not an address is set."""
    resolved: tuple[str, ...] = ()
    """Addresses that the name in the site's URL resolves to, on this host."""
    packages: tuple[tuple[str, str], ...] = ()
    """Installed versions of the packages that matter (see ``PACKAGES``)."""
    candidates: tuple[tuple[str, str], ...] = ()
    """Versions that apt would install of those ``CANDIDATES`` that are not installed yet."""
    clusters: tuple[tuple[str, str, int], ...] = ()
    """PostgreSQL clusters on the host: (version, name or data folder, port)."""
    database_units: tuple[str, ...] = ()
    """Units of those clusters that a deploy set up; see ``facts/database.py``."""
    database_links: tuple[tuple[str, str], ...] = ()
    """Where data is: (usual place, actual one) of data folders, and of links in them."""
    database_move: tuple[tuple[str, str], ...] = ()
    """Journal of the last move between two of them: (name, value)."""
    active_units: tuple[str, ...] = ()
    """Those of ``UNITS`` that are active; ufw only if it also filters."""
    clock_synchronised: bool = True
    clock_offset_s: float = 0.0
    """Clock of the host minus the clock of the control machine, seconds."""
    locales: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    """Folders of the releases that are completely unpacked on the host."""
    current_release: str = ""
    """Target of the releases' link `current`; empty if there is none."""
    noted_release: str = ""
    """The release's folder that our runs switched to last."""
    last_upgrade: tuple[tuple[str, str], ...] = ()
    """Keys ``step``, ``old`` and ``new`` of the journal; empty if there was no upgrade."""
    foreign: tuple[tuple[str, str], ...] = ()
    """Of a server that no deploy set up: paths, and the step of its take-over."""
    system_upgrade: tuple[tuple[str, str], ...] = ()
    """The same keys of the last upgrade of the system."""
    restore: tuple[tuple[str, str], ...] = ()
    """The key ``step`` of the last restore."""
    lego: str = ""
    """SHA-256 of the tarball that its lego was unpacked from."""
    patroni: str = ""
    """SHA-256 of the wheel that its Patroni was unpacked from."""
    cluster_data: tuple[str, ...] = ()
    """What it keeps of a database on several hosts: etcd, database."""
    container: bool = False
    """Inside a container: clock and some sysctls belong to the machine that runs it."""
    ssh_port: int = 22
    """The host's port that this run's ssh connection uses (sshd's own if it uses none)."""
    managed: bool = False
    """/etc/mattermost-host exists: this program has changed the host before."""
    kernel: str = ""
    """``uname -r``."""
    forwarding: tuple[str, ...] = ()
    """Bridges and tunnels that the kernel forwards packets between: Docker's, a VPN's."""
    read_only: tuple[str, ...] = ()
    """System folders that even root can't write to."""
    temporary: tuple[tuple[str, int], ...] = ()
    """Free MB of /tmp and /var/tmp."""
    modules: tuple[tuple[str, str], ...] = ()
    """dnf modules with a state: (name, enabled stream); an empty stream: disabled."""
    repositories: tuple[str, ...] = ()
    """Names of the repositories that are enabled in dnf."""
    registered: bool = False
    """The host is registered with Red Hat's subscription management."""
    fips: bool = False
    """The kernel is in FIPS mode."""
    crypto_policy: str = ""
    """The system-wide crypto policy: ``DEFAULT``, ``LEGACY``, ``DEFAULT:SHA1``."""
    allowed_programs: bool = False
    """fapolicyd has a rule for the server's folder."""
    sudo_rules: tuple[tuple[str, str], ...] = ()
    """Rules of sudo for an account of a service, or for everybody: (file, account)."""
    selinux: str = "disabled"
    """enforcing, permissive or disabled."""
    first_boot: bool = False
    """cloud-init is still running: packages, accounts and files may change, or the host reboot."""
    backup_key: str = ""
    """SHA-256 of the file with the key that its backups are encrypted with; empty where none are
    made."""
    backups: BackupFacts = NO_BACKUPS
    """What tells whose a repository of backups is; only of sites with backups."""
    snaps: tuple[str, ...] = ()
    """Commands that come from snaps."""
    nftables: tuple[str, ...] = ()
    """The nftables ruleset, line by line, without indentation."""
    legacy_rules: tuple[str, ...] = ()
    """The rules of legacy iptables, as the nft commands that would create them."""
    odd_files: tuple[str, ...] = ()
    """Links, pipes and devices in the server's own folders: find's type letter, and path."""
    generated: tuple[tuple[str, str], ...] = ()
    """Drop-ins that systemd's generators made for units of the site: (unit, path)."""
    unread: frozenset[str] = frozenset()
    """Questions that the host could not answer, by their names in ``QUESTIONS``."""

    @property
    def platform(self) -> Platform:
        """The row of its distribution's release. Raises OperatorError for an unknown distribution.

        For a release that is not in the table, the row of the newest known one, with the PostgreSQL
        that the host offers, and without what belongs to that one release only.
        """
        row = platforms.nearest(self.distribution, self.release)
        if platforms.find(self.distribution, self.release) is row:
            return row
        return replace(
            row,
            release=self.release,
            postgresql=self._postgresql_offered or row.postgresql,
            postgresql_streams=(),
            nginx_stream="",
            code_name="",
            brotli_module="",
        )

    @property
    def _postgresql_offered(self) -> int | None:
        """PostgreSQL's major version that is installed, or that apt would install."""
        there = [name.removeprefix("postgresql-") for name, _ in self.packages]
        majors = [int(one) for one in there if one.isdecimal()]
        candidate = re.match(r"\d+", dict(self.candidates).get("postgresql", ""))
        return max(majors, default=int(candidate.group()) if candidate else None)

    @property
    def family(self) -> Family:
        """Its family of distributions. Raises OperatorError as ``platform`` does."""
        family = self.platform.family
        assert family is not None  # ``nearest`` returns supported rows only, and each has a family
        return family

    @property
    def data_disks(self) -> tuple[Disk, ...]:
        """Those of ``disks`` that hold the database and the uploaded files in this family."""
        row = platforms.find(self.distribution, self.release)
        known = [row.family] if row and row.family else FAMILIES
        paths = (*(family.databases for family in known), DISK_PATHS[-1])
        return tuple(one for one in self.disks if one.path in paths)

    def file_system(self, path: str) -> str:
        """The device that is mounted above ``path``; of two at one place the later one counts."""
        above = [one for one in self.mounts if is_above(one[0], path)]
        return max(reversed(above), key=lambda one: len(one[0]))[1] if above else ""


def is_above(place: str, path: str) -> bool:
    """Whether ``path`` is the folder ``place``, or in it."""
    return f"{path}/".startswith(f"{place.rstrip('/')}/")


TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - looked at, not written
DISK_PATHS = ("/opt", *(family.databases for family in FAMILIES), "/var/lib/mattermost")
"""Where the release, the database (one path for each family) and the uploaded files go."""

PACKAGES = (
    "nginx*",
    "apache2",
    "httpd",
    "lighttpd",
    "caddy",
    "haproxy",
    "postgresql-[0-9]*",
    "postgresql-server",
    "postgresql[0-9]*-server",
    "ufw",
    "firewalld",
    "mattermost",
    "mattermost-omnibus",
    "certbot",
    "chrony",
    "ntp",
    "ntpsec",
    "openntpd",
    "pgbackrest",
)
"""Patterns of packages that conflict with ours, or whose version matters."""

CANDIDATES = ("postgresql", "nginx")

WEB_SERVERS = ("apache2", "httpd", "lighttpd", "caddy", "haproxy", "traefik")
FIREWALLS = ("ufw", "firewalld", "netfilter-persistent", "shorewall", "iptables", "nftables")
UNITS = (*WEB_SERVERS, *FIREWALLS, "fail2ban", "fapolicyd", "nginx", "mattermost")
"""Services of which it matters whether they are active; names without ``.service``."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""``uname -m`` -> Debian's name, which the release's file names use, too."""


def is_global(address: str) -> bool:
    """Whether other hosts may reach the host at this address."""
    parsed = ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local)


def sshd_port(listeners: Iterable[Listener]) -> int:
    """The lowest port that sshd listens on; 22 if none is seen."""
    return min((one.port for one in listeners if one.process == "sshd"), default=22)
