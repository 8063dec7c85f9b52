"""Rules in the kernel: as loaded from the file, and not changed since."""

from pathlib import Path

import pytest

from mattermost_host.ops import files, ruleset
from mattermost_host.ops.entries import File
from mattermost_host.ops.ruleset import RulesState, TableExists
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.unit import local
from tests.unit.fake_host import answering, apply, nothing_installed, plan

UNIT, TABLE = "mattermost-firewall.service", "inet mattermost_host"
QUESTION = RulesState(UNIT, TABLE, "/run/listing", "/run/loaded")
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
ASKED = AskUnit(UNIT, (UNIT_FILE,))
IN_FORCE = {QUESTION: True, ASKED: UnitState(active=True, enabled=True)}


def _deploy() -> None:
    written = files.present(name="rules are written", entries=[File("/etc/rules.nft", "")])
    ruleset.loaded(name="rules are in force", rules=QUESTION, unit_file=UNIT_FILE, after=(written,))


def _only_loaded() -> None:
    ruleset.loaded(name="rules are in force", rules=QUESTION, unit_file=UNIT_FILE)


def test_answers_in_commands_out() -> None:
    assert plan(_only_loaded, answer=answering(IN_FORCE)).changed == []
    step = plan(_only_loaded, answer=answering({QUESTION: False})).steps[0]
    assert step.shell.index(f"systemctl enable -q {UNIT}") < step.shell.index(
        f"systemctl reload-or-restart {UNIT}"
    )


@pytest.mark.parametrize(("enabled", "active"), [(False, True), (True, False)])
def test_a_unit_that_would_not_load_them_at_boot(enabled: bool, active: bool) -> None:
    state = UnitState(active=active, enabled=enabled)
    result = plan(_only_loaded, answer=answering({QUESTION: True, ASKED: state}))
    assert f"systemctl reload-or-restart {UNIT}" in result.shell
    assert (f"systemctl enable -q {UNIT}" in result.shell) is not enabled


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (UnitState(overriding=("/run/x.conf",)), "rm -f -- /run/x.conf\nsystemctl daemon-reload"),
        (UnitState(masks=("/run/x",)), "rm -f -- /run/x\nsystemctl daemon-reload"),
        (UnitState(masks=("/etc/x",), masked=True), "systemctl unmask -q"),
        (UnitState(needs_daemon_reload=True), "systemctl daemon-reload"),
    ],
)
def test_what_goes_before_its_unit_file_is_taken_away(state: UnitState, part: str) -> None:
    result = plan(_only_loaded, answer=answering({QUESTION: True, ASKED: state}))
    assert part in result.shell


def test_a_plan_foresees_the_loading_and_a_run_asks_the_host() -> None:
    answer = answering(IN_FORCE, nothing_installed)
    assert plan(_deploy, answer=answer).changed == ["rules are written", "rules are in force"]
    assert apply(_deploy, answer=answer).changed == ["rules are written"]


def test_unloading() -> None:
    def deploy() -> None:
        ruleset.unloaded(name="rules are gone", unit=UNIT, table=TABLE)

    question = TableExists(UNIT, TABLE)
    assert plan(deploy, answer=answering({question: False})).changed == []
    step = plan(deploy, answer=answering({question: True})).steps[0]
    assert f"nft delete table {TABLE}" in step.shell


@pytest.mark.parametrize(
    ("lines", "exists"),
    [([], False), (["inactive"], False), (["active"], True), (["inactive", "table"], True)],
)
def test_reading_whether_there_is_something_to_unload(lines: list[str], exists: bool) -> None:
    assert TableExists(UNIT, TABLE).parse(lines) is exists


class Kernel:
    """nft that says what a test wants, and real files."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "programs"
        self.file, self.listing = folder / "rules.nft", folder / "listing"
        self.file.write_text("rules")
        self.holds("chain input")
        self.listing.write_text("chain input\n")
        self.loaded = folder / "loaded"
        self.loaded.write_text(local.run(f"sha256sum {self.file}").stdout)

    def holds(self, rules: str) -> None:
        local.program(self.programs, "nft", f"echo '{rules}'")

    def same(self) -> bool:
        question = RulesState(UNIT, TABLE, str(self.listing), str(self.loaded))
        return bool(local.ask_here(question, self.programs))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_the_real_answer(kernel: Kernel) -> None:
    assert kernel.same()


def test_rules_changed_by_hand(kernel: Kernel) -> None:
    kernel.holds("chain input { accept }")
    assert not kernel.same()


def test_a_table_that_is_gone(kernel: Kernel) -> None:
    local.program(kernel.programs, "nft", "exit 1")
    assert not kernel.same()


def test_a_file_that_was_not_loaded(kernel: Kernel) -> None:
    kernel.file.write_text("new rules")
    assert not kernel.same()


def test_another_mode_of_the_file_is_no_reason_to_load_it(kernel: Kernel) -> None:
    kernel.file.chmod(0o600)
    assert kernel.same()


def test_a_host_just_booted_without_a_listing(kernel: Kernel) -> None:
    kernel.listing.unlink()
    assert not kernel.same()
