"""What is trusted is said in a line; no home, no ~/.ssh and no name are no traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from pyinfra.connectors import ssh
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient import client as ssh_client

from mattermost_host.engine import host_keys, pyinfra_patches, unreachable
from mattermost_host.engine.connections import run_as_root
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.support.errors import OperatorError
from tests.unit.ssh_server import ExecServer, listening


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """pyinfra as config.py makes it, and a home that has no .ssh."""
    policy = ssh_client.AcceptNewPolicy
    monkeypatch.setattr(policy, "missing_host_key", policy.missing_host_key)
    monkeypatch.setattr(ssh_client, "get_host_keys", ssh_client.get_host_keys)
    monkeypatch.setattr(SSHConnector, "make_paramiko_kwargs", pyinfra_patches._kwargs_at_once)
    monkeypatch.setattr(ssh, "raise_connect_error", unreachable._raise)
    host_keys.say_what_is_trusted()
    (tmp_path / "config.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    ssh_client.get_ssh_config.cache.clear()
    ssh_client.get_host_keys.cache.clear()
    return tmp_path


@pytest.fixture
def port() -> Iterator[int]:
    with listening(ExecServer("admin", "ssh-secret")) as made:
        yield made


def _log_in(port: int, **more: object) -> None:
    data = {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": port,
        "ssh_user": "admin",
        "ssh_password": "ssh-secret",
        "_sudo": False,
    }
    run_as_root(SiteHost("mm", ("app",), {**data, **more}), "true")


def test_a_new_key_is_one_line_with_its_fingerprint(
    patched: Path, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "pyinfra")
    _log_in(port)
    (line,) = [one.message for one in caplog.records if one.name == "pyinfra"]
    assert line.startswith(f"[127.0.0.1]:{port}: its ssh key SHA256:")
    assert "trusted from now on" in line and "README, Host keys" in line
    kept = patched / "home" / ".ssh" / "known_hosts"
    assert f"[127.0.0.1]:{port} ssh-rsa" in kept.read_text()
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    caplog.clear()
    ssh_client.get_host_keys.cache.clear()
    _log_in(port)
    assert [one for one in caplog.records if one.name == "pyinfra"] == []


def test_only_known_keys_where_the_inventory_says_so(patched: Path, port: int) -> None:
    (patched / "known").touch()
    with pytest.raises(
        OperatorError, match=r"mm can't be reached: the host key of .* is not known"
    ):
        _log_in(
            port,
            ssh_known_hosts_file=str(patched / "known"),
            ssh_strict_host_key_checking="yes",
        )
    assert not (patched / "home").exists()
    assert (patched / "known").read_text() == ""


def test_a_changed_key_is_refused(patched: Path, port: int) -> None:
    other = paramiko.RSAKey.generate(2048).get_base64()
    (patched / "known").write_text(f"[127.0.0.1]:{port} ssh-rsa {other}\n")
    with pytest.raises(
        OperatorError, match=r"the host key of .* has changed: .* is known.*ssh-keygen -R"
    ):
        _log_in(port, ssh_known_hosts_file=str(patched / "known"))


def test_a_home_that_can_not_be_written_is_a_sentence(patched: Path, port: int) -> None:
    (patched / "home").touch()
    with pytest.raises(OperatorError, match=r"known_hosts can't be written .*ssh_known_hosts_file"):
        _log_in(port)


def test_a_home_that_can_not_be_written_is_enough_for_a_known_key(
    patched: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log_in(port)
    kept = patched / "home/.ssh/known_hosts"
    before = kept.read_text(), kept.stat()
    ssh_client.get_host_keys.cache.clear()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "touch", refuse)
    _log_in(port)
    assert (kept.read_text(), kept.stat()) == before


NAMELESS = """
from gevent import monkey
monkey.patch_all()
import pwd, sys
def missing(uid):
    raise KeyError(uid)
pwd.getpwuid = missing
from mattermost_host.cli.main import main
main(prog_name="mattermost-host")
"""


@pytest.mark.parametrize(
    ("data", "found", "remedy"),
    [
        ({}, "has no name to log in by", "Write ssh_user in the inventory"),
        ({"ssh_user": "admin"}, "no home folder in which to keep the host's key", "Set HOME, or"),
    ],
    ids=["no name", "no home"],
)
@pytest.mark.parametrize("command", ["plan", "preflight", "verify", "drift", "apply"])
def test_a_user_without_a_name_and_a_home(
    tmp_path: Path, port: int, command: str, data: dict[str, object], found: str, remedy: str
) -> None:
    """Each command ends with a sentence, as it would for anybody else."""
    (tmp_path / "config.py").write_text(
        "from pyinfra import config\nconfig.SUDO = True\n"
        "from mattermost_host.engine import pyinfra_patches\npyinfra_patches.quicken()\n"
    )
    (tmp_path / "deploys").mkdir()
    (tmp_path / "deploys" / "site.py").touch()
    (tmp_path / "chat.py").write_text(
        'site = {"url": "https://chat.example.com", "users": 50}\n'
        f"app = db = proxy = [('127.0.0.1', {dict(data, ssh_port=port)!r})]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", NAMELESS, command, "chat.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    words = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, words
    assert "Traceback" not in words
    assert found in words and remedy in words


def test_a_password_is_hidden_from_debugging(
    patched: Path, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", "pyinfra")
    _log_in(port)
    assert "Connecting to: 127.0.0.1" in caplog.text
    assert "ssh-secret" not in caplog.text
