"""What a host is: read in one round trip over ssh, or with psutil and distro on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Listener:
    """A listening socket."""

    protocol: str
    address: str
    port: int
    process: str


@dataclass(frozen=True)
class HostFacts:
    """The facts that preflight judges and that components are sized by."""

    distribution: str
    """``ID`` of os-release: debian, ubuntu, rhel, almalinux, rocky, ol."""
    release: str
    """``VERSION_ID`` of os-release: 12, 24.04, 9.4."""
    architecture: str
    """amd64 or arm64, otherwise what ``uname -m`` says."""
    glibc: str
    cpus: int
    memory_mb: int
    free_disk_mb: int
    """Free on the file system that holds /opt (or will)."""
    opt_noexec: bool
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
    """Global addresses of the host, without prefix length."""
    resolved: tuple[str, ...] = ()
    """Addresses that the name in the site's URL resolves to, on this host."""
    packages: tuple[tuple[str, str], ...] = ()
    """Installed versions of the packages that matter (see ``PACKAGES``)."""
    candidates: tuple[tuple[str, str], ...] = ()
    """Versions apt would install of ``postgresql`` and ``nginx``; empty without package lists."""
    clusters: tuple[tuple[str, str, int], ...] = ()
    """PostgreSQL clusters on the host: (version, name, port)."""
    active_units: tuple[str, ...] = ()
    """Those of ufw, firewalld, nginx, apache2, lighttpd, caddy, haproxy … that are active."""
    clock_synchronised: bool = True
    clock_offset_s: float = 0.0
    """Clock of the host minus the clock of the control machine, seconds."""
    locales: tuple[str, ...] = ()
    container: bool = False
    """Inside a container: clock and some sysctls belong to the machine below."""
    ssh_port: int = 22
    """The port of the host by which this run came in (sshd's own where there is none)."""
    managed: bool = False
    """/etc/mattermost-host exists: a run of ours was here."""
