"""One host as a machine: its disk, its start by systemd-nspawn, its end."""

import os
import shlex
import shutil
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path

from tests.lab import cgroup, network, places
from tests.lab.shell import run
from tests.lab.state import HostState, LabState, Process

_ARCHIVES = Path("var/cache/apt/archives")

# The root is mounted in a namespace of its own: it goes away with the host, whatever kills it.
# volatile: no fsync reaches the disk; a power cut here takes the process, not the page cache.
_MOUNT = """
rm -rf {disk}/work/work/incompat
options=lowerdir={image},upperdir={disk}/upper,workdir={disk}/work
mount -t overlay overlay -o $options,volatile {disk}/root 2>/dev/null ||
    mount -t overlay overlay -o $options {disk}/root
"""


def make_disk(state: LabState, host: HostState) -> str:
    """An empty disk over the host's image, with keys, address and names; its public host key."""
    disk = state.disk(host)
    for folder in ("upper", "work", "root"):
        (disk / folder).mkdir(parents=True)
    (disk / "upper").chmod(0o755)
    host_key = disk / "host_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", str(host_key)])
    login = state.folder.joinpath("key.pub").read_text()
    put(state, host, "/etc/machine-id", f"{uuid.uuid4().hex}\n")
    put(state, host, "/etc/hostname", f"{host.name}\n")
    put(state, host, "/etc/resolv.conf", "".join(f"nameserver {s}\n" for s in network.resolvers()))
    put(state, host, "/etc/hosts", hosts_file(state))
    put(state, host, "/etc/systemd/network/10-lab.network", _network_unit(state, host))
    put(state, host, "/etc/ssh/sshd_config.d/lab.conf", f"Port {host.ssh_port}\n")
    put(state, host, "/etc/ssh/ssh_host_ed25519_key", host_key.read_text(), mode=0o600)
    put(state, host, "/root/.ssh/authorized_keys", login, mode=0o600)
    put(state, host, "/home/admin/.ssh/authorized_keys", login, mode=0o600)
    _make_folder(disk / "upper", host.image, _ARCHIVES)
    _share_packages(places.packages(host.suite), disk / "upper" / _ARCHIVES)
    return host_key.with_suffix(".pub").read_text()


def put(state: LabState, host: HostState, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file onto the disk of a host that is switched off."""
    upper = state.disk(host) / "upper"
    relative = Path(path).relative_to("/")
    _make_folder(upper, host.image, relative.parent)
    target = upper / relative
    target.touch(mode=0o600)
    target.write_text(text)
    target.chmod(mode)
    owner = (upper / relative.parent).stat()
    os.chown(target, owner.st_uid, owner.st_gid)


def hosts_file(state: LabState) -> str:
    """/etc/hosts of every host of the lab: all hosts, and the names given to them."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for host in state.hosts.values():
        names = " ".join(
            [host.name, *(name for name, of in state.names.items() if of == host.name)]
        )
        lines.append(f"{network.subnet(state.index)[host.number + 1]} {names}")
        lines.append(f"{network.subnet6(state.index)[host.number + 1]} {names}")
    return "\n".join(lines) + "\n"


def start(state: LabState, host: HostState) -> subprocess.Popen[bytes]:
    """Switch the host on, and write its process down in `host`."""
    name, disk = state.machine(host), state.disk(host)
    script = (
        "set -e\n"
        + _MOUNT.format(disk=shlex.quote(str(disk)), image=shlex.quote(str(host.image)))
        + cgroup.enter(name)
        + f"exec {shlex.join(_nspawn(state, host))}\n"
    )
    with state.console(host).open("ab") as console:
        started = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,  # Ctrl-C is for the tests, which then clear up in order
        )
    host.process = Process.of(started.pid)
    state.save()
    return started


def kill(state: LabState, host: HostState) -> None:
    """A power cut; the disk stays."""
    # Its port first: the sockets of a killed host would still say goodbye to the others.
    network.remove_port(state.bridge, host.number)
    if host.process:
        host.process.kill()
    cgroup.clear(state.machine(host))
    host.process = None
    state.save()


def remove(state: LabState, host: HostState) -> None:
    """A power cut, and the disk goes too. Downloaded packages serve the next hosts."""
    kill(state, host)
    _share_packages(state.disk(host) / "upper" / _ARCHIVES, places.packages(host.suite))
    shutil.rmtree(state.disk(host), ignore_errors=True)


def _nspawn(state: LabState, host: HostState) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--machine={state.machine(host)}",
        f"--hostname={host.name}",
        f"--directory={state.disk(host) / 'root'}",
        "--network-veth",
        f"--network-bridge={state.bridge}",
        "--settings=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        *cgroup.nspawn_options(),
    ]


def _network_unit(state: LabState, host: HostState) -> str:
    return f"""[Match]
Name=host0

[Link]
MTUBytes={network.MTU}

[Network]
Address={network.subnet(state.index)[host.number + 1]}/24
Address={network.subnet6(state.index)[host.number + 1]}/64
Gateway={network.subnet(state.index)[1]}
DHCP=no
IPv6AcceptRA=no
IPv6DuplicateAddressDetection=0
"""


def _make_folder(upper: Path, image: Path, relative: Path) -> None:
    """A folder of the disk with the owner and the mode that it has in the image."""
    for folder in [*reversed(relative.parents[:-1]), relative]:
        made, model = upper / folder, image / folder
        if made.is_dir():
            continue
        if model.is_dir():
            like = model.stat()
            made.mkdir()
            made.chmod(like.st_mode & 0o7777)
        else:
            like = made.parent.stat()
            made.mkdir(mode=0o700)
        os.chown(made, like.st_uid, like.st_gid)


def _share_packages(source: Path, target: Path) -> None:
    """Link downloaded packages: apt only ever makes whole files here, and never changes one."""
    target.mkdir(parents=True, exist_ok=True)
    have = {path.name for path in target.glob("*.deb")}
    for package in source.glob("*.deb"):
        if package.name not in have:
            with suppress(FileExistsError):  # another lab was quicker
                (target / package.name).hardlink_to(package)
