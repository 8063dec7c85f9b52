"""The facts of the local machine: by psutil, and by ``host.sh`` for the rest."""

import platform
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from mattermost_host.engine import batch, shell
from mattermost_host.facts.host import (
    ARCHITECTURES,
    DISK_PATHS,
    Disk,
    HostFacts,
    Listener,
    is_global,
    sshd_port,
)
from mattermost_host.facts.questions import AskHost, Fields, fields

BY_SHELL = (
    "system",
    "glibc",
    "packages",
    "candidates",
    "clusters",
    "database",
    "units",
    "clock",
    "locales",
    "releases",
    "current_release",
    "noted_release",
    "last_upgrade",
    "system_upgrade",
    "restore",
    "foreign",
    "lego",
    "patroni",
    "cluster_data",
    "container",
    "nftables",
    "legacy_rules",
    "mounts",
    "generated",
    "odd_files",
    "forwarding",
    "read_only",
    "temporary",
    "first_boot",
    "backup_key",
    "backups",
    "snaps",
    "modules",
    "repositories",
    "registered",
    "fips",
    "crypto_policy",
    "allowed_programs",
    "sudo_rules",
)
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SELINUX = Path("/sys/fs/selinux/enforce")
NOT_TOLD: Fields = {"distribution": "", "release": "", "glibc": ""}


def read(site: str, backup: str = "") -> HostFacts:
    """The facts of this machine. ``site`` is the name in the site's URL."""
    asked = [AskHost(name, site, backup) for name in BY_SHELL]
    disks = [_disk(path) for path in DISK_PATHS]
    listeners = _listeners()
    return HostFacts(
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        cpus=len(psutil.Process().cpu_affinity() or ()),
        memory_mb=_memory_mb(),
        opt_noexec="noexec" in _partition(DISK_PATHS[0]).opts.split(","),
        disks=tuple(disks),
        listeners=listeners,
        addresses=_addresses(),
        has_ipv6=Path("/proc/net/if_inet6").exists(),
        resolved=_resolved(site),
        ssh_port=_ssh_port() or sshd_port(listeners),
        managed=Path("/etc/mattermost-host").is_dir(),
        selinux=_selinux(),
        **(NOT_TOLD | fields(batch.told(asked, _printed))),
    )


def _printed(script: str) -> list[str]:
    text = f"{shell.FIXED}\n{script}"
    asked = subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, check=True)
    return asked.stdout.splitlines()


def _memory_mb() -> int:
    limits = [psutil.virtual_memory().total]
    for file in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # no such cgroup hierarchy, or "max"
            limits.append(int(file.read_text()))
    return min(limits) // 2**20


def _existing(path: str) -> Path:
    """The path, or its nearest parent that exists."""
    wanted = Path(path)
    return next(one for one in (wanted, *wanted.parents) if one.exists())


def _partition(path: str) -> "psutil._ntuples.sdiskpart":
    """The file system that holds ``path``; of two mounts in one place, the later one counts."""
    mounted = {one.mountpoint: one for one in psutil.disk_partitions(all=True)}
    place = _existing(path).resolve()
    return next(mounted[str(one)] for one in (place, *place.parents) if str(one) in mounted)


def _disk(path: str) -> Disk:
    mount = _partition(path)
    file_system = mount.device if "/" in mount.device else mount.mountpoint
    usage = psutil.disk_usage(str(_existing(path)))
    return Disk(path, file_system, usage.free // 2**20, usage.total // 2**20)


def _listeners() -> tuple[Listener, ...]:
    found = set()
    for connection in psutil.net_connections("inet"):
        tcp = connection.type == socket.SOCK_STREAM
        listening = connection.status == psutil.CONN_LISTEN if tcp else not connection.raddr
        if listening and connection.laddr:
            address, port = connection.laddr
            found.add(
                Listener("tcp" if tcp else "udp", address, port, _process_name(connection.pid))
            )
    return tuple(sorted(found, key=lambda one: (one.port, one.protocol, str(one))))


def _process_name(pid: int | None) -> str:
    """The kernel's name, 15 characters, as over ssh; psutil would complete it."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).name()[:15] if pid else ""
    return ""


def _addresses() -> tuple[str, ...]:
    every = [
        one.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in (socket.AF_INET, socket.AF_INET6)
    ]
    return tuple(sorted(filter(is_global, every)))


def _resolved(site: str) -> tuple[str, ...]:
    try:
        answer = socket.getaddrinfo(site, None)
    except socket.gaierror:
        return ()
    return tuple(sorted({str(one[4][0]) for one in answer}))


def _ssh_port() -> int | None:
    """The port of the ssh session that this process belongs to; sudo may hide it."""
    for process in (psutil.Process(), *psutil.Process().parents()):
        with suppress(psutil.Error):
            if connection := process.environ().get("SSH_CONNECTION"):
                return int(connection.split()[-1])
    return None


def _selinux() -> str:
    if not SELINUX.exists():
        return "disabled"
    return "enforcing" if SELINUX.read_text().strip() == "1" else "permissive"
