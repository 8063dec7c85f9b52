"""How the packages of a family of distributions lay out what we configure.

Components ask the family of their host: the names of a distribution's packages, paths, accounts
and units are here and nowhere else. What changes from release to release is in ``platforms.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

PackageManager = Literal["apt", "dnf"]
FirewallEngine = Literal["nftables", "firewalld"]


@dataclass(frozen=True)
class Service:
    """A service that a package brings, and whose configuration is the package's own."""

    packages: tuple[str, ...]
    unit: str
    user: str
    """Account of its process."""


@dataclass(frozen=True)
class Setup:
    """The program that makes an empty cluster, where packages bring none."""

    command: str
    log: str
    """What initdb said."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster of one major version."""

    packages: tuple[str, ...]
    unit: str
    name: tuple[str, str]
    """Version, and name or folder, as the facts of a host give them (``HostFacts.clusters``)."""
    programs: str
    """Folder of psql and pg_isready themselves, not of a wrapper."""
    data: str
    settings: str
    """Folder of pg_hba.conf."""
    included: str
    """Folder of the file with our parameters."""
    removal: str
    """What an administrator types to remove such a cluster."""
    setup: Setup | None = None
    """How it is made, where its package does not."""
    streams: Mapping[str, str | None] = field(default_factory=dict)
    """Module streams that its packages come from; None: a module that has to be disabled."""


@dataclass(frozen=True)
class Key:
    """A public key that packages are signed with."""

    path: str
    url: str = ""
    """Where the host fetches it; empty where a package brings it."""
    fingerprint: str = ""


@dataclass(frozen=True)
class Pgdg:
    """How the repository of the PostgreSQL project becomes known to a package manager."""

    source: str
    """The file that names it."""
    keys: Mapping[str, Key]
    """By the architecture of a host."""
    key_packages: tuple[str, ...] = ()
    """The distribution's packages that bring the key."""


@dataclass(frozen=True)
class Nginx:
    """NGINX of the distribution."""

    packages: tuple[str, ...]
    user: str
    modules: str
    """Files, relative to /etc/nginx or absolute, that load the installed modules."""
    other_sites: tuple[str, ...] = ()
    """Further files of sites that the main file includes, beside conf.d."""
    default_site: str | None = None
    """The page of the package, where it is a file of its own."""
    tls_policy: tuple[str, ...] = ()
    """Files of the system-wide policy for TLS that OpenSSL reads, where there is one."""


@dataclass(frozen=True)
class Certbot:
    """The client for ACME."""

    packages: tuple[str, ...]
    service: str
    """The unit that renews; a drop-in for it goes into ``SERVICE.d``."""
    timer: str
    of_distribution: bool = True
    """Whether the distribution has it, without the packages of others."""


@dataclass(frozen=True)
class Family:
    """Distributions whose packages agree on paths, accounts and units."""

    name: str
    """What people call the family."""
    package_manager: PackageManager
    firewall: FirewallEngine
    tools: tuple[str, ...]
    """Packages that every host needs."""
    locale_package: str
    """What brings the locale of the database, or what it is generated from."""
    clock: Service
    """The time daemon that is kept running where there is no other."""
    other_clocks: tuple[str, ...]
    """Packages of time daemons that somebody else may have chosen."""
    nginx: Nginx
    certbot: Certbot
    authorities: str
    """File with all certificates of authorities that the system trusts."""
    databases: str
    """Below it are the data of PostgreSQL."""
    cluster: Callable[[int], Cluster] = field(repr=False)
    """The cluster of a major version, by the distribution's own packages."""
    cluster_of_pgdg: Callable[[int], Cluster] = field(repr=False)
    """The same by the packages of the PostgreSQL project."""
    pgdg: Pgdg = field(repr=False)
    backup: tuple[str, ...] = ()
    """Packages of pgBackRest and restic; none where the distribution has no such packages."""
    ssh_unit: str = "ssh.service"
    selinux: bool = False
    """Whether the distribution comes with SELinux enforcing."""


def _debian_cluster(major: int) -> Cluster:
    settings = f"/etc/postgresql/{major}/main"
    return Cluster(
        packages=(f"postgresql-{major}",),
        unit=f"postgresql@{major}-main.service",
        name=(str(major), "main"),
        programs=f"/usr/lib/postgresql/{major}/bin",
        data=f"/var/lib/postgresql/{major}/main",
        settings=settings,
        included=f"{settings}/conf.d",
        removal="pg_dropcluster, and its package",
    )


_PGDG_KEY_OF_DEBIAN = Key("/usr/share/postgresql-common/pgdg/apt.postgresql.org.asc")
DEBIAN = Family(
    name="Debian and Ubuntu",
    package_manager="apt",
    firewall="nftables",
    tools=("ca-certificates", "curl", "logrotate", "nftables"),
    locale_package="locales",
    clock=Service(("systemd-timesyncd",), "systemd-timesyncd.service", "systemd-timesync"),
    other_clocks=("chrony", "ntpsec", "ntp", "openntpd"),
    nginx=Nginx(
        packages=("nginx",),
        user="www-data",
        modules="modules-enabled/*.conf",
        other_sites=("sites-enabled/*",),
        default_site="sites-enabled/default",
    ),
    certbot=Certbot(("certbot",), "certbot.service", "certbot.timer"),
    authorities="/etc/ssl/certs/ca-certificates.crt",
    databases="/var/lib/postgresql",
    cluster=_debian_cluster,
    cluster_of_pgdg=_debian_cluster,
    pgdg=Pgdg(
        source="/etc/apt/sources.list.d/pgdg.sources",
        keys={"amd64": _PGDG_KEY_OF_DEBIAN, "arm64": _PGDG_KEY_OF_DEBIAN},
        key_packages=("postgresql-common",),
    ),
    backup=("pgbackrest", "restic"),
)


REDHAT_SETTINGS = "/etc/mattermost-host/postgresql"
"""The packages have their settings in the cluster's own folder; see docs/architecture.md."""


def _redhat_cluster(major: int) -> Cluster:
    """AppStream's: one version at a time, whichever its module stream brings."""
    data = "/var/lib/pgsql/data"
    return Cluster(
        packages=("postgresql-server", "postgresql-contrib"),
        unit="postgresql.service",
        name=(str(major), data),
        programs="/usr/bin",
        data=data,
        settings=REDHAT_SETTINGS,
        included=REDHAT_SETTINGS,
        removal="stop postgresql.service, move /var/lib/pgsql/data away, and remove its package",
        setup=Setup("postgresql-setup --initdb", "/var/lib/pgsql/initdb_postgresql.log"),
        streams={"postgresql": str(major)},
    )


def _redhat_cluster_of_pgdg(major: int) -> Cluster:
    data = f"/var/lib/pgsql/{major}/data"
    return Cluster(
        packages=(f"postgresql{major}-server", f"postgresql{major}-contrib"),
        unit=f"postgresql-{major}.service",
        name=(str(major), data),
        programs=f"/usr/pgsql-{major}/bin",
        data=data,
        settings=REDHAT_SETTINGS,
        included=REDHAT_SETTINGS,
        removal=f"stop postgresql-{major}.service, move {data} away, and remove its package",
        setup=Setup(
            f"/usr/pgsql-{major}/bin/postgresql-{major}-setup initdb",
            f"/var/lib/pgsql/{major}/initdb.log",
        ),
        streams={"postgresql": None},
    )


def _pgdg_key(name: str, fingerprint: str) -> Key:
    """A key that no package of the distribution brings; PGDG has one for each architecture.

    The fingerprints are those that dnf shows when it asks whether to import them, and that
    published set-ups of others compare with.
    """
    url = f"https://download.postgresql.org/pub/repos/yum/keys/{name}"
    return Key(f"/etc/pki/rpm-gpg/{name}", url, fingerprint)


ENTERPRISE_LINUX = Family(
    name="Enterprise Linux",
    package_manager="dnf",
    firewall="firewalld",
    # curl is there: rpm needs it, and curl-minimal, which brings it, conflicts with curl.
    tools=("ca-certificates", "logrotate", "tar", "firewalld", "policycoreutils-python-utils"),
    locale_package="glibc-langpack-en",
    clock=Service(("chrony",), "chronyd.service", "chrony"),
    other_clocks=("ntpsec", "ntp", "openntpd"),
    nginx=Nginx(
        packages=("nginx",),
        user="nginx",
        modules="/usr/share/nginx/modules/*.conf",
        # Followed as in the package's own nginx.conf: PROFILE=SYSTEM, and nothing of curves.
        tls_policy=("/etc/crypto-policies/back-ends/opensslcnf.config",),
    ),
    certbot=Certbot(
        ("certbot",), "certbot-renew.service", "certbot-renew.timer", of_distribution=False
    ),
    authorities="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    databases="/var/lib/pgsql",
    cluster=_redhat_cluster,
    cluster_of_pgdg=_redhat_cluster_of_pgdg,
    pgdg=Pgdg(
        source="/etc/yum.repos.d/mattermost-host-pgdg.repo",
        keys={
            "amd64": _pgdg_key("PGDG-RPM-GPG-KEY-RHEL", "D4BF08AE67A0B4C7A1DBCCD240BCA2B408B40D20"),
            "arm64": _pgdg_key(
                "PGDG-RPM-GPG-KEY-AARCH64-RHEL", "B031F89FC983E98262906B6E177B343BB9738825"
            ),
        },
    ),
    ssh_unit="sshd.service",
    selinux=True,
)

FAMILIES = (DEBIAN, ENTERPRISE_LINUX)
