"""upgrade, rollback, upgrade-postgresql: which deploy they carry out, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mattermost_host.cli.main import main
from mattermost_host.engine.explanations import Change
from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan, Step
from mattermost_host.site.site import Site as Told
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification

UPGRADE, DEPLOY = "deploys/upgrade_postgresql.py", "deploys/site.py"
MOVE = Plan({"h1": (Step("the server runs release 2", (Change("current", "leads to 1"),)),)})


class Site:
    """What a run is asked, and how it ends."""

    def __init__(self) -> None:
        self.plan = MOVE
        self.breaks = ""
        self.failing = 0
        self.log: list[str] = []
        self.advice = ""
        self.release: tuple[str, ...] | None = None

    def execute(self) -> None:
        self.log.append("executed")
        if self.breaks:
            raise OperatorError(self.breaks)

    def verified(self, *_: Any, **told: Any) -> int:
        self.log.append("verified")
        self.release = told.get("release")
        return self.failing


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()

    @contextmanager
    def prepared(_: Any, limit: Any, deploy: Path) -> Iterator[Site]:
        made.log.append(str(deploy))
        yield made

    monkeypatch.setattr(planning, "prepared", prepared)
    monkeypatch.setattr(planning, "evaluate", lambda run, _: run.plan)
    monkeypatch.setattr(verification, "run", made.verified)
    return made


def _run(folder: Path, *words: str, answer: str = "") -> Result:
    inventory = folder / "chat.py"
    inventory.write_text(
        "site = {'url': 'https://chat.example.com', 'users': 50}\napp = db = proxy = ['h1']\n"
    )
    word, *options = words
    return CliRunner().invoke(main, [word, str(inventory), *options], input=answer)


def test_an_upgrade_is_shown_asked_for_carried_out_and_verified(site: Site, tmp_path: Path) -> None:
    done = _run(tmp_path, "upgrade", answer="y\n")
    assert done.exit_code == 0
    assert site.log == ["deploys/upgrade.py", "executed", "verified"]
    assert "leads to 1" in done.output
    assert "The release was upgraded, and everything holds" in done.output
    assert _run(tmp_path, "upgrade", answer="n\n").exit_code == 1
    assert site.log.count("executed") == 1


def test_an_upgrade_that_failed_is_not_verified(site: Site, tmp_path: Path) -> None:
    site.breaks = "the run failed on h1"
    done = _run(tmp_path, "upgrade", "--yes")
    assert done.exit_code == 1
    assert "the run failed on h1" in done.output
    assert "verified" not in site.log
    assert "it goes on without this machine" in site.advice


def test_an_upgraded_site_that_does_not_hold_ends_with_1(site: Site, tmp_path: Path) -> None:
    site.failing = 1
    done = _run(tmp_path, "upgrade", "--yes")
    assert (done.exit_code, "but the verification failed" in done.output) == (1, True)


def test_nothing_to_upgrade(site: Site, tmp_path: Path) -> None:
    site.plan = Plan({"h1": ()})
    done = _run(tmp_path, "upgrade")
    assert (done.exit_code, "executed" in site.log) == (0, False)
    assert "Nothing had to be changed, and everything holds" in done.output


def test_the_command_line_may_name_the_release(site: Site, tmp_path: Path) -> None:
    done = _run(tmp_path, "upgrade", "--yes", "--to", "11.7.9")
    assert done.exit_code == 0
    assert "the host keeps this one: nothing is to be written" in done.output
    assert list(site.release or ()) == ["--to=11.7.9"]
    other = "0" * 64
    done = _run(tmp_path, "upgrade", "--yes", "--to", "11.7.10", "--sha256", other)
    assert list(site.release or ()) == ["--to=11.7.10", f"--to-sha256={other}"]
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "eleven"), "mattermost.release.version: found an invalid version"),
        (("--to", "11.7.10"), "'11.7.10', a release without a digest"),
        (("--sha256", "ab"), "--sha256 is the digest of the release that --to names"),
    ],
)
def test_a_release_that_can_t_be_named(
    site: Site, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = _run(tmp_path, "upgrade", "--yes", *words)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())
    assert site.log == []


def test_a_rollback(site: Site, tmp_path: Path) -> None:
    done = _run(tmp_path, "rollback", answer="y\n")
    assert done.exit_code == 0
    assert site.log == ["deploys/rollback.py", "executed"]
    assert "The release before serves." in done.output
    assert _run(tmp_path, "rollback", answer="n\n").exit_code == 1
    assert not Told.current().accept_loss
    assert _run(tmp_path, "rollback", "--yes", "--accept-loss").exit_code == 0
    assert Told.current().accept_loss
    site.breaks = "the run failed on h1"
    assert _run(tmp_path, "rollback", "--yes").exit_code == 1
    site.plan = Plan({"h1": ()})
    done = _run(tmp_path, "rollback")
    assert (done.exit_code, "There is no upgrade to take back." in done.output) == (0, True)


@pytest.mark.parametrize(
    ("options", "deploy", "done"),
    [
        ((), UPGRADE, "The database was moved, and everything holds"),
        (("--back",), "deploys/rollback_postgresql.py", "The database was moved back"),
    ],
)
def test_a_move_of_the_database_is_followed_by_a_deploy_and_verified(
    site: Site, tmp_path: Path, options: tuple[str, ...], deploy: str, done: str
) -> None:
    said = _run(tmp_path, "upgrade-postgresql", *options, answer="y\n")
    assert said.exit_code == 0, said.output
    assert site.log == [deploy, "executed", DEPLOY, "executed", "verified"]
    assert done in said.output
    assert _run(tmp_path, "upgrade-postgresql", answer="n\n").exit_code == 1
    assert site.log.count("executed") == 2


def test_a_move_that_failed_is_followed_by_nothing(site: Site, tmp_path: Path) -> None:
    site.breaks = "PostgreSQL 15 serves again, as before"
    done = _run(tmp_path, "upgrade-postgresql", "--yes")
    assert (done.exit_code, site.log) == (1, [UPGRADE, "executed"])
    assert "PostgreSQL 15 serves again, as before" in done.output


def test_a_moved_database_whose_site_does_not_hold_ends_with_1(site: Site, tmp_path: Path) -> None:
    site.failing = 1
    done = _run(tmp_path, "upgrade-postgresql", "--yes")
    assert (done.exit_code, "moved, but the verification failed" in done.output) == (1, True)


def test_an_uninstall_says_what_is_kept(site: Site, tmp_path: Path) -> None:
    done = _run(tmp_path, "uninstall", answer="y\n")
    assert (done.exit_code, site.log) == (0, ["deploys/uninstall.py", "executed"])
    assert "Kept: the database in its PostgreSQL (stopped)" in done.output
    assert _run(tmp_path, "uninstall", answer="n\n").exit_code == 1
    assert site.log.count("executed") == 1
    site.breaks = "systemctl failed"
    assert _run(tmp_path, "uninstall", "--yes").exit_code == 1
    site.plan = Plan({"h1": ()})
    assert "There is nothing to remove" in _run(tmp_path, "uninstall").output


def test_no_database_to_move(site: Site, tmp_path: Path) -> None:
    site.plan = Plan({"h1": ()})
    done = _run(tmp_path, "upgrade-postgresql")
    assert (done.exit_code, site.log) == (0, [UPGRADE, "verified"])
    assert "Nothing had to be moved, and everything holds" in done.output


def test_an_upgrade_of_the_system_is_followed_by_a_deploy(site: Site, tmp_path: Path) -> None:
    done = _run(tmp_path, "upgrade-system", "--yes")
    assert (done.exit_code, site.log) == (
        0,
        ["deploys/upgrade_system.py", "executed", DEPLOY, "executed", "verified"],
    )
    assert "The system was upgraded, and everything holds" in done.output
    site.plan = Plan({"h1": ()})
    assert "The system has its newest release" in _run(tmp_path, "upgrade-system").output
