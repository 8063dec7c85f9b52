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
from mattermost_host.site import missing_secrets, secret_variables
from mattermost_host.site.secrets import Secrets
from mattermost_host.support.errors import OperatorError
from tests.unit.site.secrets_beside import secrets_of, write_secrets

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("mm.example.com", "10.0.0.5")
WANTED = Wanted(database_password=True, certificates={"site": NAMES})


def _kept(inventory: Path, wanted: Wanted = WANTED, now: datetime = NOW) -> Secrets:
    """What a run that changes something has."""
    loaded = Secrets.load(inventory, wanted, now)
    loaded.keep()
    return loaded


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _sentence(inventory: Path, wanted: Wanted = WANTED) -> str:
    with pytest.raises(OperatorError) as raised:
        _kept(inventory, wanted, NOW)
    return str(raised.value)


def test_first_load_generates_everything_and_the_second_nothing(inventory: Path) -> None:
    first = _kept(inventory, WANTED, NOW)
    # Without the time of the last reading, which is another one.
    before = secrets_of(inventory).stat()
    assert _kept(inventory, WANTED, NOW) == first
    after = secrets_of(inventory).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert first.authority is not None
    assert first.database_password is not None
    assert first.admin_password != first.database_password
    names = sorted(path.name for path in inventory.parent.iterdir())
    assert names == [
        "single.authority-key.pem",
        "single.ca.pem",
        "single.py",
        "single.secrets.toml",
    ]


def test_modes_whatever_the_umask(inventory: Path) -> None:
    before = os.umask(0o077)
    try:
        _kept(inventory, WANTED, NOW)
    finally:
        os.umask(before)
    assert _mode(secrets_of(inventory)) == 0o600
    assert _mode(inventory.with_name("single.authority-key.pem")) == 0o600
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
        _kept(inventory, WANTED, NOW)
    finally:
        os.umask(before)
    assert seen == [0o600, 0o600]  # the lock, the new file


def test_content_is_toml_with_keys_as_texts_of_several_lines(inventory: Path) -> None:
    loaded = _kept(inventory, WANTED, NOW)
    text = secrets_of(inventory).read_text()
    content = tomllib.loads(text)
    assert content["admin_password"] == loaded.admin_password.get_secret_value()
    assert content["certificates"]["site"]["key"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert 'key = """\n-----BEGIN PRIVATE KEY-----\n' in text
    assert inventory.with_name("single.ca.pem").read_text() == content["authority"]["certificate"]


def test_only_what_is_wanted(inventory: Path) -> None:
    loaded = _kept(inventory, Wanted(), NOW)
    assert (loaded.database_password, loaded.authority, loaded.certificates) == (None, None, {})
    assert list(tomllib.loads(secrets_of(inventory).read_text())) == ["admin_password"]


def test_what_the_operator_wrote_stays(inventory: Path) -> None:
    write_secrets(
        inventory,
        'admin_password = "Mine-1234"\n[settings]\n"EmailSettings.SMTPPassword" = "hunter2"\n',
    )
    loaded = _kept(inventory, WANTED, NOW)
    assert loaded.admin_password.get_secret_value() == "Mine-1234"
    assert loaded.settings["EmailSettings.SMTPPassword"].get_secret_value() == "hunter2"
    content = tomllib.loads(secrets_of(inventory).read_text())
    assert content["admin_password"] == "Mine-1234"
    assert content["settings"] == {"EmailSettings.SMTPPassword": "hunter2"}


def test_environment_wins_and_is_not_written(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATTERMOST_HOST_ADMIN_PASSWORD", "from-the-environment")
    monkeypatch.setenv("MATTERMOST_HOST_DATABASE_PASSWORD", "from-there-too")
    loaded = _kept(inventory, WANTED, NOW)
    assert loaded.admin_password.get_secret_value() == "from-the-environment"
    assert loaded.database_password is not None
    assert loaded.database_password.get_secret_value() == "from-there-too"
    assert "from-the" not in secrets_of(inventory).read_text()
    monkeypatch.delenv("MATTERMOST_HOST_ADMIN_PASSWORD")
    write_secrets(inventory, 'admin_password = "Stored-1"\n')
    assert _kept(inventory, WANTED, NOW).admin_password.get_secret_value() == "Stored-1"


@pytest.mark.parametrize("variable", secret_variables.VARIABLES)
def test_bytes_that_are_no_text_are_refused(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "hunter2\udcff")
    sentence = _sentence(inventory)
    assert sentence.startswith(f"the environment's {variable} is not UTF-8 text; ")
    assert "hunter2" not in sentence


def test_nothing_shows_a_secret(inventory: Path) -> None:
    write_secrets(inventory, '[settings]\n"EmailSettings.SMTPPassword" = "hunter2"\n')
    loaded = _kept(inventory, WANTED, NOW)
    assert loaded.authority is not None
    shown = f"{loaded} {loaded!r} {loaded.admin_password} {loaded.authority} {loaded.certificates}"
    assert loaded.admin_password.get_secret_value() not in shown
    assert "hunter2" not in shown
    assert "PRIVATE" not in shown


def test_certificate_is_renewed_in_time_and_the_authority_stays(inventory: Path) -> None:
    first = _kept(inventory, WANTED, NOW)
    late = _kept(inventory, WANTED, NOW + timedelta(days=300))
    assert late.authority == first.authority
    assert late.certificates["site"] != first.certificates["site"]
    assert late.admin_password == first.admin_password


def test_new_name_gets_a_new_certificate_of_the_same_authority(inventory: Path) -> None:
    first = _kept(inventory, WANTED, NOW)
    moved = _kept(inventory, Wanted(certificates={"site": ("chat.example.com",)}), NOW)
    assert moved.authority == first.authority
    assert moved.certificates["site"] != first.certificates["site"]
    assert moved.database_password == first.database_password


def test_public_certificate_is_put_back(inventory: Path) -> None:
    loaded = _kept(inventory, WANTED, NOW)
    assert loaded.authority is not None
    public = inventory.with_name("single.ca.pem")
    public.write_text("tampered")
    _kept(inventory, WANTED, NOW)
    assert public.read_text() == loaded.authority


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Closes every folder, also for root, who may write everywhere: by the system call itself."""
    real = os.open

    def refuse(path: Any, flags: int, *more: Any) -> int:
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *more)

    return lambda: monkeypatch.setattr(os, "open", refuse)


def test_folder_that_cannot_be_written(inventory: Path, read_only: Callable[[], None]) -> None:
    read_only()
    assert _sentence(inventory) == (
        f"{secrets_of(inventory)} cannot be written: Permission denied. Make {inventory.parent} a "
        "folder that you may write."
    )


def test_complete_secrets_need_no_writable_folder(
    inventory: Path, read_only: Callable[[], None]
) -> None:
    first = _kept(inventory, WANTED, NOW)
    read_only()
    assert _kept(inventory, WANTED, NOW) == first


def test_remains_of_a_killed_run_are_no_hindrance(inventory: Path) -> None:
    (inventory.parent / ".single.secrets.toml.new").write_text("half")
    (inventory.parent / "single.secrets.toml.lock").touch()
    _kept(inventory, WANTED, NOW)
    names = sorted(path.name for path in inventory.parent.iterdir())
    assert names == [
        "single.authority-key.pem",
        "single.ca.pem",
        "single.py",
        "single.secrets.toml",
    ]


def _keep_in_a_process(inventory: Path, start: Any, results: Any) -> None:
    start.wait()
    try:
        loaded = _kept(inventory)
    except OperatorError as error:
        results.put(str(error))
    else:
        results.put((loaded.admin_password.get_secret_value(),))


def test_of_runs_at_once_one_generates_and_the_others_are_told(inventory: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(6), context.Queue()
    processes = [
        context.Process(target=_keep_in_a_process, args=(inventory, start, results))
        for _ in range(6)
    ]
    for process in processes:
        process.start()
    ended = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    passwords = {end for end in ended if isinstance(end, tuple)}
    assert len(passwords) == 1
    assert passwords.pop()[0] in secrets_of(inventory).read_text()
    told = {end for end in ended if isinstance(end, str)}
    assert all("run it again" in sentence for sentence in told), told


def test_generated_passwords_satisfy_every_class_of_a_policy() -> None:
    passwords = {missing_secrets.new_password().get_secret_value() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert len(password) == 27
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)
        assert "-" in password
