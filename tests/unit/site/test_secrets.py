"""The secrets file: generated once, 0600 from the first byte, never shown, whoever runs."""

import multiprocessing
import os
import stat
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.knowledge.surface import Wanted
from mattermost_host.site import secrets
from mattermost_host.site.secrets import Secrets
from mattermost_host.support.errors import OperatorError, SiteError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("mm.example.com", "10.0.0.5")
WANTED = Wanted(database_password=True, certificates={"site": NAMES})


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(secrets.ADMIN_VARIABLE, raising=False)
    monkeypatch.delenv(secrets.DATABASE_VARIABLE, raising=False)
    path = tmp_path / "single.py"
    path.write_text("site = {}\n")
    return path


def _file(inventory: Path) -> Path:
    return inventory.with_name("single.secrets.toml")


def _write(inventory: Path, text: str) -> None:
    _file(inventory).touch(mode=0o600)
    _file(inventory).write_text(text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _sentence(inventory: Path, wanted: Wanted = WANTED) -> str:
    with pytest.raises(OperatorError) as raised:
        Secrets.load(inventory, wanted, NOW)
    return str(raised.value)


def test_first_load_generates_everything_and_the_second_nothing(inventory: Path) -> None:
    first = Secrets.load(inventory, WANTED, NOW)
    written = _file(inventory).stat()
    assert Secrets.load(inventory, WANTED, NOW) == first
    assert _file(inventory).stat() == written
    assert first.authority is not None
    assert first.database_password is not None
    assert first.admin_password != first.database_password
    names = sorted(path.name for path in inventory.parent.iterdir())
    assert names == ["single.ca.pem", "single.py", "single.secrets.toml"]


def test_modes_whatever_the_umask(inventory: Path) -> None:
    before = os.umask(0o077)
    try:
        Secrets.load(inventory, WANTED, NOW)
    finally:
        os.umask(before)
    assert _mode(_file(inventory)) == 0o600
    assert _mode(inventory.with_name("single.ca.pem")) == 0o644


def test_file_is_private_from_its_first_byte(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real: Callable[..., int] = os.open

    def watching(path: Any, flags: int, mode: int = 0o777, **keywords: Any) -> int:
        descriptor = real(path, flags, mode, **keywords)
        if flags & os.O_CREAT and "secrets" in str(path):
            assert flags & os.O_EXCL or str(path).endswith(".lock")
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "open", watching)
        Secrets.load(inventory, WANTED, NOW)
    finally:
        os.umask(before)
    assert seen == [0o600, 0o600]  # the lock, the new file


def test_content_is_toml_with_keys_as_texts_of_several_lines(inventory: Path) -> None:
    loaded = Secrets.load(inventory, WANTED, NOW)
    text = _file(inventory).read_text()
    content = tomllib.loads(text)
    assert content["admin_password"] == loaded.admin_password.get_secret_value()
    assert content["certificates"]["site"]["key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert 'key = """\n-----BEGIN PRIVATE KEY-----\n' in text
    assert inventory.with_name("single.ca.pem").read_text() == content["authority"]["certificate"]


def test_only_what_is_wanted(inventory: Path) -> None:
    loaded = Secrets.load(inventory, Wanted(), NOW)
    assert (loaded.database_password, loaded.authority, loaded.certificates) == (None, None, {})
    assert list(tomllib.loads(_file(inventory).read_text())) == ["admin_password"]


def test_what_the_operator_wrote_stays(inventory: Path) -> None:
    _write(
        inventory,
        'admin_password = "Mine-1234"\n[settings]\n"EmailSettings.SMTPPassword" = "hunter2"\n',
    )
    loaded = Secrets.load(inventory, WANTED, NOW)
    assert loaded.admin_password.get_secret_value() == "Mine-1234"
    assert loaded.settings["EmailSettings.SMTPPassword"].get_secret_value() == "hunter2"
    content = tomllib.loads(_file(inventory).read_text())
    assert content["admin_password"] == "Mine-1234"
    assert content["settings"] == {"EmailSettings.SMTPPassword": "hunter2"}


def test_environment_wins_and_is_not_written(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATTERMOST_HOST_ADMIN_PASSWORD", "from-the-environment")
    monkeypatch.setenv("MATTERMOST_HOST_DATABASE_PASSWORD", "from-there-too")
    loaded = Secrets.load(inventory, WANTED, NOW)
    assert loaded.admin_password.get_secret_value() == "from-the-environment"
    assert loaded.database_password is not None
    assert loaded.database_password.get_secret_value() == "from-there-too"
    assert "from-the" not in _file(inventory).read_text()
    monkeypatch.delenv("MATTERMOST_HOST_ADMIN_PASSWORD")
    _write(inventory, 'admin_password = "Stored-1"\n')
    assert Secrets.load(inventory, WANTED, NOW).admin_password.get_secret_value() == "Stored-1"


def test_nothing_shows_a_secret(inventory: Path) -> None:
    _write(inventory, '[settings]\n"EmailSettings.SMTPPassword" = "hunter2"\n')
    loaded = Secrets.load(inventory, WANTED, NOW)
    assert loaded.authority is not None
    shown = f"{loaded} {loaded!r} {loaded.admin_password} {loaded.authority} {loaded.certificates}"
    assert loaded.admin_password.get_secret_value() not in shown
    assert "hunter2" not in shown
    assert "PRIVATE" not in shown


def test_certificate_is_renewed_in_time_and_the_authority_stays(inventory: Path) -> None:
    first = Secrets.load(inventory, WANTED, NOW)
    late = Secrets.load(inventory, WANTED, NOW + timedelta(days=300))
    assert late.authority == first.authority
    assert late.certificates["site"] != first.certificates["site"]
    assert late.admin_password == first.admin_password


def test_new_name_gets_a_new_certificate_of_the_same_authority(inventory: Path) -> None:
    first = Secrets.load(inventory, WANTED, NOW)
    moved = Secrets.load(inventory, Wanted(certificates={"site": ("chat.example.com",)}), NOW)
    assert moved.authority == first.authority
    assert moved.certificates["site"] != first.certificates["site"]
    assert moved.database_password == first.database_password


def test_public_certificate_is_put_back(inventory: Path) -> None:
    loaded = Secrets.load(inventory, WANTED, NOW)
    assert loaded.authority is not None
    public = inventory.with_name("single.ca.pem")
    public.write_text("tampered")
    Secrets.load(inventory, WANTED, NOW)
    assert public.read_text() == loaded.authority.certificate


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_file_that_others_may_open_is_refused(inventory: Path, mode: int) -> None:
    _write(inventory, "")
    _file(inventory).chmod(mode)
    assert _sentence(inventory) == (
        f"{_file(inventory)} has mode {mode:04o}: others than its owner may read it. "
        f"Type: chmod 600 {_file(inventory)}   If somebody may have read it, remove the secrets "
        "in it to have new ones."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another user")
def test_file_of_somebody_else_is_refused(inventory: Path) -> None:
    _write(inventory, "")
    os.chown(_file(inventory), 65534, 65534)
    assert _sentence(inventory) == (
        f"{_file(inventory)} belongs to the user with id 65534, and this is the user with id 0: "
        "its owner could read every secret in it. Run as that user, or type: "
        f"chown 0 {_file(inventory)}"
    )


def test_corrupt_file_is_named_and_left_alone(inventory: Path) -> None:
    _write(inventory, 'admin_password = "half')
    assert _sentence(inventory).startswith(f"{_file(inventory)} is not TOML: ")
    assert _file(inventory).read_text() == 'admin_password = "half'


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            'admin_pasword = "hunter2"',
            "admin_pasword: found a key that is not ours; remove it, or write one of: "
            "admin_password, database_password, drift_webhook, drift_mail_password, settings, "
            "authority, certificates",
        ),
        (
            "admin_password = 12345678",
            "admin_password: found something else; it needs a text in quotes: "
            "Input should be a valid string",
        ),
        (
            'admin_password = ""',
            "admin_password: found something else; it needs a text in quotes: "
            "Value should have at least 1 item after validation, not 0",
        ),
        (
            '[authority]\ncertificate = "hunter2"',
            "authority.key: found nothing; bring it back, or remove the table to have a new one",
        ),
        (
            '[authority]\ncertificate = "hunter2"\nkey = "hunter2"',
            "authority: found a certificate and a key that are not a pair of PEM blocks with an "
            "ECDSA key; bring them back, or remove the table to have new ones",
        ),
    ],
)
def test_wrong_content_is_a_sentence_without_the_value(
    inventory: Path, text: str, mistake: str
) -> None:
    _write(inventory, text)
    with pytest.raises(SiteError) as raised:
        Secrets.load(inventory, WANTED, NOW)
    assert [str(one) for one in raised.value.mistakes] == [mistake]
    assert "hunter2" not in str(raised.value)


def test_folder_that_cannot_be_written(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(13, "Permission denied")

    # Root may write everywhere, so the refusal is the system call's.
    monkeypatch.setattr(os, "open", refuse)
    assert _sentence(inventory) == (
        f"{_file(inventory)} cannot be written: Permission denied. The secrets of a site are kept "
        f"beside its inventory; make {inventory.parent} a folder that you may write."
    )


def test_complete_secrets_need_no_writable_folder(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Secrets.load(inventory, WANTED, NOW)

    def refuse(*_: Any, **__: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert Secrets.load(inventory, WANTED, NOW) == first


def test_remains_of_a_killed_run_are_no_hindrance(inventory: Path) -> None:
    (inventory.parent / ".new.single.secrets.toml").write_text("half")
    (inventory.parent / "single.secrets.toml.lock").touch()
    Secrets.load(inventory, WANTED, NOW)
    names = sorted(path.name for path in inventory.parent.iterdir())
    assert names == ["single.ca.pem", "single.py", "single.secrets.toml"]


def _load_in_a_process(inventory: Path, start: Any, results: Any) -> None:
    start.wait()
    loaded = Secrets.load(inventory, WANTED, NOW)
    key = loaded.certificates["site"].key.get_secret_value()
    results.put((loaded.admin_password.get_secret_value(), key))


def test_two_runs_at_once_end_with_the_same_secrets(inventory: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(6), context.Queue()
    processes = [
        context.Process(target=_load_in_a_process, args=(inventory, start, results))
        for _ in range(6)
    ]
    for process in processes:
        process.start()
    loaded = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(timeout=60)
    assert len(loaded) == 1
    assert loaded.pop()[0] in _file(inventory).read_text()


def test_generated_passwords_satisfy_every_class_of_a_policy() -> None:
    passwords = {secrets.new_password().get_secret_value() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert len(password) == 27
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)
        assert "-" in password
