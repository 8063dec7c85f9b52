"""PostgreSQL's clusters as packages lay them out: names of packages, units, folders and programs.

A family of distributions has its own. Several major versions stand side by side with Debian's
packages, and with those of the PostgreSQL project for Enterprise Linux.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Setup:
    """The program that creates an empty cluster, if the packages don't."""

    command: str
    log: str
    """What initdb said."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster of one major version."""

    packages: tuple[str, ...]
    unit: str
    name: tuple[str, str]
    """Version, and name or folder, as in ``HostFacts.clusters``."""
    programs: str
    """Folder of the programs psql and pg_isready, not of Debian's wrappers."""
    data: str
    settings: str
    """Folder of pg_hba.conf."""
    included: str
    """Folder for the file with our parameters."""
    removal: str
    """How an administrator removes such a cluster; where others stand beside it, a command."""
    extensions: str = ""
    """Folder with the control files of extensions."""
    log: str = ""
    """What it logs to, a file or a folder."""
    movers: tuple[str, ...] = ()
    """Programs that move it to another version, besides PostgreSQL's own."""
    setup: Setup | None = None
    """How it is created; None if its package does that."""
    streams: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """Module -> the stream that its packages come from; None: the module has to be disabled."""
    logs: tuple[str, ...] = ()
    """Folder of its log, where that is not in the data folder."""
    confined: bool = False
    """Whether SELinux's policy confines it: from init_t, a unit with NoNewPrivileges= does not get
    into postgresql_t (fedora-selinux/selinux-policy#3281), and then can't read its own files."""

    @property
    def above(self) -> str:
        """The folder in which the data folder is made, renamed and removed."""
        return self.data.rpartition("/")[0]

    @property
    def in_words(self) -> str:
        """Its version and name or folder, in words."""
        version, name = self.name
        return f"{version}{' in ' if '/' in name else '/'}{name}"

    @property
    def major(self) -> int:
        """Its major version."""
        return int(self.name[0])


def of_debian(major: int) -> Cluster:
    """Of Debian's and Ubuntu's own packages, and of the PostgreSQL project's for them."""
    settings = f"/etc/postgresql/{major}/main"
    return Cluster(
        packages=(f"postgresql-{major}",),
        unit=f"postgresql@{major}-main.service",
        name=(str(major), "main"),
        programs=f"/usr/lib/postgresql/{major}/bin",
        data=f"/var/lib/postgresql/{major}/main",
        settings=settings,
        included=f"{settings}/conf.d",
        removal=f"pg_dropcluster {major} main && apt-get purge postgresql-{major}",
        extensions=f"/usr/share/postgresql/{major}/extension",
        log=f"/var/log/postgresql/postgresql-{major}-main.log",
        movers=("pg_upgradecluster", "pg_dropcluster"),
        logs=("/var/log/postgresql",),
    )


REDHAT_SETTINGS = "/etc/mattermost-host/postgresql"
"""Our folder: the packages keep settings in the data folder; see docs/architecture.md."""


def of_appstream(major: int) -> Cluster:
    """AppStream's cluster: one version at a time, that of the enabled module stream."""
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
        confined=True,
    )


def of_pgdg(major: int) -> Cluster:
    """Of the PostgreSQL project's packages for Enterprise Linux."""
    data = f"/var/lib/pgsql/{major}/data"
    packages = (f"postgresql{major}-server", f"postgresql{major}-contrib")
    return Cluster(
        packages=packages,
        unit=f"postgresql-{major}.service",
        name=(str(major), data),
        programs=f"/usr/pgsql-{major}/bin",
        data=data,
        settings=REDHAT_SETTINGS,
        included=REDHAT_SETTINGS,
        removal=f"dnf remove {' '.join(packages)} && rm -rf {data}",
        extensions=f"/usr/pgsql-{major}/share/extension",
        log=f"{data}/log",
        setup=Setup(
            f"/usr/pgsql-{major}/bin/postgresql-{major}-setup initdb",
            f"/var/lib/pgsql/{major}/initdb.log",
        ),
        streams={"postgresql": None},
        confined=True,
    )
