"""Families of distributions: names of packages, paths, accounts and units.

Components ask the family of their host; such names are here and nowhere else, those of PostgreSQL's
clusters in ``clusters.py``. What differs between releases of a distribution is in ``platforms.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mattermost_host.knowledge import clusters
from mattermost_host.knowledge.clusters import Cluster

PackageManager = Literal["apt", "dnf"]
WITHOUT_SFTP = {("debian", "11"), ("debian", "12"), ("ubuntu", "22.04")}
"""Releases whose pgBackRest is older than the first that speaks SFTP."""
WITH_PATRONI_4 = {("debian", "13")}
"""Releases whose own Patroni is 4 or newer; Ubuntu 24.04 has 3.2, Enterprise Linux has none."""
WITH_NEEDS_OF_PATRONI_4 = {("debian", "12")}
"""Releases with an older one, whose packages have all that Patroni 4 from PyPI needs."""
FirewallEngine = Literal["nftables", "firewalld"]


@dataclass(frozen=True)
class Service:
    """A service of a package, with the paths of its configuration."""

    packages: tuple[str, ...]
    unit: str
    user: str
    """Account that it runs as."""


@dataclass(frozen=True)
class Key:
    """A public key that signs packages."""

    path: str
    url: str = ""
    """URL that the host fetches it from; empty if a package contains it."""
    fingerprint: str = ""


@dataclass(frozen=True)
class Pgdg:
    """How the PostgreSQL project's repository (PGDG) is added to a package manager."""

    source: str
    """The file that adds the repository."""
    keys: Mapping[str, Key]
    """By the host's architecture."""
    key_packages: tuple[str, ...] = ()
    """The distribution's packages that contain the key."""


@dataclass(frozen=True)
class Nginx:
    """The distribution's NGINX."""

    packages: tuple[str, ...]
    user: str
    modules: str
    """Files that load the installed modules; absolute, or relative to /etc/nginx."""
    other_sites: tuple[str, ...] = ()
    """Files of sites that the main file includes besides conf.d."""
    default_site: str | None = None
    """The package's default site, if it is a file of its own."""
    tls_policy: tuple[str, ...] = ()
    """OpenSSL's file of the system-wide crypto policy, if there is one."""


@dataclass(frozen=True)
class Certbot:
    """The ACME client certbot."""

    packages: tuple[str, ...]
    service: str
    """The unit that renews certificates; a drop-in for it goes into ``SERVICE.d``."""
    timer: str
    of_distribution: bool = True
    """Whether the distribution's own repositories have it."""


@dataclass(frozen=True)
class Family:
    """Distributions whose packages have the same paths, accounts and units."""

    name: str
    """The usual name of the family."""
    package_manager: PackageManager
    firewall: FirewallEngine
    tools: tuple[str, ...]
    """Packages that every host needs."""
    locale_package: str
    """Packages with the database's locale, or with what it is generated from."""
    clock: Service
    """The time daemon that is installed if there is no other."""
    other_clocks: tuple[str, ...]
    """Packages of other time daemons that an administrator may have chosen."""
    nginx: Nginx
    certbot: Certbot
    authorities: str
    """File with all CA certificates that the system trusts."""
    databases: str
    """The folder that holds PostgreSQL's data."""
    cluster: Callable[[int], Cluster] = field(repr=False)
    """The cluster of a major version from the distribution's own packages."""
    cluster_of_pgdg: Callable[[int], Cluster] = field(repr=False)
    """The same from the PostgreSQL project's packages. Several of these stand side
    by side: a move of the database leads from one to another."""
    pgdg: Pgdg = field(repr=False)
    backup: tuple[str, ...] = ()
    """Packages of pgBackRest and restic; empty if the distribution has none."""
    etcd: tuple[str, ...] = ()
    """Packages of etcd and its client; empty if the distribution has none."""
    haproxy: tuple[str, ...] = ()
    """Packages of HAProxy; empty where a server can't reach a database on several hosts."""
    ssh_unit: str = "ssh.service"
    selinux: bool = False
    """Whether SELinux is enforcing by default."""


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
    cluster=clusters.of_debian,
    cluster_of_pgdg=clusters.of_debian,
    pgdg=Pgdg(
        source="/etc/apt/sources.list.d/pgdg.sources",
        keys={"amd64": _PGDG_KEY_OF_DEBIAN, "arm64": _PGDG_KEY_OF_DEBIAN},
        key_packages=("postgresql-common",),
    ),
    backup=("pgbackrest", "restic"),
    etcd=("etcd-server", "etcd-client"),
    haproxy=("haproxy",),
)


def _pgdg_key(name: str, fingerprint: str) -> Key:
    """The key of PGDG, one for each architecture, which no package of the distribution contains.

    The fingerprints are those that dnf shows before it imports the key; other published set-ups
    compare with the same ones.
    """
    url = f"https://download.postgresql.org/pub/repos/yum/keys/{name}"
    return Key(f"/etc/pki/rpm-gpg/{name}", url, fingerprint)


ENTERPRISE_LINUX = Family(
    name="Enterprise Linux",
    package_manager="dnf",
    firewall="firewalld",
    # curl is not listed: rpm needs curl-minimal, which conflicts with the package curl.
    tools=("ca-certificates", "logrotate", "tar", "firewalld", "policycoreutils-python-utils"),
    locale_package="glibc-langpack-en",
    clock=Service(("chrony",), "chronyd.service", "chrony"),
    other_clocks=("ntpsec", "ntp", "openntpd"),
    nginx=Nginx(
        packages=("nginx",),
        user="nginx",
        modules="/usr/share/nginx/modules/*.conf",
        # As in the package's own nginx.conf: PROFILE=SYSTEM, and no curves stated.
        tls_policy=("/etc/crypto-policies/back-ends/opensslcnf.config",),
    ),
    certbot=Certbot(
        ("certbot",), "certbot-renew.service", "certbot-renew.timer", of_distribution=False
    ),
    authorities="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    databases="/var/lib/pgsql",
    cluster=clusters.of_appstream,
    cluster_of_pgdg=clusters.of_pgdg,
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
