"""A cgroup for each host. Without one of its own, hosts share a tree and kill each other's units.

Where systemd runs this machine on the unified hierarchy, systemd-nspawn asks it for a scope, as
everywhere. Elsewhere (an older hybrid layout, a machine without systemd) the host gets a cgroup
that the lab makes, in a mount namespace that shows cgroup2 where systemd-nspawn looks for it.
"""

from pathlib import Path

from tests.lab.shell import run, wait_until

_SHOW_CGROUP2 = """
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount --recursive /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 none /sys/fs/cgroup
fi
"""
_KILL = "[ ! -e /sys/fs/cgroup/$1 ] || echo 1 > /sys/fs/cgroup/$1/cgroup.kill"
_REMOVE = "[ ! -e /sys/fs/cgroup/$1 ] || find /sys/fs/cgroup/$1 -depth -type d -exec rmdir {} +"


def by_systemd() -> bool:
    """Whether systemd of this machine gives each host its scope."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return unified and Path("/run/systemd/system").is_dir()


def nspawn_options() -> list[str]:
    """Options of systemd-nspawn that go with `enter`."""
    return [] if by_systemd() else ["--register=no", "--keep-unit"]


def enter(name: str) -> str:
    """Shell lines that move the shell into the cgroup `name`; for a private mount namespace."""
    if by_systemd():
        return ""
    group = f"/sys/fs/cgroup/{name}"
    # A /run of its own: systemd-nspawn leaves folders there, and where /run is on a disk it even
    # fails over them.
    lines = ["mount -t tmpfs run /run", f"mkdir -p {group}", f"echo $$ > {group}/cgroup.procs"]
    return "\n".join([_SHOW_CGROUP2, *lines, ""])


def clear(name: str) -> None:
    """Kill what is left in the cgroup `name`, and remove it; at most 20 s."""
    if by_systemd():
        return
    _in_namespace(_KILL, name)
    wait_until(lambda: _in_namespace(_REMOVE, name) == 0, 20, f"the cgroup {name} is empty")


def _in_namespace(script: str, name: str) -> int:
    lines = f"{_SHOW_CGROUP2}\n{script}"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", lines, "sh", name]
    return run(argv, check=False).returncode
