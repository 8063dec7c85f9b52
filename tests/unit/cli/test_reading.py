"""Reading writes nothing, as the file system tells: each command against a real ssh server.

Behind the server is this machine, so plans are made of real facts and real questions. What a
command writes is in one place each: the report that it is told to write, for `drift` its history
and memory in XDG_STATE_HOME, and the ssh key of a host that was not known before.
"""

import hashlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mattermost_host.cli import init
from mattermost_host.site.site import Site
from tests.unit.ssh_server import ExecServer, listening

PROJECT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
READING = {
    "preflight": (0, ["mattermost-host", "preflight", "inventory.py"]),
    "plan": (2, ["mattermost-host", "plan", "inventory.py"]),
    "verify": (1, ["mattermost-host", "verify", "inventory.py"]),
    "drift": (2, ["mattermost-host", "drift", "inventory.py"]),
    "history": (0, ["mattermost-host", "drift", "inventory.py", "--history"]),
    "pyinfra --dry": (0, ["pyinfra", "--dry", "inventory.py", "deploys/site.py"]),
    "pyinfra preflight": (0, ["pyinfra", "-y", "inventory.py", "deploys/preflight.py"]),
    "pyinfra fact": (0, ["pyinfra", "inventory.py", "fact", "server.Kernel"]),
}
"""The exit status of each on a host to which nothing was deployed, and its words."""


@dataclass(frozen=True)
class Place:
    """A folder as `init` writes it, a home, and a folder for what `drift` keeps."""

    folder: Path
    home: Path
    state: Path
    server: ExecServer

    def run(self, *words: str, read_only: bool = False) -> subprocess.CompletedProcess[str]:
        """Type a command in the folder; ``read_only``: where nothing can be written but state."""
        argv = [str(BIN / words[0]), *words[1:]]
        if read_only and os.geteuid() == 0:
            # Modes are none of root's business; a mount is.
            mounts = "".join(
                f"mount --bind {one} {one}; mount -o remount,ro,bind {one}; "
                for one in map(shlex.quote, map(str, (self.folder, self.home)))
            )
            script = f"set -e; {mounts} cd {shlex.quote(str(self.folder))}; exec {shlex.join(argv)}"
            argv = ["unshare", "--mount", "sh", "-c", script]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.state),
            "PYINFRA_PROGRESS": "off",
            "COLUMNS": "200",
        }
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def seen(self) -> Mapping[str, tuple[object, ...]]:
        """Everything that may not change: the folder, the home, the project's own files."""
        ours = [PROJECT / name for name in ("config.py", "deploys", "templates", "inventories")]
        roots = [self.folder, self.home, *ours]
        found = {str(path): _state(path) for root in roots for path in [root, *root.rglob("*")]}
        return found | {str(path): () for path in PROJECT.iterdir()}


def _state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return status.st_mode, status.st_uid, status.st_mtime_ns, content


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A host that is known, and does as far as the checks go; nothing was deployed to it."""
    made = tmp_path_factory.mktemp("reading")
    folders = [made / name for name in ("site", "home", "state")]
    for folder in folders:
        folder.mkdir(mode=0o755)
    server = ExecServer("admin", "ssh-secret")
    with listening(server) as port:
        folder, home, state = folders
        here = Place(folder, home, state, server)
        init.write(here.folder, "https://chat.example.com", 50, ["127.0.0.1"])
        data = {
            "ssh_port": port,
            "ssh_user": "admin",
            "ssh_password": "ssh-secret",
            "_sudo": False,
        }
        _inventory(here, data, {})
        report = json.loads(
            here.run("mattermost-host", "preflight", "--json", "inventory.py").stdout
        )
        (findings,) = report["hosts"].values()
        wrong = {one["name"] for one in findings if one["verdict"] == "error"}
        # Lab tests that run at the same time switch it on for their hosts.
        wrong.add("forwarding")
        _inventory(here, data, dict.fromkeys(sorted(wrong), "this machine is no host"))
        names = {path.name for path in here.folder.iterdir()}
        assert names == {".gitignore", "config.py", "deploys", "inventory.py"}
        yield here


def _inventory(place: Place, data: Mapping[str, object], skip: Mapping[str, str]) -> None:
    site = {"url": "https://chat.example.com", "users": 50, "skip": skip}
    text = f"site = {site!r}\napp = db = proxy = [('127.0.0.1', {data!r})]\n"
    (place.folder / "inventory.py").write_text(text)


@pytest.fixture
def secrets(place: Place) -> Iterator[None]:
    """What a deploy would have kept."""
    before = set(place.folder.iterdir())
    Site.load(place.folder / "inventory.py").secrets.keep()
    yield
    for path in set(place.folder.iterdir()) - before:
        path.unlink()


@pytest.mark.parametrize("command", READING)
def test_before_the_first_deploy_nothing_is_generated_or_written(
    place: Place, command: str
) -> None:
    before, asked = place.seen(), len(place.server.commands)
    status, words = READING[command]
    done = place.run(*words)
    assert place.seen() == before
    assert done.returncode == status, done.stdout + done.stderr
    assert len(place.server.commands) > asked or command == "history"
    kept = {path.name for path in place.state.rglob("*") if path.is_file()}
    assert kept <= {"history.jsonl", "memory.json"}


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("command", READING)
def test_afterwards_no_place_to_write_is_needed(place: Place, command: str) -> None:
    if os.geteuid() == 0:
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
        if tried.returncode:
            pytest.skip("this machine lets root make no mounts of its own")
    closed = [place.folder, place.home, place.home / ".ssh"]
    before = place.seen()
    for one in closed:
        one.chmod(0o555)
    status, words = READING[command]
    try:
        done = place.run(*words, read_only=True)
    finally:
        for one in closed:
            one.chmod(0o755)
    assert done.returncode == status, done.stdout + done.stderr
    assert "ead-only file" not in done.stderr and "ermission" not in done.stderr, done.stderr
    assert set(place.seen()) == set(before)


def test_a_report_is_written_where_it_is_told(place: Place) -> None:
    before = place.seen()
    place.run("mattermost-host", "plan", "inventory.py", "--json", "plan.json", "--junit", "p.xml")
    written = {place.folder / "plan.json", place.folder / "p.xml"}
    assert set(place.seen()) - set(before) == set(map(str, written))
    assert json.loads((place.folder / "plan.json").read_text())["status"] == 2
    for path in written:
        path.unlink()


@pytest.fixture
def no_ssh(place: Place) -> Iterator[None]:
    """The host's port is taken by a server of something else, as when two were mixed up."""
    text = (place.folder / "inventory.py").read_text()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        port = server.getsockname()[1]
        changed = re.sub(r"'ssh_port': \d+", f"'ssh_port': {port}", text)
        (place.folder / "inventory.py").write_text(changed)
        yield
        server.shutdown(socket.SHUT_RDWR)
    (place.folder / "inventory.py").write_text(text)


@pytest.mark.usefixtures("no_ssh")
@pytest.mark.parametrize("command", ["plan", "preflight", "drift", "verify", "pyinfra --dry"])
def test_a_port_where_no_ssh_server_listens_gives_no_traceback(place: Place, command: str) -> None:
    done = place.run(*READING[command][1])
    assert done.returncode == 1
    words = " ".join((done.stdout + done.stderr).split())
    assert "does not answer as an ssh server" in words


@pytest.mark.parametrize("dry", [True, False])
def test_who_generates_secrets(place: Place, dry: bool) -> None:
    """pyinfra's own command does for a run that may change something, and not for a look."""
    (place.folder / "mine.py").touch()
    options = ["--dry"] if dry else ["-y"]
    done = place.run("pyinfra", *options, "inventory.py", "mine.py")
    assert done.returncode == 0, done.stderr
    new = [*place.folder.glob("inventory.[!p]*")]
    assert sorted(path.name for path in new) == (
        []
        if dry
        else [
            "inventory.authority-key.pem",
            "inventory.ca.pem",
            "inventory.lock",
            "inventory.secrets.toml",
        ]
    )
    for path in (*new, place.folder / "mine.py"):
        path.unlink()
