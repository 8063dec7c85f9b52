"""Logging in as pyinfra does: by alias, through another host, with passwords; real ssh."""

import os
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from pyinfra.connectors import ssh
from pyinfra.connectors.sshuserclient import client as ssh_client

from mattermost_host.engine import unreachable
from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.support.errors import OperatorError
from tests.unit import local
from tests.unit.ssh_server import ExecServer, ForwardingServer, listening

PLAIN = "config.SUDO = True\n"
CONFIG = f"from pyinfra import config\n{PLAIN}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is typed: with a config.py, and a home that has no .ssh."""
    (tmp_path / "config.py").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ssh_client.get_ssh_config.cache.clear()
    monkeypatch.setattr(ssh, "raise_connect_error", unreachable._raise)
    return tmp_path


@pytest.fixture
def server() -> ExecServer:
    return ExecServer("admin", "ssh-secret")


@pytest.fixture
def port(server: ExecServer) -> Iterator[int]:
    with listening(server) as made:
        yield made


def _data(folder: Path, **more: object) -> dict[str, object]:
    return {
        "ssh_password": "ssh-secret",
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "_sudo": False,
        **more,
    }


def test_by_a_password_with_what_the_inventory_says(
    folder: Path, server: ExecServer, port: int
) -> None:
    data = _data(folder, ssh_user="admin", ssh_port=port, ssh_hostname="127.0.0.1")
    answer = run_as_root(SiteHost("mm", ("app",), data), "echo it\\'s here; cat /dev/null")
    assert (answer.status, answer.output) == (0, b"it's here\n")
    assert "ssh-secret" not in "".join(server.commands)


def test_by_an_alias_through_another_host(folder: Path, port: int) -> None:
    """What ~/.ssh/config would say, in a file that the inventory names."""
    paramiko.RSAKey.generate(2048).write_private_key_file(str(folder / "key"))
    with listening(ForwardingServer()) as jump:
        (folder / "ssh_config").write_text(
            f"Host mm\n HostName 127.0.0.1\n Port {port}\n User admin\n ProxyJump door\n"
            f"Host door\n HostName 127.0.0.1\n Port {jump}\n User anybody\n"
            f" IdentityFile {folder}/key\n UserKnownHostsFile {folder}/known_hosts\n"
            " StrictHostKeyChecking accept-new\n"
        )
        data = _data(folder, ssh_config_file=str(folder / "ssh_config"))
        answer = run_as_root(SiteHost("mm", ("app",), data), "echo through")
    assert answer.output == b"through\n"


def test_sudo_s_password_reaches_sudo_and_no_command_line(
    folder: Path, server: ExecServer, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = folder / "log"
    script = f'IFS= read -r typed; echo "$typed" >{log}; while [ "$1" != sh ]; do shift; done; "$@"'
    local.program(folder / "programs", "sudo", script)
    monkeypatch.setenv("PATH", f"{folder}/programs:{os.environ['PATH']}")
    data = _data(folder, ssh_user="admin", ssh_port=port, ssh_hostname="127.0.0.1")
    data |= {"_sudo": True, "_sudo_password": "sudo-secret"}
    answer = run_as_root(SiteHost("mm", ("app",), data), "echo done")
    assert (answer.status, answer.output) == (0, b"done\n")
    assert log.read_text() == "sudo-secret\n"
    assert "secret" not in "".join(server.commands)


def test_much_in_both_directions_at_once(folder: Path, port: int) -> None:
    data = _data(folder, ssh_user="admin", ssh_port=port, ssh_hostname="127.0.0.1")
    sent = bytes(range(256)) * 8192
    answer = run_as_root(SiteHost("mm", ("app",), data), "cat", lambda send: _send(send, sent))
    assert answer.output == sent


def _send(send: object, data: bytes) -> None:
    send(data)  # type: ignore[operator]


def test_lines_are_heard_as_they_come(folder: Path, port: int) -> None:
    """Each before the next is said; what the login shell says is no part of it."""
    data = _data(folder, ssh_user="admin", ssh_port=port, ssh_hostname="127.0.0.1")
    heard: list[str] = []

    def say(line: str) -> None:
        heard.append(line)
        (folder / line).touch()

    waited = f"until [ -e {folder}/one ]; do sleep 0.1; done; printf 'two\\n'; printf rest"
    answer = run_as_root(SiteHost("mm", ("app",), data), f"echo one; {waited}", say=say)
    assert heard == ["one", "two"]
    assert answer.output == b"one\ntwo\nrest"


def test_a_wrong_password_is_a_sentence(folder: Path, port: int) -> None:
    data = _data(folder, ssh_user="admin", ssh_port=port, ssh_hostname="127.0.0.1")
    with pytest.raises(
        OperatorError, match="mm can't be reached: authentication failed: "
    ) as caught:
        run_as_root(SiteHost("mm", ("app",), {**data, "ssh_password": "wrong-secret"}), "true")
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("in_the_open")
def test_config_of_somebody_else_is_not_executed(folder: Path) -> None:
    (folder / "config.py").write_text("open('executed', 'w')")
    (folder / "config.py").chmod(0o666)
    with pytest.raises(OperatorError, match=r"config\.py was not executed, because .* every user"):
        run_as_root(SiteHost("@local", ("app",), {}), "true")
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("text", ["raise SystemExit(0)", "1/0", "def"])
def test_config_that_can_not_be_executed_is_a_sentence(folder: Path, text: str) -> None:
    (folder / "config.py").write_text(text)
    with pytest.raises(
        OperatorError, match=r"config\.py can't be executed: .*correct this Python file"
    ):
        run_as_root(SiteHost("@local", ("app",), {}), "true")
