"""How the verification reads what a host prints, and how it asks."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from mattermost_host.engine.batch import Question
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.host import asking
from tests.host import questions as q
from tests.host import questions_release as qr
from tests.host.asking import run_as_root
from tests.unit import local


def test_units_are_read() -> None:
    lines = [
        "Id=nginx.service",
        "LoadState=loaded",
        "ActiveState=active",
        "UnitFileState=enabled",
        "User=",
        "MainPID=42",
        "NeedDaemonReload=yes",
        "",
        "Id=certbot.timer",
        "LoadState=loaded",
        "ActiveState=active",
        "UnitFileState=enabled",
        "NeedDaemonReload=no",
    ]
    assert q.Units(()).parse(lines) == {
        "nginx.service": q.UnitStatus("loaded", "active", "enabled", "root", 42, True),
        "certbot.timer": q.UnitStatus("loaded", "active", "enabled", "root", 0, False),
    }


def test_exposures_are_read() -> None:
    lines = [
        "UNIT                EXPOSURE PREDICATE HAPPY",
        "mattermost.service       1.1 OK        :-)",
    ]
    assert q.Exposures().parse(lines) == {"mattermost.service": 1.1}


def test_processes_are_read_and_half_known_ones_left_out() -> None:
    lines = [
        "user:www-data:33",
        "/proc/7/status:Name:\tnginx",
        "/proc/7/status:PPid:\t1",
        "/proc/7/status:Uid:\t33\t33\t33\t33",
        "/proc/8/status:Name:\tgone",
        "/proc/7/limits:Max open files            1024                 unlimited            files",
    ]
    expected = q.Process(7, 1, "nginx", "www-data", 1024, 2**63)
    assert q.Processes().parse(lines) == {7: expected}


def test_this_machine_s_processes_are_read(tmp_path: Path) -> None:
    question = q.Processes()
    printed = subprocess.run(
        ["sh", "-c", question.script()], capture_output=True, text=True, check=False
    ).stdout
    found = question.parse(printed.splitlines())
    assert found[1].parent == 0
    assert found[1].user == "root"


def test_a_readable_private_key_is_found(tmp_path: Path) -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\n"
    for name, mode, text in (
        ("open.pem", 0o644, key),
        ("closed.pem", 0o600, key),
        ("certificate.pem", 0o644, "-----BEGIN CERTIFICATE-----\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    question = q.PublicKeys((str(tmp_path),))
    printed = subprocess.run(
        ["sh", "-c", question.script()], capture_output=True, text=True, check=False
    ).stdout
    assert question.parse(printed.splitlines()) == (str(tmp_path / "open.pem"),)


def test_firewall_rules_are_read() -> None:
    question = q.FirewallRules("inet x", "/f", "/l", "/d")
    lines = ["rule=tcp dport 22 accept", "listed=yes", "newer=yes", "diff=>\t\ttcp dport 23 accept"]
    assert question.parse(lines) == q.KernelRules(
        ("tcp dport 22 accept",), True, True, ("> tcp dport 23 accept",)
    )


def test_rules_by_port_and_by_protocol_are_found_in_the_file(tmp_path: Path) -> None:
    file, vrrp = tmp_path / "rules", "ip saddr { 10.0.0.5 } meta l4proto 112 accept"
    file.write_text(
        f"table inet x {{\n\tiif lo accept\n\ttcp dport {{ 22 }} accept\n\t{vrrp}\n}}\n"
    )
    local.program(tmp_path / "programs", "nft", "exit 1")
    question = q.FirewallRules("inet x", str(file), f"{tmp_path}/l", f"{tmp_path}/d")
    found = local.ask_here(question, tmp_path / "programs")
    assert found.file == ("tcp dport { 22 } accept", vrrp)


def test_the_ping_is_read() -> None:
    question = q.DirectPing("127.0.0.1", 8065)
    assert question.parse(['{"status":"OK"}', "200"]) == q.Ping(200, '{"status":"OK"}')
    assert question.parse(["", "000"]) == q.Ping(0, "")


def test_the_release_s_files_are_read() -> None:
    lines = ["static=812 main.js.gz", "brotli=7 a.js.br", "brotli=640 main.js.br"]
    assert qr.AskReleaseFiles("/c").parse([*lines, "outside=abc123  i18n/en.json"]) == (
        qr.ReleaseFiles("main.js", 812, 640, "i18n/en.json", "abc123")
    )
    assert qr.AskReleaseFiles("/c").parse(lines[:1]).brotli_bytes == 0


def test_only_the_first_certificate_of_a_file_is_read(tmp_path: Path) -> None:
    blocks = [f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----" for name in "ab"]
    (tmp_path / "chain.pem").write_text("\n".join(blocks))
    question = q.CertificateFile(str(tmp_path / "chain.pem"))
    printed = subprocess.run(
        ["sh", "-c", question.script()], capture_output=True, text=True, check=False
    ).stdout
    assert question.parse(printed.splitlines()) == blocks[0]


def _program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that are found before the machine's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_sudo_gets_the_script_by_standard_input(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    _program(programs, "sudo", f'printf "%s " "$@" > {programs}/arguments; shift 2; exec "$@"')
    assert run_as_root(SiteHost("@local", ("app",), {}), "echo it\\'s here") == "it's here\n"
    assert (programs / "arguments").read_text().startswith("-H -n sh -c eval ")
    assert "it" not in (programs / "arguments").read_text()


def test_a_password_for_sudo_is_a_sentence(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    _program(programs, "sudo", "echo 'sudo: a password is required' >&2; exit 1")
    with pytest.raises(OperatorError, match="_sudo_password") as caught:
        run_as_root(SiteHost("@local", ("app",), {}), "true")
    assert "@local can't be asked as root: sudo wants a password" in str(caught.value)


def test_an_unreachable_host_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OperatorError, match=r"mm can't be reached: 127\.0\.0\.1 port .* refuses"):
        run_as_root(SiteHost("mm", (), {"ssh_hostname": "127.0.0.1", "ssh_port": port}), "true")


def test_a_host_that_answers_nothing_is_read() -> None:
    questions = [one for one in vars(asking).values() if isinstance(one, Question)]
    assert len(questions) > 10
    for question in questions:
        question.parse([])


def test_a_host_that_refuses_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not once for each check: after some wrong passwords an account is closed."""
    asked: list[str] = []

    def refusing(host: SiteHost, script: str) -> str:
        asked.append(host.name)
        raise OperatorError("no")

    monkeypatch.setattr(asking, "run_as_root", refusing)
    path = tmp_path / "i.py"
    path.write_text(
        "site = {'url': 'https://chat.example.com', 'users': 5}\n"
        "app = db = proxy = ['@fake/host']\n"
    )
    site = Site.load(path)
    seen = asking.Seen(site, site.hosts[0])
    for _ in range(3):
        with pytest.raises(OperatorError, match="no"):
            _ = seen.answers
    assert asked == ["@fake/host"]
