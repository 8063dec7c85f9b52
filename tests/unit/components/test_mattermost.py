"""The component mattermost: fresh, converged, one setting at a time, and a sandbox that holds."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.components import mattermost
from mattermost_host.components.mattermost import (
    DATABASE_CA_FILE,
    ENVIRONMENT_FILE,
    LICENCE_FILE,
    UNIT_FILE,
    Settings,
)
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.knowledge.process_environment import quoted
from mattermost_host.ops.entries import Absent
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball
from mattermost_host.site import server_environment
from tests.unit.examples import URL, converged, files_that_differ, mistakes_of, place
from tests.unit.fake_host import Plan, nothing_installed, plan
from tests.unit.parsers import complaints_of_systemd, exposure

PASSWORD = "Hunter2-Hunter2"
SMTP_PASSWORD = "mail-hunter-3"
DATA_SOURCE = "postgres:///mattermost?host=/var/run/postgresql"
LOG_RULES = "/etc/tmpfiles.d/mattermost-host.conf"


def _variables(settings: Settings) -> dict[str, str]:
    return server_environment.variables(
        settings,
        url=URL,
        data_source=SecretStr(DATA_SOURCE),
        secret_settings={"EmailSettings.SMTPPassword": SecretStr(SMTP_PASSWORD)},
        users=50,
    )


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / "mattermost.tar.gz"
    path.touch()
    return path


class Deployed:
    """The component's deploy with the arguments that a site gives it."""

    def __init__(self, tarball: Path):
        self.wanted = Release("11.7.9", lambda _: Tarball(tarball, "ab" * 32))

    def __call__(self, answer: Any = nothing_installed, **changed: Any) -> Plan:
        settings = Settings(**changed.pop("settings", {}))
        wiring = {
            "family": DEBIAN,
            "wanted": self.wanted,
            "before_start": ("After=wall.service",),
            "hold": None,
            "brotli": True,
            "variables": _variables(settings),
            "local_database": True,
            "database_ca": None,
            "licence": None,
            "administrator_email": "sysadmin@chat.example.com",
            "administrator_password": SecretStr(PASSWORD),
        }
        return plan(mattermost.deploy, settings, answer=answer, **{**wiring, **changed})


@pytest.fixture
def deployed(tarball: Path) -> Deployed:
    return Deployed(tarball)


def test_a_fresh_host(deployed: Deployed) -> None:
    assert deployed().changed == [
        "Mattermost | the account mattermost exists",
        "Mattermost | tools for the release are installed",
        "Mattermost | release folders are in place",
        "Mattermost | release 11.7.9 is unpacked",
        "Mattermost | release 11.7.9 is current",
        "Mattermost | folders, settings and unit are in place",
        "Mattermost | the server is running",
        "Mattermost | the administrator sysadmin exists",
    ]


def test_a_converged_host_yields_nothing(deployed: Deployed) -> None:
    assert deployed(answer=converged(deployed())).changed == []


def test_secrets_are_in_no_command_and_in_private_files_only(deployed: Deployed) -> None:
    result = deployed(licence=b"licence-hunter", database_ca=b"authority")
    secrets = (PASSWORD, SMTP_PASSWORD, DATA_SOURCE, "licence-hunter")
    assert not any(secret in result.shell for secret in secrets)
    assert not any(secret in step.name for secret in secrets for step in result.steps)
    for path, content in result.written.items():
        if any(secret.encode() in content for secret in secrets):
            entry = result.entry(path)
            assert (entry.secret, entry.mode, entry.group) == (True, "640", "mattermost"), path
    assert PASSWORD.encode() not in b"".join(result.written.values())


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"settings": {"TeamSettings.SiteName": "Chat"}}, ENVIRONMENT_FILE),
        ({"max_file_size_mb": 200}, ENVIRONMENT_FILE),
        ({"log_days": 7}, LOG_RULES),
        ({"sandbox_without": ["netlink"]}, UNIT_FILE),
        ({"sandbox_without": ["executable-memory"]}, UNIT_FILE),
    ],
)
def test_one_setting_is_one_file(deployed: Deployed, settings: dict[str, Any], path: str) -> None:
    fresh = deployed()
    assert files_that_differ(fresh, deployed(settings=settings)) == {path}
    changed = deployed(answer=converged(fresh), settings=settings).changed
    assert changed[0] == "Mattermost | folders, settings and unit are in place"
    assert set(changed[1:]) <= {"Mattermost | the server is running"}


def test_a_licence_is_a_private_file_and_goes_with_its_setting(deployed: Deployed) -> None:
    with_licence = deployed(licence=b"abc")
    assert with_licence.written[LICENCE_FILE] == b"abc"
    assert with_licence.entry(LICENCE_FILE).mode == "640"
    without = deployed(answer=converged(with_licence))
    assert Absent(LICENCE_FILE) in without.entries
    assert f"gone {LICENCE_FILE}" in without.shell


def test_an_external_database_brings_its_authority(deployed: Deployed) -> None:
    result = deployed(local_database=False, database_ca=b"PEM")
    assert result.written[DATABASE_CA_FILE] == b"PEM"
    assert "postgresql.service" not in result.text(UNIT_FILE)
    assert "postgresql.service" in deployed().text(UNIT_FILE)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", '"plain"'),
        ("two words # no comment", '"two words # no comment"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("$HOME `id`", '"\\$HOME \\`id\\`"'),
        ("it's", '"it\'s"'),
        ("", '""'),
    ],
)
def test_values_are_quoted_for_systemd(value: str, written: str) -> None:
    assert quoted(value) == written


@pytest.mark.parametrize("local_database", [True, False])
@pytest.mark.parametrize("without", [[], ["netlink"], ["netlink", "executable-memory"]])
def test_systemd_accepts_the_unit(
    tmp_path: Path, deployed: Deployed, local_database: bool, without: list[str]
) -> None:
    result = deployed(settings={"sandbox_without": without}, local_database=local_database)
    unit = _unit(tmp_path, result)
    assert complaints_of_systemd(unit) == []


def _unit(folder: Path, result: Plan) -> Path:
    unit = folder / mattermost.UNIT
    text = result.text(UNIT_FILE)
    assert "ExecStart=/opt/mattermost/current/bin/mattermost\n" in text
    # The binary is on the host only, and systemd looks whether it is there.
    unit.write_text(text.replace("/opt/mattermost/current/bin/mattermost", "/bin/true"))
    return unit


def test_systemd_would_say_if_it_did_not(tmp_path: Path, deployed: Deployed) -> None:
    unit = _unit(tmp_path, deployed())
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=srict"))
    (complaint,) = complaints_of_systemd(unit)
    assert "ProtectSystem" in complaint or "srict" in complaint


def test_the_sandbox_is_as_tight_as_the_surface_says(tmp_path: Path, deployed: Deployed) -> None:
    (shown,) = mattermost.surface(Settings(), place()).units
    assert shown.max_exposure == 1.5
    assert exposure(_unit(tmp_path, deployed())) <= 1.5


def test_nobody_but_this_host_reaches_the_server() -> None:
    surface = mattermost.surface(Settings(), place())
    assert {(port.number, port.reachable_from) for port in surface.ports} == {(8065, "loopback")}


def test_wrong_settings() -> None:
    assert mistakes_of(
        mattermost={
            "max_file_size_mb": 0,
            "log_days": "a week",
            "release": {"version": "11.7", "edition": "gold"},
            "administrator": {"username": "Root"},
            "sandbox_without": ["all"],
        }
    ) == [
        "mattermost.release.version: found an invalid version; write three numbers, like 11.7.9",
        "mattermost.release.edition: found 'gold'; input should be 'enterprise' or 'team'",
        "mattermost.administrator.username: found an invalid username; "
        "3 to 22 of a-z, 0-9, and . _ -, the first a letter",
        "mattermost.max_file_size_mb: found 0; input should be greater than or equal to 1",
        "mattermost.log_days: found 'a week'; input should be a valid integer",
        "mattermost.sandbox_without.0: found 'all'; "
        "input should be 'netlink' or 'executable-memory'",
    ]
