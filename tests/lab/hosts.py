"""The lab: real hosts with systemd, ssh and a network, and what one does to them in a test.

with Lab() as lab:
    host = lab.up("mm", suite="trixie")
    print(host.run("systemctl is-system-running").stdout)
    lab.crash(host)
    lab.start(host)
"""

import shlex
import subprocess
from typing import Self

from tests.lab import image, machine, network, reaper
from tests.lab.shell import CommandFailed, Waited, run, wait_until
from tests.lab.state import HostState, LabState

BOOT = 60.0  # seconds; a boot takes 1 to 3 where nothing else is going on


class LabHost:
    """One host. Its `address` and `address6` stay the same over crashes and reboots."""

    def __init__(self, lab: LabState, state: HostState) -> None:
        """The host that `state` describes; Lab.up makes them."""
        self._lab = lab
        self._state = state
        self.name = state.name
        self.suite = state.suite
        self.ssh_port = state.ssh_port
        self.address = str(network.subnet(lab.index)[state.number + 1])
        self.address6 = str(network.subnet6(lab.index)[state.number + 1])

    def ssh(self, user: str = "root") -> list[str]:
        """The ssh command that logs in as `user` (root or admin), without a command to run."""
        folder = self._lab.folder
        options = [
            f"UserKnownHostsFile={folder / 'known_hosts'}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
            "ConnectTimeout=5",
            "ServerAliveInterval=5",
        ]
        settings = [part for option in options for part in ("-o", option)]
        login = ["-i", str(folder / "key"), "-p", str(self.ssh_port), f"{user}@{self.address}"]
        return ["ssh", "-F", "none", *settings, *login]

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        check: bool = True,
        stdin: str | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside, for at most `timeout` seconds; CommandFailed shows output."""
        argv = [*self.ssh(user), "--", command]
        shown = f"{self.name}: {command}"
        return run(argv, stdin=stdin or "", check=check, timeout=timeout, shown=shown)

    def read(self, path: str) -> str:
        """The text of a file inside."""
        return self.run(f"cat {shlex.quote(path)}").stdout

    def write(self, path: str, text: str) -> None:
        """Replace the text of a file inside; a new one is root's, 0644."""
        self.run(f"cat > {shlex.quote(path)}", stdin=text)

    def start(self) -> str:
        """Switch on what is off, and wait for the end of the boot; systemd's word for it."""
        self._started = machine.start(self._lab, self._state)
        try:
            return self._wait_booted()
        except Waited as error:
            console = self._lab.console(self._state).read_text(errors="replace")
            raise CommandFailed(f"{error}\nIts console said:\n{console[-3000:]}") from error

    def reboot(self) -> str:
        """Reboot in order, and wait for the end of the boot; systemd's word for it."""
        before = self._boot()
        self.run("systemctl reboot", check=False)
        wait_until(
            lambda: not self.running or self._boot() not in ("", before),
            BOOT,
            f"{self.name} went down for a reboot",
        )
        if self.running:
            return self._wait_booted()
        # A host in a cgroup of its own ends instead; whoever runs it is to start it again.
        machine.kill(self._lab, self._state)
        return self.start()

    @property
    def running(self) -> bool:
        """Whether the host is switched on."""
        return bool(self._state.process and self._state.process.alive())

    def _wait_booted(self) -> str:
        wait_until(self._boot, BOOT, f"{self.name} answers ssh at {self.address}")
        return self.run("systemctl is-system-running --wait", check=False).stdout.strip()

    def _boot(self) -> str:
        """When PID 1 inside was started, in clock ticks; empty while ssh does not answer."""
        return self.run("cut -d' ' -f22 /proc/1/stat", check=False, timeout=20).stdout.strip()


class Lab:
    """A network of hosts. Everything is cleared away at the end of `with`, or of this process.

    A lab with keep=True has a name, outlives this process, and is found again by Lab.attach.
    """

    def __init__(self, name: str | None = None, *, keep: bool = False) -> None:
        """A new, empty lab. NoNetwork where the machine has no room for its network."""
        self._open(reaper.claim(name, keep=keep))
        folder = self._state.folder
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(self.key)])
        (folder / "known_hosts").touch()

    @classmethod
    def attach(cls, name: str) -> "Lab | None":
        """The kept lab of that name, or None where there is none."""
        found = reaper.find(name)
        if not found:
            return None
        lab = cls.__new__(cls)
        lab._open(found)
        return lab

    def _open(self, state: LabState) -> None:
        self._state = state
        self.name = state.name
        self.bridge = state.bridge
        self.key = state.folder / "key"
        self.known_hosts = state.folder / "known_hosts"
        self.hosts = {name: LabHost(state, host) for name, host in state.hosts.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Switch all hosts off and clear everything away."""
        reaper.release(self._state)
        self.hosts.clear()

    def up(self, name: str, suite: str = "bookworm", ssh_port: int = 22) -> LabHost:
        """A new host, booted, with root and admin (sudo without password) logging in by key."""
        number = max((host.number for host in self._state.hosts.values()), default=0) + 1
        state = HostState(
            name=name,
            suite=suite,
            image=image.ensure(suite),
            number=number,
            ssh_port=ssh_port,
        )
        self._state.hosts[name] = state
        self._state.save()
        host = self.hosts[name] = LabHost(self._state, state)
        self._trust(host, machine.make_disk(self._state, state))
        self._tell_names(but=name)
        found = host.start()
        if found != "running":
            failed = host.run("systemctl --failed --no-pager", check=False).stdout
            raise CommandFailed(f"{name} booted, but systemd says {found}:\n{failed}")
        return host

    def start(self, host: LabHost) -> str:
        """Boot a host that was crashed; what systemd says of it then: running or degraded."""
        return host.start()

    def crash(self, host: LabHost) -> None:
        """Cut the power: SIGKILL for everything inside. `start` boots it again."""
        machine.kill(self._state, self._state.hosts[host.name])

    def down(self, host: LabHost) -> None:
        """Take a host away for good."""
        machine.remove(self._state, self._state.hosts.pop(host.name))
        self._state.save()
        del self.hosts[host.name]
        self._distrust(host)

    def renew(self, host: LabHost) -> str:
        """A new machine in the place of one that was lost for good: same name and address."""
        state = self._state.hosts[host.name]
        machine.remove(self._state, state)
        self._distrust(host)
        self._trust(host, machine.make_disk(self._state, state))
        self._tell_names(but=host.name)
        return host.start()

    def cut(self, one: LabHost, other: LabHost) -> None:
        """Let nothing through between two hosts, in both directions, until `heal`."""
        ports = [
            network.port(self._state.bridge, self._state.hosts[host.name].number)
            for host in (one, other)
        ]
        network.cut(self._state.bridge, *ports)

    def heal(self) -> None:
        """Take back all cuts."""
        network.heal(self._state.bridge)

    def resolve(self, name: str, host: LabHost) -> None:
        """Let `name` mean `host` inside all hosts of the lab."""
        self._state.names[name] = host.name
        self._state.save()
        self._tell_names()

    def _tell_names(self, but: str | None = None) -> None:
        text = machine.hosts_file(self._state)
        for host in self.hosts.values():
            if host.name == but:
                continue
            if host.running:
                host.write("/etc/hosts", text)
            else:
                machine.put(self._state, self._state.hosts[host.name], "/etc/hosts", text)

    def _distrust(self, host: LabHost) -> None:
        """Forget its key: the next host may get its address."""
        lines = self.known_hosts.read_text().splitlines(keepends=True)
        gone = tuple(f"{name} " for name in _ssh_names(host))
        self.known_hosts.write_text("".join(line for line in lines if not line.startswith(gone)))

    def _trust(self, host: LabHost, public_key: str) -> None:
        key = " ".join(public_key.split()[:2])
        with self.known_hosts.open("a") as known:
            for name in _ssh_names(host):
                known.write(f"{name} {key}\n")


def _ssh_names(host: LabHost) -> list[str]:
    """How known_hosts names a host: by address, and by port where it is not ssh's own."""
    addresses = (host.address, host.address6)
    return [one if host.ssh_port == 22 else f"[{one}]:{host.ssh_port}" for one in addresses]
