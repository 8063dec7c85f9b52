"""`adopt` as it is typed: how a host is named, what is written where, and with which modes."""

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mattermost_host.cli import adopt
from mattermost_host.cli.main import main
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.preflight.adoption import Look
from mattermost_host.site.site import Site
from tests.unit import odd_files
from tests.unit.foreign_examples import DATA, DEFAULTS, foreign, look


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SiteHost]:
    """The hosts that are asked, all with the same answer."""
    asked: list[SiteHost] = []

    def answer(place: SiteHost) -> Look:
        asked.append(place)
        return look(foreign(defaults={}))

    monkeypatch.setattr(adopt, "_looked_at", answer)
    monkeypatch.chdir(tmp_path)
    return asked


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, ["adopt", *words])


@pytest.mark.parametrize(
    ("text", "name", "data"),
    [
        ("root@192.0.2.10", "192.0.2.10", {"ssh_user": "root"}),
        ("chat", "chat", {}),
        (
            "admin@chat.example.com:2222",
            "chat.example.com",
            {"ssh_user": "admin", "ssh_port": 2222},
        ),
        ("@local", "@local", {}),
        ("2001:db8::10", "2001:db8::10", {}),
        ("root@[2001:db8::10]:22", "2001:db8::10", {"ssh_user": "root", "ssh_port": 22}),
        ("h:65535", "h", {"ssh_port": 65535}),
    ],
)
def test_how_a_host_is_named(
    typed: list[SiteHost], text: str, name: str, data: dict[str, object]
) -> None:
    assert _run(text).exit_code == 0
    assert [(one.name, dict(one.data)) for one in typed] == [(name, data)]


@pytest.mark.parametrize("text", ["", "a b", "root@", "-oProxyCommand=x", "x\ny", "a@b@c"])
def test_what_is_no_host(typed: list[SiteHost], text: str) -> None:
    said = _run("--", text)
    assert (said.exit_code, typed) == (1, [])
    assert "is not the name or address of a host" in said.output


@pytest.mark.parametrize(
    "text",
    [
        "u:hunter2@h.invalid",
        "root:hunter2@h.invalid:22",
        "ssh://root:hunter2@h.invalid",
        "ssh://root@h.invalid/hunter2",
        "h.invalid:22:hunter2",
        "h.invalid:hunter2",
        "root:hunt@hunter2@h.invalid",
        "hunter2@",
    ],
)
def test_what_may_be_a_password_is_not_repeated(typed: list[SiteHost], text: str) -> None:
    said = _run(text)
    assert (said.exit_code, typed) == (1, [])
    assert "hunter2" not in said.output
    assert "HOST is not the name or address of a host; it is not repeated here" in said.output
    assert "USER@HOST for the user, HOST:PORT for the port" in said.output
    assert "no password: adopt logs in with an ssh key" in said.output


@pytest.mark.parametrize("port", ["0", "65536", "99999", "9" * 5000])
def test_a_port_that_no_host_has(typed: list[SiteHost], port: str) -> None:
    said = _run(f"127.0.0.1:{port}")
    assert (said.exit_code, typed) == (1, [])
    assert "HOST:PORT has no port from 1 to 65535: correct it, or leave it out" in said.output


@pytest.mark.parametrize("option", ["--release", "--ssh-config"])
@pytest.mark.parametrize("kind", [odd_files.pipe, odd_files.linked, odd_files.huge, Path.mkdir])
def test_only_a_regular_file_is_read(
    typed: list[SiteHost], tmp_path: Path, option: str, kind: Callable[[Path], None]
) -> None:
    kind(tmp_path / "odd")
    said = _run("chat", option, "odd")
    assert (said.exit_code, typed) == (1, [])
    needed = {
        odd_files.huge: "'odd' has 1,073,741,824 KiB; such a file has at most ",
        Path.mkdir: "File 'odd' is a directory",
    }
    assert needed.get(kind, "'odd' is not a regular file") in said.output


@pytest.mark.parametrize("option", ["--release", "--ssh-config"])
def test_a_device_is_no_file_to_read(typed: list[SiteHost], option: str) -> None:
    said = _run("chat", option, "/dev/zero")
    assert (said.exit_code, typed) == (1, [])
    assert "'/dev/zero' is not a regular file" in said.output


def test_what_is_written(typed: list[SiteHost], tmp_path: Path) -> None:
    said = _run("root@192.0.2.10")
    folder = tmp_path / "chat.example.com"
    assert f"{Path('chat.example.com/inventory.py')} is written; nothing was changed" in said.output
    assert {one.name for one in folder.iterdir()} == {
        ".gitignore",
        "config.py",
        "deploys",
        "inventory.py",
        "inventory.secrets.toml",
    }
    assert {one.name for one in (folder / "deploys").iterdir()} >= {"site.py", "take_over.py"}
    secrets = folder / "inventory.secrets.toml"
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert "k" * 32 in secrets.read_text()
    for secret in ("k" * 32, "s" * 32, "h%40rd"):
        assert secret not in said.output + (folder / "inventory.py").read_text()
    assert Site.load(folder / "inventory.py").settings.mattermost.settings == {}


def test_what_is_in_the_way_comes_first(
    typed: list[SiteHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inventory is written all the same: it says what was found."""
    next_step = "cd chat.example.com && mattermost-host take-over inventory.py"
    assert f"Next: {next_step}" in _run("chat").output
    wrong = replace(DATA, encoding="SQL_ASCII")
    monkeypatch.setattr(adopt, "_looked_at", lambda _: look(data=wrong))
    assert f"Next: mend the errors above; then {next_step}" in _run("chat", "there").output.replace(
        "cd there", "cd chat.example.com"
    )


def test_nothing_is_overwritten(typed: list[SiteHost], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/inventory.py").write_text("# mine\n")
    said = _run("chat", "there")
    assert said.exit_code == 1
    assert "there already has inventory.py, and nothing is overwritten" in said.output
    assert (tmp_path / "there/inventory.py").read_text() == "# mine\n"
    assert not (tmp_path / "there/inventory.secrets.toml").exists()


def test_the_settings_of_a_new_installation_come_from_the_tarball(
    typed: list[SiteHost], tmp_path: Path
) -> None:
    tarball = tmp_path / "mattermost-11.7.9.tar.gz"
    content = json.dumps(DEFAULTS).encode()
    with tarfile.open(tarball, "w:gz") as tar:
        member = tarfile.TarInfo("mattermost/config/config.json")
        member.size = len(content)
        tar.addfile(member, BytesIO(content))
    assert _run("chat", "--release", str(tarball)).exit_code == 0
    text = (tmp_path / "chat.example.com/inventory.py").read_text()
    assert "'TeamSettings.SiteName': 'Ours'," in text
    assert f"'file': '{tarball}'" in text
    assert "'sha256': '" in text


def test_a_release_without_a_known_digest_asks_for_it(
    typed: list[SiteHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "_looked_at", lambda _: look(foreign(version="11.2.4")))
    assert _run("chat").exit_code == 0
    text = (tmp_path / "chat.example.com/inventory.py").read_text()
    assert "\"release\": {'version': '11.2.4'}," in text
    assert 'Its digest is not known here: write "sha256" beside it' in text
