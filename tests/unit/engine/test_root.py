"""Becoming root: by sudo, su or neither, with passwords that no process list shows."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand

from mattermost_host.engine import pyinfra_patches, remote, root
from mattermost_host.support.errors import OperatorError
from tests.unit import local
from tests.unit.ssh_server import become_root_our_way, this_machine

SECRET = "Pass 'word' $1"
PROGRAM = """
printf '%s ' "$0" "$@" >>"{log}"
case " $* " in *" -S "*|*" root "*) IFS= read -r typed; echo "typed $typed" >>"{log}";; esac
while [ $# -gt 0 ]; do case $1 in -c) shift; exec sh -c "$1";; sh|env) exec "$@";; esac; shift; done
"""
"""A sudo and a su that take what is typed and run the command."""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What sudo and su were called with, by a user who is not root."""
    path = tmp_path / "log"
    for name in ("sudo", "su", "doas"):
        local.program(tmp_path / "programs", name, PROGRAM.format(log=path))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return path


def _run(script: str = "echo done", write: Any = None, **data: Any) -> remote.Answer:
    with this_machine(**data) as host:
        return remote.run(host, script, write)


def test_sudo_without_a_password_never_asks(log: Path) -> None:
    assert _run(_sudo=True).output == b"done\n"
    assert log.read_text().split()[1:5] == ["-H", "-n", "sh", "-c"]


@pytest.mark.parametrize(
    "data",
    [
        {"_sudo": True, "_sudo_password": SECRET},
        {"_su_user": "root", "_su_password": SECRET},
    ],
    ids=["sudo", "su"],
)
def test_a_password_goes_by_standard_input(log: Path, data: dict[str, Any]) -> None:
    assert _run("echo done; cat", **data).output == b"done\n"
    said = log.read_text()
    assert f"typed {SECRET}\n" in said
    assert said.count("'word'") == 1, "nothing of it in an argument"


def test_a_password_that_nobody_wants_is_no_command(log: Path) -> None:
    """sudo remembers, or the rules have changed: the line would be run as a script."""
    plain = PROGRAM.format(log=log).replace("IFS= read -r typed;", "")
    local.program(log.parent / "programs", "sudo", plain)
    answer = _run(_sudo=True, _sudo_password="touch /nowhere; echo run")
    assert answer == remote.Answer(0, b"done\n", "")


@pytest.mark.parametrize("password", ["", SECRET])
def test_data_follow_the_script_byte_for_byte(log: Path, tmp_path: Path, password: str) -> None:
    data, target = os.urandom(300_000), tmp_path / "target"

    def write(send: Callable[[bytes], object]) -> None:
        send(data)

    answer = _run(f"cat >{target}; echo got", write, _sudo=True, _sudo_password=password)
    assert answer == remote.Answer(0, b"got\n", "")
    assert target.read_bytes() == data


def test_root_needs_neither(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("LD_TEST", "x")
    answer = _run('echo "$HOME ${PGHOST-none}"', _sudo=True)
    assert answer.output == b"/root none\n"
    assert not log.exists()


def test_another_user_than_root_needs_sudo_even_of_root(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    _run(_sudo=True, _sudo_user="postgres")
    assert "-n -u postgres sh -c" in log.read_text()


@pytest.mark.parametrize(
    ("data", "command"),
    [
        ({"_sudo": True, "_use_sudo_login": True}, "env LC_ALL=C sudo -H -n -i id"),
        ({"_sudo": True, "_preserve_sudo_env": True}, "env LC_ALL=C sudo -H -n -E id"),
        ({"_doas": True}, "env LC_ALL=C doas -n id"),
        ({"_doas": True, "_doas_user": "a b"}, "env LC_ALL=C doas -n -u 'a b' id"),
        ({"_dzdo": True}, "env LC_ALL=C dzdo -n id"),
        ({"_su_user": "root", "_use_su_login": True}, "env LC_ALL=C su -l root -c id"),
        (
            {"_su_user": "root", "_su_shell": "bash"},
            "env LC_ALL=C su -s /bin/bash root -c id",
        ),
        ({"_sudo": True, "_su_user": "x"}, "env LC_ALL=C sudo -H -n su x -c id"),
        ({}, "id"),
    ],
)
def test_every_way_that_pyinfra_knows(log: Path, data: dict[str, Any], command: str) -> None:
    with this_machine(**data) as host:
        arguments = root.arguments_of(host)
        assert root.command(host, StringCommand("id"), arguments).get_raw_value() == command


def test_what_a_login_shell_prints_is_no_part_of_an_answer(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = remote._begun
    monkeypatch.setattr(
        remote, "_begun", lambda host, words, _: plain(host, f"echo Welcome; {words}", False)
    )
    assert _run().output == b"done\n"
    with this_machine() as host:
        running = remote.start(host, "echo first; echo second")
        assert running
        assert remote.first_line(running) == "first"


def test_a_refusal_is_passed_on(log: Path) -> None:
    local.program(log.parent / "programs", "sudo", "echo no way >&2; exit 1")
    assert _run(_sudo=True) == remote.Answer(1, b"", "no way")


def test_what_ends_early_takes_no_data_and_says_why(log: Path) -> None:
    answer = _run("echo no route >&2; exit 7", lambda send: [send(bytes(10**6))] * 3 and None)
    assert (answer.status, answer.errors) == (7, "no route")


def test_a_host_of_another_kind_is_a_sentence() -> None:
    with this_machine() as host:
        host.connector = SimpleNamespace()  # type: ignore[assignment]
        with pytest.raises(OperatorError, match="neither by ssh nor is it this machine"):
            remote.run(host, "true")


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyinfra as config.py makes it, for one test."""
    become_root_our_way(monkeypatch)


def test_operations_hide_a_password_as_well(log: Path, patched: None) -> None:
    with this_machine(_sudo=True, _sudo_password=SECRET) as host:
        arguments = root.arguments_of(host)
        worked, said = host.run_shell_command(
            StringCommand("echo done; cat"), _stdin=["more", "lines"], **arguments
        )
    assert (worked, said.stdout_lines) == (True, ["done", "more", "lines"])
    assert log.read_text().count("'word'") == 1


def test_an_operation_with_environment_and_folder_keeps_them(log: Path, patched: None) -> None:
    with this_machine(_sudo=True) as host:
        worked, said = host.run_shell_command(
            StringCommand("pwd; echo $X"), _env={"X": "a b"}, _chdir="/etc", _sudo=True
        )
    assert (worked, said.stdout_lines) == (True, ["/etc", "a b"])


@pytest.mark.parametrize("terminal", [True, False])
def test_a_password_is_asked_for_at_a_terminal_only(
    log: Path, patched: None, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    wants = 'case "$*" in *-n*) echo "sudo: a password is required" >&2; exit 1;; esac\n'
    local.program(log.parent / "programs", "sudo", wants + PROGRAM.format(log=log))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: terminal))
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return SECRET

    monkeypatch.setattr(pyinfra_patches, "getpass", typed)
    with this_machine(_sudo=True) as host:
        worked, said = host.run_shell_command(StringCommand("echo done"), _sudo=True)
    assert (worked, len(asked)) == (terminal, int(terminal))
    assert said.stderr_lines == ([] if terminal else ["sudo: a password is required"])
