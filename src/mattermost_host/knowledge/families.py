"""How the packages of a family of distributions lay out what we configure.

Components ask the family of their host: the names of a distribution's packages, paths, accounts
and units are here and nowhere else. What changes from release to release is in ``platforms.py``.
"""

from collections.abc import Callable
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
class Cluster:
    """A PostgreSQL cluster of one major version."""

    packages: tuple[str, ...]
    unit: str
    name: tuple[str, str]
    """Version and name, as the facts of a host give them (``HostFacts.clusters``)."""
    programs: str
    """Folder of psql and pg_isready themselves, not of a wrapper."""
    data: str
    settings: str
    """Folder of postgresql.conf and pg_hba.conf."""
    included: str
    """Folder below ``settings`` whose files postgresql.conf includes."""
    removal: str
    """What an administrator types to remove such a cluster."""
    create: str = ""
    """Command that creates it; empty where the package does."""


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


@dataclass(frozen=True)
class Certbot:
    """The client for ACME."""

    packages: tuple[str, ...]
    service: str
    """The unit that renews; a drop-in for it goes into ``SERVICE.d``."""
    timer: str


@dataclass(frozen=True)
class Family:
    """Distributions whose packages agree on paths, accounts and units."""

    name: str
    """What people call the family."""
    package_manager: PackageManager
    firewall: FirewallEngine
    tools: tuple[str, ...]
    """Packages that every host needs."""
    locale_packages: tuple[str, ...]
    """Packages that bring the locale of the database; the rest is in the operation."""
    clock: Service
    """The time daemon that is kept running where there is no other."""
    other_clocks: tuple[str, ...]
    """Packages of time daemons that somebody else may have chosen."""
    nginx: Nginx
    certbot: Certbot
    authorities: str
    """File with all certificates of authorities that the system trusts."""
    cluster: Callable[[int], Cluster] = field(repr=False)
    """The cluster of a major version, by the distribution's own packages."""
    cluster_of_pgdg: Callable[[int], Cluster] = field(repr=False)
    """The same by the packages of the PostgreSQL project."""
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


DEBIAN = Family(
    name="Debian and Ubuntu",
    package_manager="apt",
    firewall="nftables",
    tools=("ca-certificates", "curl", "logrotate", "nftables"),
    locale_packages=("locales",),
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
    cluster=_debian_cluster,
    cluster_of_pgdg=_debian_cluster,
)


def _redhat_cluster(major: int) -> Cluster:
    """AppStream's: one version at a time, whichever its module stream brings."""
    data = "/var/lib/pgsql/data"
    return Cluster(
        packages=("postgresql-server", "postgresql-contrib"),
        unit="postgresql.service",
        name=(str(major), "data"),
        programs="/usr/bin",
        data=data,
        settings=data,
        included=f"{data}/conf.d",
        removal="stop postgresql.service, move /var/lib/pgsql/data away, and remove its package",
        create="postgresql-setup --initdb",
    )


def _redhat_cluster_of_pgdg(major: int) -> Cluster:
    data = f"/var/lib/pgsql/{major}/data"
    return Cluster(
        packages=(f"postgresql{major}-server", f"postgresql{major}-contrib"),
        unit=f"postgresql-{major}.service",
        name=(str(major), "data"),
        programs=f"/usr/pgsql-{major}/bin",
        data=data,
        settings=data,
        included=f"{data}/conf.d",
        removal=f"stop postgresql-{major}.service, move {data} away, and remove its package",
        create=f"/usr/pgsql-{major}/bin/postgresql-{major}-setup initdb",
    )


ENTERPRISE_LINUX = Family(
    name="Enterprise Linux",
    package_manager="dnf",
    firewall="firewalld",
    # curl is there: rpm needs it, and curl-minimal, which brings it, conflicts with curl.
    tools=("ca-certificates", "logrotate", "firewalld", "policycoreutils-python-utils"),
    locale_packages=("glibc-langpack-en",),
    clock=Service(("chrony",), "chronyd.service", "chrony"),
    other_clocks=("ntpsec", "ntp", "openntpd"),
    nginx=Nginx(packages=("nginx",), user="nginx", modules="/usr/share/nginx/modules/*.conf"),
    certbot=Certbot(("certbot",), "certbot-renew.service", "certbot-renew.timer"),
    authorities="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    cluster=_redhat_cluster,
    cluster_of_pgdg=_redhat_cluster_of_pgdg,
    ssh_unit="sshd.service",
    selinux=True,
)

FAMILIES = (DEBIAN, ENTERPRISE_LINUX)
