"""The take-over: what a plan says, and what the program on the host is told."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine import explanations
from mattermost_host.ops import take_over
from mattermost_host.ops.entries import File
from mattermost_host.ops.take_over import New, Old
from tests.unit.fake_host import Plan, answering, apply, plan
from tests.unit.ops.test_upgrade import WAYS

OLD = Old(
    {"old_unit": "mattermost.service", "old_role": "mm'user $(x)"}, "mattermost.service", True
)
NEW = New(
    "11.7.9-01234567",
    File("/etc/systemd/system/mattermost.service", "of unit"),
    File("/etc/postgresql/15/main/pg_hba.conf", "of access"),
    "/etc/nginx/conf.d/mattermost.conf",
)


def _run(run: Any, operation: Any, **arguments: Any) -> Plan:
    with explanations.collecting():
        made: Plan = run(
            lambda: operation(name="it is ours", new=NEW, ways=WAYS, **arguments),
            answer=answering({}),
        )
    return made


def test_a_plan_says_what_a_take_over_is() -> None:
    server, stop = _run(plan, take_over.taken_over, old=OLD).step("it is ours").told
    assert (server.severity, server.heals) == ("critical", False)
    assert str(server) == (
        "mattermost.service is somebody else's: it is moved over, with a way back"
    )
    assert (stop.subject, stop.effect) == ("mattermost.service", "restart")


@pytest.mark.parametrize(
    ("step", "words"), [("starts", "; it goes on"), ("moves", "; it is taken back")]
)
def test_one_that_was_cut_off_says_where_it_stands(step: str, words: str) -> None:
    (said,) = _run(plan, take_over.gone_on_with, step=step).step("it is ours").told
    assert f"cut off at the step {step}{words}" in str(said)


@pytest.mark.parametrize(
    ("operation", "arguments", "told"),
    [
        (take_over.taken_over, {"old": OLD}, "mode=move step_before=\n"),
        (take_over.gone_on_with, {"step": "moves"}, "mode=resume step_before=moves\n"),
    ],
)
def test_the_program_is_shell(operation: Any, arguments: dict[str, Any], told: str) -> None:
    program = _run(apply, operation, **arguments).step("it is ours").shell
    assert told in program
    assert "access=/etc/postgresql/15/main/pg_hba.conf" in program
    for shell in ("dash", "bash"):
        done = subprocess.run(
            [shell, "-n"], input=program, text=True, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_moved_is_quoted_for_the_program() -> None:
    said = subprocess.run(
        ["sh"], input=f'{OLD.text}printf %s "$old_role"', text=True, capture_output=True, check=True
    )
    assert said.stdout == "mm'user $(x)"


def test_users_who_come_without_a_proxy_are_watched_at_the_port() -> None:
    assert "'http://127.0.0.1:8065/api/v4/system/ping'" in take_over.program(
        NEW, WAYS, proxied=False
    )
    assert "'https://chat.example.com/api/v4/system/ping'" in take_over.program(NEW, WAYS)


def test_a_site_that_was_set_aside_is_not_overwritten_by_a_run_that_goes_on(tmp_path: Path) -> None:
    """By then a deploy may have written its own in its place."""
    program = take_over.program(NEW, WAYS, step="starts")
    function = _function(program, "set_sites_aside").replace(
        NEW.site, f"{tmp_path}/mattermost.conf"
    )
    script = f"kept={tmp_path} nginx_files={tmp_path}/mattermost.conf\n{function}\nset_sites_aside"
    for text in ("the old one", "a deploy's"):
        (tmp_path / "mattermost.conf").write_text(text)
        subprocess.run(["dash", "-c", script], check=True)
    assert (tmp_path / "nginx/mattermost.conf").read_text() == "the old one"


def test_no_boot_starts_the_old_server_once_its_guard_is_gone(tmp_path: Path) -> None:
    program = take_over.program(NEW, WAYS)
    function = _function(program, "set_unit_aside")
    stubs = 'systemctl() { echo "$*"; }\nunguard() { echo unguarded; }\n'
    names = f"units={tmp_path} kept={tmp_path} old_unit=chat.service\n"
    done = subprocess.run(
        ["dash", "-c", f"{names}{stubs}{function}\nset_unit_aside"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[:2] == ["disable --quiet chat.service", "unguarded"]


@pytest.mark.parametrize(
    ("kernel", "ended", "asked"), [(0, "done", 1), (0, "back", 0), (1, "done", 0)]
)
def test_what_was_moved_gets_the_type_of_its_new_place(
    tmp_path: Path, kernel: int, ended: str, asked: int
) -> None:
    """On Enterprise Linux a renamed file keeps that of the old one."""
    program = take_over.program(NEW, WAYS)
    functions = "\n".join(_function(program, name) for name in ("relabel", "end_as"))
    script = f"""
        kept={tmp_path} state=/var/lib/mattermost watcher=
        selinuxenabled() {{ return {kernel}; }}
        restorecon() {{ echo "restorecon $*"; }}
        say() {{ echo "$*"; }}
        for one in admit forget_probe_user step; do eval "$one() {{ :; }}"; done
        {functions}
        end_as {ended} "It ended."
    """
    said = subprocess.run(["dash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.count("restorecon -FR /var/lib/mattermost\n") == asked
    assert said.endswith("It ended.\n")


def _function(program: str, name: str) -> str:
    """A function of the program, which may be one line."""
    rest = program[program.index(f"\n{name}() {{") + 1 :]
    line = rest.partition("\n")[0]
    return line if line.endswith("}") else rest[: rest.index("\n}\n") + 3]
