"""The commands `backup` and `restore`: what is asked of the host, and what is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mattermost_host.cli import backup_commands
from mattermost_host.cli.main import main
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.remote import Answer
from mattermost_host.ops import backup_drill, detached
from mattermost_host.ops.backup_files import RESTORE, RESTORING, SERVICE, SERVICES
from mattermost_host.plan import apply as application
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from mattermost_host.verify import run as verification

SITE = {"url": "https://chat.example.com", "users": 50, "backup": {"to": "/srv/backup"}}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the host was given to run; each script says a word and succeeds."""
    ran: list[str] = []

    def run(host: SiteHost, script: str, say: Callable[[str], None]) -> Answer:
        assert host.name == "h1"
        ran.append(script)
        say("it said this")
        return Answer(0, b"\nit said this\n", "")

    monkeypatch.setattr(Site, "_current", None)
    monkeypatch.setattr(backup_commands, "run_as_root", run)
    monkeypatch.setattr(verification, "run", lambda *_, **__: 0)
    return ran


def _inventory(folder: Path, **changed: object) -> str:
    path = folder / "chat.py"
    path.write_text(f"site = { ({**SITE, **changed})!r}\napp = db = proxy = ['h1']\n")
    return str(path)


def test_a_backup_is_the_timers(scripts: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["backup", _inventory(tmp_path)])
    assert done.exit_code == 0
    assert scripts == [detached.started(SERVICE, *SERVICES)]
    assert "it said this" in done.output
    assert "the backup is made" in done.output


@pytest.mark.parametrize("command", ["backup", "restore", "drill"])
def test_where_there_are_no_backups_it_says_how(
    command: str, scripts: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, [command, _inventory(tmp_path, backup={})])
    assert done.exit_code == 1
    assert "has no backups: write backup" in " ".join(done.output.split())
    assert scripts == []


def test_nothing_is_replaced_before_the_answer(scripts: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path)], input="n\n")
    assert done.exit_code == 1
    assert scripts == [f"{RESTORE} --show"]
    assert "it said this" in done.output
    assert "Nothing was changed" in done.output


def test_the_time_is_one_word_for_the_host(scripts: list[str], tmp_path: Path) -> None:
    typed = ["restore", _inventory(tmp_path), "--to-time", "2026-11-27 $(id)", "--yes"]
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0
    word = "--to-time '2026-11-27 $(id)'"
    assert scripts == [f"{RESTORE} --show {word}", detached.run(RESTORING, f"{RESTORE} {word}")]
    assert "everything holds" in done.output


def test_a_refusal_is_a_sentence(
    scripts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Answer(1, b"", "Nothing was changed: it holds another database.")
    monkeypatch.setattr(backup_commands, "run_as_root", lambda *_, **__: refused)
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "--yes"])
    assert done.exit_code == 1
    assert "it holds another database" in " ".join(done.output.split())
    assert scripts == []


def test_a_verification_that_fails_is_told(
    scripts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "run", lambda *_, **__: 1)
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "--yes"])
    assert done.exit_code == 1
    assert len(scripts) == 2
    assert "but the verification failed" in done.output


def test_what_was_cut_off_is_put_back_without_a_question(
    scripts: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "--back"])
    assert done.exit_code == 0
    assert scripts == [detached.run(RESTORING, f"{RESTORE} --back")]
    assert "What was there before is in place, and everything holds" in done.output


@pytest.mark.parametrize("more", [("--to-time", "2026-11-27"), ("--from", "/mnt/lost")])
def test_to_put_back_is_not_to_restore(
    scripts: list[str], tmp_path: Path, more: tuple[str, str]
) -> None:
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "--back", *more])
    assert done.exit_code == 1
    assert "--back restores nothing: leave --to-time and --from out" in done.output
    assert scripts == []


@pytest.mark.parametrize("time", ["", " "])
def test_an_empty_time_is_not_the_newest_one(scripts: list[str], tmp_path: Path, time: str) -> None:
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "-y", "--to-time", time])
    assert done.exit_code == 1
    assert "--to-time is empty; write a time, or leave the option out" in done.output
    assert scripts == []


@pytest.fixture
def deployed(scripts: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scripts, with the names of the deploys between them."""

    def deploy(site: Site, deploy: Path = Path("deploys/site.py")) -> None:
        scripts.append(deploy.stem)

    monkeypatch.setattr(application, "deployed", deploy)
    return scripts


def test_a_new_host_is_looked_at_first_and_deployed_last(
    deployed: list[str], tmp_path: Path
) -> None:
    release = {"release": {"version": "11.2.0", "sha256": "0" * 64}}
    typed = ["restore", _inventory(tmp_path, mattermost=release), "--from", "/mnt/lost", "--yes"]
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0, done.output
    words = "--from /mnt/lost --url https://chat.example.com --release 11.2.0"
    program = detached.run(RESTORING, f"{RESTORE} {words}")
    assert deployed == [
        "restore_look",
        f"{RESTORE} --show {words}",
        detached.run(RESTORING, f"{RESTORE} --back"),
        "restore_host",
        program,
        "site",
    ]


def test_a_new_host_is_not_deployed_before_the_answer(deployed: list[str], tmp_path: Path) -> None:
    typed = ["restore", _inventory(tmp_path), "--from", "/mnt/lost"]
    done = CliRunner().invoke(main, typed, input="n\n")
    assert done.exit_code == 1
    assert deployed[0] == "restore_look"
    assert len(deployed) == 2


def test_a_step_that_failed_was_not_called_done(
    scripts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreached(*_: object) -> None:
        raise OperatorError("nothing was changed, because not every host answered")

    monkeypatch.setattr(application, "deployed", unreached)
    typed = ["restore", _inventory(tmp_path), "-y", "--from", "/srv/other"]
    done = CliRunner().invoke(main, typed)
    assert (done.exit_code, scripts) == (1, [])
    first, last = done.output.splitlines()
    assert first == "h1: installing what it takes to look into /srv/other."
    assert last == "Error: nothing was changed, because not every host answered"


@pytest.mark.parametrize("folder", ["lost", "/mnt/$(id)", "/mnt/a b", "s3://b", "ftp://host/b"])
def test_a_folder_is_a_full_path_of_plain_signs(
    folder: str, deployed: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "--from", folder])
    assert done.exit_code == 1
    assert f'--from "{folder}": write ' in " ".join(done.output.split())
    assert "s3://BUCKET/PATH" in " ".join(done.output.split())
    assert deployed == []


@pytest.mark.parametrize("lost", ["s3://lost/chat", "sftp://chat@backup.test/srv/lost"])
def test_the_lost_ones_place_opens_with_what_the_inventory_says(
    lost: str, deployed: list[str], scripts: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, ["restore", _inventory(tmp_path), "--from", lost])
    assert done.exit_code == 1
    assert "another path of the same host or the same service" in " ".join(done.output.split())
    assert deployed == scripts == []


def test_a_drill_is_the_timers(scripts: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["drill", _inventory(tmp_path)])
    assert done.exit_code == 0
    assert scripts == [detached.started(backup_drill.SERVICE, backup_drill.SERVICE)]
    first, *_, last = done.output.splitlines()
    assert first == "h1: restoring the latest backup beside the site, to try it."
    assert last.startswith("h1: the backups are proven")


def test_where_no_drills_are_wanted_none_is_made(scripts: list[str], tmp_path: Path) -> None:
    without = {"to": "/srv/backup", "drill": False}
    done = CliRunner().invoke(main, ["drill", _inventory(tmp_path, backup=without)])
    assert done.exit_code == 1
    assert "wants no drills: leave backup.drill out" in " ".join(done.output.split())
    assert scripts == []
