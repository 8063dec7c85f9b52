"""The commands from their arguments to the engine: hosts, locks, order, exit statuses.

Only the engine's run and pytest's are replaced, so what lies between is the real thing.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result

from mattermost_host.cli.main import main
from mattermost_host.engine import locks
from mattermost_host.engine import run as engine
from mattermost_host.engine.explanations import Change
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.run import Operation
from mattermost_host.plan import plan as planning
from mattermost_host.preflight import run as checks
from mattermost_host.preflight.finding import Finding
from mattermost_host.preflight.report import Report
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

WRONG = Operation("1", "X | it is right", True, (Change("/etc/x", "is missing"),), None)  # type: ignore[arg-type]
RIGHT = Operation("2", "X | it runs", False, (), None)  # type: ignore[arg-type]
INVENTORY = """
site = {"url": "https://chat.example.com", "users": 50}
app = db = proxy = ["h1", "h2"]
"""


@dataclass
class Engine:
    """The engine's run, and everything that was asked of it, in order."""

    found: Sequence[Operation] = (WRONG, RIGHT)
    fails: bool = False
    holds: bool = True
    log: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    locked: list[bool] = field(default_factory=list)
    pytest_arguments: list[str] = field(default_factory=list)
    inventory: Path = Path()

    @contextmanager
    def prepared(self, hosts: Sequence[SiteHost], deploy: Path) -> Iterator["Engine"]:
        self.log.append(f"prepared {deploy}")
        self.hosts = [host.name for host in hosts]
        self.locked.append(self._is_locked())
        yield self

    def operations(self) -> Mapping[str, Sequence[Operation]]:
        self.log.append("evaluated")
        return dict.fromkeys(self.hosts, self.found)

    def execute(self) -> None:
        self.log.append("executed")
        self.locked.append(self._is_locked())
        if self.fails:
            raise OperatorError("the run failed on h1")

    def verify(self, arguments: list[str], plugins: list[Any]) -> int:
        self.log.append("verified")
        self.pytest_arguments = arguments
        (report,) = plugins
        group = report.groups.setdefault(("h1", "nginx"), _group(self.holds))
        return 0 if group.held else 1

    def _is_locked(self) -> bool:
        """Whether another process is refused the site's lock."""
        script = "import sys\nfrom pathlib import Path\nfrom mattermost_host.engine import locks\n"
        script += "with locks.held(Path(sys.argv[1])): pass"
        argv = [sys.executable, "-c", script, str(self.inventory)]
        return subprocess.run(argv, capture_output=True, check=False).returncode != 0


def _group(holds: bool) -> Any:
    from mattermost_host.verify.report import Group

    return Group(held=1) if holds else Group(failures=[("it runs", "it does not")])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    made = Engine(inventory=tmp_path / "chat.py")
    made.inventory.write_text(INVENTORY)
    Site.load(made.inventory).secrets.keep()
    monkeypatch.setattr(engine, "prepared", made.prepared)
    monkeypatch.setattr(pytest, "main", made.verify)
    return made


def _run(fake: Engine, command: str, *arguments: str, answer: str = "") -> Result:
    argv = [command, str(fake.inventory), *arguments]
    return CliRunner().invoke(main, argv, input=answer)


@pytest.mark.parametrize(("found", "status"), [((WRONG, RIGHT), 2), ((RIGHT,), 0)])
def test_plan_prepares_the_site_and_executes_nothing(
    fake: Engine, found: Sequence[Operation], status: int
) -> None:
    fake.found = found
    assert _run(fake, "plan").exit_code == status
    assert fake.log == ["prepared deploys/site.py", "evaluated"]
    assert fake.hosts == ["h1", "h2"]
    assert fake.locked == [False]


def test_a_plan_counts_what_is_right(fake: Engine) -> None:
    fake.found = (RIGHT, RIGHT, WRONG)
    assert "h1: 1 of 3 operations would change" in _run(fake, "plan").output


def test_a_plan_names_its_operations(fake: Engine) -> None:
    hosts = json.loads(_run(fake, "plan", "--json", "-").stdout)["hosts"]
    assert [[step["operation"] for step in steps] for steps in hosts.values()] == (
        [["X | it is right"], ["X | it is right"]]
    )


@pytest.mark.parametrize("dash", [False, True])
def test_a_plan_is_written_as_junit(fake: Engine, tmp_path: Path, dash: bool) -> None:
    file = "-" if dash else str(tmp_path / "plan.xml")
    done = _run(fake, "plan", "--junit", file)
    suites = ElementTree.fromstring(done.stdout if dash else Path(file).read_text())
    assert [case.get("name") for case in suites.iter("testcase")].count("X | it is right") == 2
    assert ("1 of 2 operations would change" in done.stdout) is not dash


def test_a_plan_says_what_a_run_would_write_on_this_machine(fake: Engine) -> None:
    for secret in fake.inventory.parent.glob("chat.*"):
        if secret != fake.inventory:
            secret.unlink()
    fake.found = (RIGHT,)
    done = _run(fake, "plan", "--json", "-")
    assert done.exit_code == 2
    ((host, (step,)),) = (
        (host, steps) for host, steps in json.loads(done.stdout)["hosts"].items() if steps
    )
    assert host == "this machine"
    assert step["operation"] == planning.KEPT
    assert str(fake.inventory.with_suffix(".secrets.toml")) in json.dumps(step["changes"])


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_limit_names_the_hosts(fake: Engine, command: str) -> None:
    _run(fake, command, "--limit", "h2", answer="n\n")
    assert fake.hosts == ["h2"]


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_without_leaves_a_host_out(fake: Engine, command: str) -> None:
    _run(fake, command, "--without", "h1", answer="n\n")
    assert fake.hosts == ["h2"]


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_without_every_host_is_a_sentence(fake: Engine, command: str) -> None:
    done = _run(fake, command, "--without", "h1", "--without", "h2")
    assert done.exit_code == 1
    assert "no host is left; leave out --without, or name another host there" in done.output
    assert fake.log == []


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_without_an_unknown_host_is_a_sentence(fake: Engine, command: str) -> None:
    assert "its hosts are: h1, h2" in _run(fake, command, "--without", "h3").output


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_limit_to_an_unknown_host_is_a_sentence(fake: Engine, command: str) -> None:
    done = _run(fake, command, "--limit", "h3")
    assert done.exit_code == 1
    assert "h3" in done.output
    assert "h1, h2" in done.output
    assert fake.log == []


def test_apply_plans_executes_and_verifies_in_this_order(fake: Engine) -> None:
    assert _run(fake, "apply", "--yes").exit_code == 0
    assert fake.log == ["prepared deploys/site.py", "evaluated", "executed", "verified"]
    assert fake.locked == [True, True]
    assert f"--inventory={fake.inventory}" in fake.pytest_arguments
    assert "--journey" not in fake.pytest_arguments


def test_apply_ends_with_1_where_the_verification_fails(fake: Engine) -> None:
    fake.holds = False
    assert _run(fake, "apply", "--yes").exit_code == 1


def test_apply_verifies_after_a_failed_operation_and_ends_with_1(fake: Engine) -> None:
    fake.fails = True
    done = _run(fake, "apply", "--yes")
    assert done.exit_code == 1
    assert "the run failed on h1" in done.stderr
    assert fake.log[-2:] == ["executed", "verified"]


def test_apply_asks_and_takes_no_for_an_answer(fake: Engine) -> None:
    done = _run(fake, "apply", answer="n\n")
    assert done.exit_code == 1
    assert "/etc/x is missing" in done.output.partition("Carry this out?")[0]
    assert "Nothing was changed." in done.output
    assert fake.log == ["prepared deploys/site.py", "evaluated"]


def test_apply_verifies_where_nothing_had_to_change(fake: Engine) -> None:
    fake.found = (RIGHT,)
    assert _run(fake, "apply").exit_code == 0
    assert fake.log == ["prepared deploys/site.py", "evaluated", "verified"]


@pytest.mark.parametrize("command", ["apply", "drift"])
def test_a_second_run_on_the_same_site_is_refused(fake: Engine, command: str) -> None:
    script = "import sys\nfrom pathlib import Path\nfrom mattermost_host.engine import locks\n"
    script += "with locks.held(Path(sys.argv[1])):\n    print('held', flush=True)\n    input()"
    argv = [sys.executable, "-c", script, str(fake.inventory)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        done = _run(fake, command)
        other.communicate("\n")
    assert done.exit_code == 1
    assert "is being deployed by process" in done.output
    assert fake.log == []


def test_the_lock_is_free_after_apply(fake: Engine) -> None:
    _run(fake, "apply", "--yes")
    with locks.held(fake.inventory):
        pass


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_verify_ends_as_its_checks_do(fake: Engine, holds: bool, status: int) -> None:
    fake.holds = holds
    assert _run(fake, "verify", "--journey").exit_code == status
    assert "--journey" in fake.pytest_arguments


@pytest.mark.parametrize(("verdict", "status"), [("ok", 0), ("warning", 0), ("error", 1)])
def test_preflight_ends_as_its_findings_do(
    fake: Engine, monkeypatch: pytest.MonkeyPatch, verdict: Any, status: int
) -> None:
    report = Report({"h1": (Finding("clock", verdict, "found", "needed", "Do."),)})
    monkeypatch.setattr(checks, "run", lambda _: report)
    done = _run(fake, "preflight")
    assert done.exit_code == status
    assert "Do." in done.output or verdict == "ok"
    as_json = _run(fake, "preflight", "--json")
    assert as_json.exit_code == status
    assert json.loads(as_json.stdout)
    assert fake.log == []


def test_verify_hands_the_junit_file_on_and_takes_no_dash(fake: Engine, tmp_path: Path) -> None:
    _run(fake, "verify", "--junit", str(tmp_path / "v.xml"))
    assert f"--junit-xml={tmp_path / 'v.xml'}" in fake.pytest_arguments
    fake.log.clear()
    with CliRunner().isolated_filesystem(tmp_path):
        _run(fake, "verify")
        assert not [one for one in fake.pytest_arguments if one.startswith("--junit")]
        fake.log.clear()
        done = _run(fake, "verify", "--junit", "-")
        assert (done.exit_code, fake.log) == (1, [])
        assert "standard output (-) can't be used here; write the file's name" in done.output


@pytest.mark.parametrize(
    ("words", "both"),
    [
        (["--json", "x", "--junit", "./x"], "--json and --junit are the same file, ./x"),
        (["--json", "chat.py"], "INVENTORY and --json are the same file, chat.py"),
        (["--junit", "link"], "INVENTORY and --junit are the same file, link"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "verify"])
def test_a_report_is_not_written_over_another_file_of_the_command_line(
    fake: Engine, command: str, words: list[str], both: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fake.inventory.parent)
    Path("link").symlink_to(fake.inventory.name)
    before = fake.inventory.read_text()
    done = _run(fake, command, *words)
    assert (done.exit_code, fake.log) == (1, [])
    assert f"{both}; nothing was written" in done.output
    assert fake.inventory.read_text() == before
    assert not Path("x").exists()


def test_two_reports_may_go_to_a_device_that_drops_them(fake: Engine) -> None:
    assert _run(fake, "plan", "--json", "/dev/null", "--junit", "/dev/null").exit_code == 2
    said = _run(fake, "plan", "--json", "-", "--junit", "-")
    assert said.exit_code == 1
    assert "--json and --junit are the same file, -" in said.output


@pytest.mark.parametrize("holds", [True, False])
def test_verify_writes_json(fake: Engine, tmp_path: Path, holds: bool) -> None:
    fake.holds = holds
    printed = json.loads(_run(fake, "verify", "--json", "-").stdout)
    done = _run(fake, "verify", "--json", str(tmp_path / "report.json"))
    assert "check" in done.output, "people have theirs, too"
    assert json.loads((tmp_path / "report.json").read_text()) == printed
    assert printed["status"] == done.exit_code == (0 if holds else 1)
    assert printed["hosts"]["h1"]["nginx"]["passed"] == (1 if holds else 0)


def _commands() -> list[click.Command]:
    return [main.commands[name] for name in main.list_commands(click.Context(main))]


@pytest.mark.parametrize("command", _commands(), ids=lambda one: str(one.name))
def test_the_help_of_every_command_has_its_exit_statuses_and_an_example(
    command: click.Command,
) -> None:
    text = " ".join(CliRunner().invoke(main, [str(command.name), "--help"]).output.split())
    statuses = re.search(r"Exit status: (0 [^.]+, 1 [^.]+)\.", text)
    assert statuses, text
    example = re.search(rf"Example: (mattermost-host {command.name} .*?) Options:", text)
    assert example, text
    # The example is one that the command understands.
    command.make_context(str(command.name), shlex.split(example[1])[2:])
    for option in command.params:
        assert not isinstance(option, click.Option) or option.hidden or option.help, option.name
