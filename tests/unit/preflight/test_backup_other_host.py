"""Another host's folder is looked into before a run: each mistake has its own sentence."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.components import backup
from mattermost_host.engine import sftp, tunnel
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.ops.pgbackrest_state import MARK
from mattermost_host.preflight import backup_other_host, backup_place
from mattermost_host.preflight.backup_held import INFO, Held
from mattermost_host.preflight.finding import Finding, Inquiry
from tests.unit.examples import DEBIAN_12, ExampleSecrets, place, ssh_key
from tests.unit.sftp_server import Tree, showing
from tests.unit.ssh_server import ForwardingServer, SshSite, local_host

REPOSITORY = "backups/mattermost-host/database"


@cache
def key_of_host(kind: str) -> paramiko.PKey:
    if kind == "ecdsa":
        return paramiko.ECDSAKey.generate()
    return paramiko.RSAKey.generate(2048)


def public(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def opening() -> str:
    return public(paramiko.Ed25519Key.from_private_key(io.StringIO(ssh_key())))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "backups").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    keys = (key_of_host("ecdsa"), key_of_host("rsa"))
    return Tree(tmp_path, "chat", opening(), keys, owners={"/backups": 1000})


def _inquiry(port: int, keys: list[str], key: str, to: str) -> Inquiry:
    settings = backup.Settings(to=f"sftp://chat@localhost:{port}{to}", host_keys=keys)
    access = Access(ssh_key=SecretStr(key))
    here = replace(
        place(), secrets=ExampleSecrets(backup_key=SecretStr("Key"), backup_access=access)
    )
    (found,) = [one for one in backup.requires(settings, here) if isinstance(one, Inquiry)]
    return found


def asked(
    tree: Tree,
    *,
    host: Host | None = None,
    keys: list[str] | None = None,
    key: str = "",
    to: str = "/backups",
) -> Finding:
    with showing(tree) as port:
        known = [f"{public(one)} root@other" for one in tree.keys] if keys is None else keys
        inquiry = _inquiry(port, known, key or ssh_key(), to)
        found, *_ = inquiry.ask(host or local_host(), DEBIAN_12)
        return replace(found, found=found.found.replace(str(port), "PORT"))


def test_a_folder_that_opens(tree: Tree) -> None:
    found = asked(tree)
    assert (found.verdict, found.found) == ("ok", "sftp://chat@localhost:PORT/backups opens")
    assert tree.asked == [
        "stat /backups",
        "stat /proc/self",
        f"open /{REPOSITORY}/{MARK}",
        f"open /{REPOSITORY}/{INFO}",
    ]


def test_what_a_repository_says_is_read(tree: Tree) -> None:
    folder = tree.root / REPOSITORY
    (folder / INFO).parent.mkdir(parents=True)
    (folder / INFO).write_bytes(b"Salted__")
    (folder / MARK).write_text("0b other\n")
    with showing(tree) as port:
        settings = backup.Settings(
            to=f"sftp://chat@localhost:{port}/backups", host_keys=[public(tree.keys[0])]
        )
        access = Access(ssh_key=SecretStr(ssh_key()))
        held = backup_other_host.look(
            local_host(), DEBIAN_12, backup_place.target(settings), access, ""
        )
    assert held == Held("0b other", b"Salted__")


def test_it_is_reached_as_the_host_reaches_it(tree: Tree) -> None:
    for forbidden, verdict in ((False, "ok"), (True, "note")):
        site = SshSite(ForwardingServer(forbidden))
        try:
            assert asked(tree, host=site.host).verdict == verdict
        finally:
            site.close()


def test_another_host_key_is_told_and_no_log_in_is_tried(tree: Tree) -> None:
    other = public(paramiko.ECDSAKey.generate())
    found = asked(tree, keys=[other, public(tree.keys[1])])
    assert found.verdict == "error"
    said = "[localhost]:PORT: it shows another host key than backup.host_keys has (ecdsa-sha2-"
    assert found.found.startswith(said)
    assert found.needed == "the host whose public keys are backup.host_keys"
    assert "Somebody may stand in between." in found.remedy
    assert tree.asked == []


def test_a_key_of_the_type_that_pgbackrest_asks_for_is_needed(tree: Tree) -> None:
    found = asked(tree, keys=[public(tree.keys[1])])
    assert "is of a type that backup.host_keys has none of" in found.found
    assert found.remedy.endswith(f"add it: {public(tree.keys[0])}")


def test_a_refused_key_is_told_with_the_public_one(tree: Tree) -> None:
    tree.opened_by = "ssh-ed25519 other"
    found = asked(tree)
    assert found.found == "[localhost]:PORT: it does not let chat in with backup_ssh_key"
    assert found.remedy == (
        f"Write its public key into that account's authorized keys there: {opening()}"
    )


def test_an_account_without_sftp_is_told(tree: Tree) -> None:
    tree.sftp = False
    assert asked(tree).found == (
        "[localhost]:PORT: it lets chat in, but has no SFTP for that account"
    )


@pytest.mark.parametrize(
    ("to", "mode", "owner", "own", "said"),
    [
        ("/backups", 0o700, 1000, None, ""),
        ("/backups/second/chat", 0o700, 1000, None, ""),
        ("/backups", 0o755, 0, 0, ""),
        ("/backups", 0o775, 0, None, ""),
        ("/backups", 0o755, 0, None, "chat may not write into /backups"),
        ("/backups", 0o755, 1001, 1000, "chat may not write into /backups"),
        ("/backups", 0o500, 1000, 1000, "chat may not write into /backups"),
        ("/elsewhere/x", 0o700, 0, None, "there is no /elsewhere/x, and chat may not write into /"),
        ("/file", 0o700, 1000, None, "/file is no folder"),
        ("/closed", 0o700, 1000, None, "chat may not read /closed"),
    ],
)
def test_a_folder_that_may_not_be_written(
    to: str, mode: int, owner: int, own: int | None, said: str, tree: Tree
) -> None:
    (tree.root / "backups").chmod(mode)
    (tree.root / "file").write_text("")
    tree.owners, tree.own_number, tree.closed = {"/backups": owner}, own, ("/closed",)
    found = asked(tree, to=to)
    if said:
        assert (found.verdict, found.found) == ("error", f"[localhost]:PORT: {said}")
        assert found.needed
        assert found.remedy
    else:
        assert found.verdict == "ok"


def test_a_repository_of_another_account_is_told(tree: Tree) -> None:
    tree.closed = (f"/{REPOSITORY}/{MARK}",)
    assert f"chat may not read /{REPOSITORY}/{MARK}" in asked(tree).found


def _other_types() -> Iterator[str]:
    for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        yield text.decode()


def test_keys_of_other_types_open_it(tree: Tree) -> None:
    kinds: tuple[Any, ...] = (paramiko.ECDSAKey, paramiko.RSAKey)
    for text, kind in zip(_other_types(), kinds, strict=True):
        tree.opened_by = public(kind.from_private_key(io.StringIO(text)))
        assert asked(tree, key=text).verdict == "ok"


@contextmanager
def _saying(text: bytes) -> Iterator[int]:
    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        line.sendall(text)
        line.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield int(listener.getsockname()[1])


def test_no_host_and_another_service(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [public(key_of_host("rsa"))]

    def found(port: int, **_: Any) -> Finding:
        (one,) = _inquiry(port, keys, ssh_key(), "/backups").ask(local_host(), DEBIAN_12)
        return one

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    nobody = found(port)
    assert nobody.found == f"[localhost]:{port}: it cannot be reached: Connection refused"
    assert nobody.remedy == "Let @local reach it (name, route, firewall), or correct backup.to."
    with _saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "it does not answer as ssh does (" in found(port).found
    for module in (tunnel, sftp):
        monkeypatch.setattr(module, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "it does not answer as ssh does (" in found(silent.getsockname()[1]).found
