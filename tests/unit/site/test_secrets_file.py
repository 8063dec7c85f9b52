"""The secrets file as an operator may have left it: each mistake is a sentence without a value."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mattermost_host.knowledge.surface import Wanted
from mattermost_host.site.secrets import Secrets, alert_secrets
from mattermost_host.support.errors import OperatorError, SiteError
from tests.unit.site.secrets_beside import secrets_of, write_secrets

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WANTED = Wanted(database_password=True, certificates={"site": ("mm.example.com",)})


def _sentence(inventory: Path) -> str:
    with pytest.raises(OperatorError) as raised:
        Secrets.load(inventory, WANTED, NOW)
    return str(raised.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_file_that_others_may_open_is_refused(inventory: Path, mode: int) -> None:
    write_secrets(inventory, "")
    secrets_of(inventory).chmod(mode)
    assert _sentence(inventory) == (
        f"{secrets_of(inventory)} has mode {mode:04o}: others than its owner may read it. "
        f"Type: chmod 600 {secrets_of(inventory)}   "
        "If somebody may have read it, remove the secrets in it to have new ones."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another user")
def test_file_of_somebody_else_is_refused(inventory: Path) -> None:
    write_secrets(inventory, "")
    os.chown(secrets_of(inventory), 65534, 65534)
    assert _sentence(inventory) == (
        f"{secrets_of(inventory)} belongs to the user with id 65534, and this is the user "
        "with id 0: its owner could read every secret in it. Run as that user, or type: "
        f"chown 0 {secrets_of(inventory)}"
    )


def test_corrupt_file_is_named_and_left_alone(inventory: Path) -> None:
    write_secrets(inventory, 'admin_password = "half')
    assert _sentence(inventory).startswith(f"{secrets_of(inventory)} is not TOML: ")
    assert secrets_of(inventory).read_text() == 'admin_password = "half'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "lists or tables are nested too deep"),
        ("a = " + "9" * 5000, "a number has too many digits"),
    ],
)
def test_what_python_s_reader_gives_up_on_is_a_sentence(
    inventory: Path, text: str, reason: str
) -> None:
    write_secrets(inventory, text)
    said = _sentence(inventory)
    assert said.startswith(f"{secrets_of(inventory)} is not TOML: ")
    assert reason in said
    write_secrets(inventory, "drift_webhook" + text[1:])
    assert alert_secrets(inventory) == (None, None)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            'admin_pasword = "hunter2"',
            "admin_pasword: found an unknown key; remove it, or write one of: "
            "admin_password, database_password, drift_webhook, drift_mail_password, "
            "backup_key, backup_s3_access_key, backup_s3_secret_key, backup_ssh_key, passwords, "
            "settings, authority, certificates",
        ),
        (
            "admin_password = 12345678",
            "admin_password: found something else; it needs a string in quotes: "
            "Input should be a valid string",
        ),
        (
            'admin_password = ""',
            "admin_password: found something else; it needs a string in quotes: "
            "Value should have at least 1 item after validation, not 0",
        ),
        (
            '[authority]\nkey = "hunter2"',
            "authority.certificate: found nothing; bring it back, or remove the table to have a "
            "new one",
        ),
        (
            '[authority]\ncertificate = "hunter2"\nkey = "hunter2"',
            "authority.certificate: found something that is not a certificate in PEM; bring it "
            "back, or remove the table to have a new authority",
        ),
    ],
)
def test_wrong_content_is_a_sentence_without_the_value(
    inventory: Path, text: str, mistake: str
) -> None:
    write_secrets(inventory, text)
    with pytest.raises(SiteError) as raised:
        Secrets.load(inventory, WANTED, NOW)
    assert [str(one) for one in raised.value.mistakes] == [mistake]
    assert raised.value.source == str(secrets_of(inventory))
    assert "hunter2" not in str(raised.value)
