"""Why nobody can log in: what was found, what to do, for each kind of failure, by real sockets."""

import errno
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import paramiko
import pyinfra
import pytest
from paramiko.common import AUTH_FAILED
from pyinfra.connectors import ssh, ssh_util
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient import client as ssh_client

from mattermost_host.engine import host_keys, pyinfra_patches, unreachable
from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.support.errors import OperatorError
from tests.unit.ssh_server import ExecServer, ForwardingServer, listening


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pyinfra as config.py makes it, in a home without keys."""
    monkeypatch.setattr(ssh, "raise_connect_error", unreachable._raise)
    policy = ssh_client.AcceptNewPolicy
    monkeypatch.setattr(policy, "missing_host_key", policy.missing_host_key)
    monkeypatch.setattr(ssh_client, "get_host_keys", ssh_client.get_host_keys)
    host_keys.say_what_is_trusted()
    monkeypatch.setattr(ssh_util, "getpass", unreachable._passphrase)
    monkeypatch.setattr(SSHConnector, "make_paramiko_kwargs", pyinfra_patches._kwargs_at_once)
    (tmp_path / "config.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ssh_client.get_ssh_config.cache.clear()
    ssh_client.get_host_keys.cache.clear()
    return tmp_path


@pytest.fixture
def port() -> Iterator[int]:
    with listening(ExecServer("admin", "ssh-secret")) as made:
        yield made


def _said(**data: object) -> str:
    """The sentence about a host that can't be reached."""
    told = {"ssh_hostname": "127.0.0.1", "ssh_user": "admin", "_sudo": False, **data}
    with pytest.raises(OperatorError) as caught:
        run_as_root(SiteHost("mm", ("app",), told), "true")
    said = str(caught.value)
    assert said.startswith("mm can't be reached: ")
    assert said.endswith(".") and "None" not in said and "Errno" not in said
    return said


def test_a_closed_port() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    said = _said(ssh_port=port)
    assert f"127.0.0.1 port {port} refuses connections: no ssh server listens there" in said
    assert "Start sshd on the host, or correct ssh_hostname and ssh_port" in said


def test_a_name_that_nobody_knows() -> None:
    said = _said(ssh_hostname="mm.invalid")
    assert "the name mm.invalid does not resolve on this machine (" in said
    assert "write its address as ssh_hostname" in said


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "has no route to 127.0.0.1 port 22"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "has no route to 127.0.0.1 port 22"),
        (TimeoutError("timed out"), "127.0.0.1 port 22 did not answer within 10 s"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "did not answer within 10 s"),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "failed: connection reset by peer"),
        (EOFError(), "127.0.0.1 port 22 does not answer as an ssh server"),
    ],
    ids=lambda value: repr(value) if isinstance(value, BaseException) else "",
)
def test_a_network_that_does_not_carry(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert sentence in _said()


def test_a_host_that_does_not_answer_in_time(folder: Path) -> None:
    """A full queue of connections, which the kernel answers as a firewall that drops."""
    (folder / "config.py").write_text("from pyinfra import config\nconfig.CONNECT_TIMEOUT = 1\n")
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        said = _said(ssh_port=port)
    assert f"127.0.0.1 port {port} did not answer within 1 s: the host is off, or a fire" in said
    assert "let this machine through the firewall" in said


def test_a_wrong_password(port: int) -> None:
    said = _said(ssh_port=port, ssh_password="wrong-secret")
    assert "does not let admin in with the password of ssh_password" in said
    assert "authentication failed" in said and "ssh-copy-id" in said
    assert "secret" not in said


class NoKeys(ExecServer):
    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_FAILED


def test_a_key_where_only_passwords_are_taken(folder: Path) -> None:
    paramiko.RSAKey.generate(2048).write_private_key_file(str(folder / "key"))
    with listening(NoKeys("admin", "ssh-secret")) as port:
        said = _said(ssh_port=port, ssh_key=str(folder / "key"))
    assert "does not let admin in with the key of ssh_key; it accepts password." in said


def test_neither_key_nor_password(port: int) -> None:
    said = _said(ssh_port=port)
    assert "neither an ssh key nor a password to log in with. Write ssh_key" in said


@pytest.mark.parametrize("is_cli", [True, False])
def test_a_key_with_a_passphrase(
    folder: Path, port: int, monkeypatch: pytest.MonkeyPatch, is_cli: bool
) -> None:
    """Nobody is asked for it without a terminal."""
    monkeypatch.setattr(pyinfra, "is_cli", is_cli)
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    key = str(folder / "key")
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key]
    subprocess.run(argv, check=True, capture_output=True)
    said = _said(ssh_port=port, ssh_key=key)
    assert "passphrase" in said or "encrypted" in said
    assert "ssh_key_password" in said
    said = _said(ssh_port=port, ssh_key=key, ssh_key_password="wrong")
    assert "ssh_key can't be used: " in said and "Correct ssh_key or ssh_key_password" in said


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"text", None])
def test_a_file_that_is_no_key(folder: Path, port: int, content: bytes | None) -> None:
    if content is not None:
        (folder / "key").write_bytes(content)
    assert "ssh_key can't be used: " in _said(ssh_port=port, ssh_key=str(folder / "key"))


@pytest.mark.parametrize(("make", "what"), [(os.mkdir, "a folder"), (os.mkfifo, "no regular file")])
def test_what_is_no_file_is_told_as_that(
    folder: Path, port: int, make: Callable[[Path], None], what: str
) -> None:
    make(folder / "odd")
    odd = str(folder / "odd")
    said = _said(ssh_port=port, ssh_key=odd)
    assert f"ssh_key can't be used: {odd} is {what}. Correct ssh_key" in said
    said = _said(ssh_port=port, ssh_config_file=odd)
    assert f"ssh_config_file {odd} is {what}. Correct ssh_config_file" in said


@pytest.mark.parametrize("key", ["a\0b", "~a\0b", "a\x1b[2Jb", "a\u202eb"])
def test_the_name_of_a_key_does_nothing_to_the_terminal(port: int, key: str) -> None:
    for said in (_said(ssh_port=port, ssh_key=key), _said(ssh_port=port, ssh_config_file=key)):
        assert said.replace("\n", "").isprintable()


def test_another_key_than_the_known_one(folder: Path, port: int) -> None:
    other = paramiko.RSAKey.generate(2048)
    (folder / "known").write_text(f"[127.0.0.1]:{port} ssh-rsa {other.get_base64()}\n")
    said = _said(ssh_port=port, ssh_known_hosts_file=str(folder / "known"))
    assert f"the host key of [127.0.0.1]:{port} has changed: it shows SHA256:" in said
    assert f"{other.fingerprint} is known" in said
    assert f"ssh-keygen -R '[127.0.0.1]:{port}' -f {folder}/known." in said


def test_a_key_that_nobody_knows_where_only_known_ones_are_trusted(port: int) -> None:
    said = _said(ssh_port=port, ssh_strict_host_key_checking="yes")
    assert "is not known, and ssh_strict_host_key_checking is 'yes'. Add the key" in said


def test_a_jump_host_that_can_not_go_on(folder: Path) -> None:
    paramiko.RSAKey.generate(2048).write_private_key_file(str(folder / "key"))
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        closed = server.getsockname()[1]
    with listening(ForwardingServer()) as jump:
        (folder / "ssh_config").write_text(
            f"Host mm\n HostName 127.0.0.1\n Port {closed}\n ProxyJump door\n"
            f"Host door\n HostName 127.0.0.1\n Port {jump}\n User anybody\n"
            f" IdentityFile {folder}/key\n UserKnownHostsFile {folder}/known_hosts\n"
            " StrictHostKeyChecking accept-new\n"
        )
        said = _said(ssh_hostname="mm", ssh_config_file=str(folder / "ssh_config"))
    assert f"the jump host cannot connect to 127.0.0.1 port {closed} (by way of door)" in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no file "),
        (b"\xff\xfe", "can't be read: "),
        (b"Host mm\n !!!\n", "can't be read: "),
        (b"Host mm\n Port ssh\n", "has port 'ssh' for mm, which is no whole number"),
        (b"Host mm\n ConnectTimeout soon\n", "has connecttimeout 'soon' for mm"),
    ],
)
def test_a_configuration_of_ssh_that_can_not_be_used(
    folder: Path, text: bytes | None, sentence: str
) -> None:
    if text is not None:
        (folder / "ssh_config").write_bytes(text)
    assert sentence in _said(ssh_hostname="mm", ssh_config_file=str(folder / "ssh_config"))
