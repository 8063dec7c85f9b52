"""apply: what it says and how it ends, with a run and a verification that are not there."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from pyinfra.api import Config, FactBase, Host, Inventory, State, StringCommand, operation
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from mattermost_host.cli.main import main
from mattermost_host.engine import each_host
from mattermost_host.engine import run as engine
from mattermost_host.engine.explanations import Change
from mattermost_host.engine.run import Run
from mattermost_host.engine.shell import VERDICT
from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan, Step
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification

WRONG = Plan({"h1": (Step("X | it is right", (Change("/etc/x", "is missing"),)),)})
RIGHT = Plan({"h1": ()})


class Hosts:
    """A run whose plan, outcome and verification a test says."""

    plan = WRONG
    breaks = ""
    verified = 0
    executed = False

    def execute(self) -> None:
        self.executed = True
        if self.breaks:
            raise OperatorError(self.breaks)


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts()

    @contextmanager
    def prepared(*_: Any) -> Iterator[Hosts]:
        yield made

    monkeypatch.setattr(planning, "prepared", prepared)
    monkeypatch.setattr(planning, "evaluate", lambda run, _: run.plan)
    monkeypatch.setattr(verification, "run", lambda *_, **__: made.verified)
    return made


def _apply(folder: Path, *options: str, answer: str = "") -> Result:
    inventory = folder / "chat.py"
    inventory.write_text(
        'site = {"url": "https://chat.example.com", "users": 50}\napp = db = proxy = ["h1"]\n'
    )
    return CliRunner().invoke(main, ["apply", str(inventory), *options], input=answer)


def test_what_is_carried_out_is_verified(hosts: Hosts, tmp_path: Path) -> None:
    done = _apply(tmp_path, "--yes")
    assert (done.exit_code, hosts.executed) == (0, True)
    assert "The plan was applied, and everything holds" in done.output


def test_secrets_are_written_by_a_run_that_changes_and_by_nothing_before(
    hosts: Hosts, tmp_path: Path
) -> None:
    names = {"chat.ca.pem", "chat.authority-key.pem", "chat.secrets.toml"}
    _apply(tmp_path, answer="n\n")
    assert not names & {path.name for path in tmp_path.iterdir()}
    _apply(tmp_path, "--yes")
    assert names <= {path.name for path in tmp_path.iterdir()}


def test_a_failed_verification_is_the_exit_status(hosts: Hosts, tmp_path: Path) -> None:
    hosts.verified = 1
    done = _apply(tmp_path, "--yes")
    assert done.exit_code == 1
    assert "applied, but the verification failed" in done.output


@pytest.mark.parametrize("verified", [0, 1])
def test_a_failed_operation_is_a_sentence_and_what_holds_is_said(
    hosts: Hosts, tmp_path: Path, verified: int
) -> None:
    hosts.breaks, hosts.verified = "the run failed on h1; …", verified
    done = _apply(tmp_path, "--yes")
    assert done.exit_code == 1
    assert "Error: the run failed on h1" in done.stderr
    assert "Verification:" in done.output
    assert "The plan was only partly applied" in done.output
    assert ("but all checks passed" in done.output) == (verified == 0)
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("answer", "executed"), [("y\n", True), ("n\n", False)])
def test_nothing_is_changed_without_an_answer(
    hosts: Hosts, tmp_path: Path, answer: str, executed: bool
) -> None:
    done = _apply(tmp_path, answer=answer)
    assert hosts.executed == executed
    assert done.exit_code == (0 if executed else 1)


def test_where_nothing_would_change_nothing_is_asked(hosts: Hosts, tmp_path: Path) -> None:
    hosts.plan = RIGHT
    done = _apply(tmp_path)
    assert (done.exit_code, hosts.executed) == (0, False)
    assert "Nothing had to be changed, and everything holds" in done.output


@operation()
def _breaks() -> Generator[StringCommand, None, None]:
    yield StringCommand("false")


def test_pyinfra_s_own_end_of_a_failed_run_is_a_sentence() -> None:
    """Where every host has failed, pyinfra raises an error of its own."""
    with _fake_state() as (state, _):
        _breaks(name="X | it breaks")
        with pytest.raises(OperatorError, match=r"the run failed on @fake/h1 .*Correct it"):
            Run(state).execute()


@operation()
def _tells() -> Generator[StringCommand, None, None]:
    yield StringCommand("false")


def test_an_operation_that_says_how_it_left_its_host_has_the_last_word() -> None:
    said = CommandOutput(
        [OutputLine("stderr", "some error"), OutputLine("stderr", f"{VERDICT}1.2.3 serves again.")]
    )
    with _fake_state() as (state, host):
        _tells(name="X | it tells")
        host.run_shell_command = lambda *_, **__: (False, said)  # type: ignore[method-assign]
        with pytest.raises(OperatorError) as raised:
            Run(state).execute()
    assert str(raised.value) == "@fake/h1: 1.2.3 serves again."


def test_a_host_that_ceases_to_answer_is_named() -> None:
    with _fake_state() as (state, host):
        _asks(name="X | it asks")
        host.get_fact = _lost  # type: ignore[method-assign]
        with pytest.raises(OperatorError, match="@fake/h1 did not answer: the line is dead"):
            Run(state).operations()


class _Fact(FactBase[str]):
    def command(self) -> str:
        return "true"


@operation()
def _asks() -> Generator[StringCommand, None, None]:
    cast(Host, ctx_host.get()).get_fact(_Fact)  # type: ignore[no-untyped-call]
    yield StringCommand("true")


def _lost(*_: Any, **__: Any) -> Any:
    raise PyinfraError("the line is dead")


@contextmanager
def _fake_state() -> Iterator[tuple[State, Host]]:
    config = Config()  # type: ignore[no-untyped-call]
    config.FAIL_PERCENT = 0
    data = {
        "fake_delay": 0,
        "fake_delay_jitter": 0,
        "fake_responses": {"false": {"success": False}},
    }
    inventory = Inventory((["@fake/h1"], {}), override_data=data)  # type: ignore[no-untyped-call]
    state = State(inventory, config, check_for_changes=False)
    (host,) = inventory
    with ctx_state.use(state), ctx_inventory.use(inventory), ctx_host.use(host):
        connect_all(state)
        state.set_stage(StateStage.Prepare)
        yield state, host


def test_hosts_that_do_not_answer_end_it_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(each_host, "connect", lambda host: "refused")
    with _fake_state() as (state, _), pytest.raises(OperatorError, match="@fake/h1: refused"):
        engine._connect(state)
