"""The site's certificate from files and from its own authority; the settings of all modes."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from mattermost_host.components import tls
from mattermost_host.components.tls import Settings
from mattermost_host.ops import certbot
from mattermost_host.ops.acme import CertificateState
from mattermost_host.ops.entries import Absent
from mattermost_host.preflight import certificate
from mattermost_host.preflight.finding import Finding, Verdict
from mattermost_host.releases.lego import LegoSettings
from tests.unit.components.tls_examples import ACME, CLIENT, NAME, NOW, PAIR, planned
from tests.unit.examples import place

RENEW = "Have it renewed, put the new one into the same file, and deploy."


def test_pair_is_put_in_place_and_its_key_only_by_standard_input() -> None:
    result = planned(Settings(), CertificateState(), PAIR)
    assert result.text(tls.CERTIFICATE) == PAIR.certificate
    key = result.entry(tls.KEY)
    assert (key.mode, key.user, key.group, key.secret) == ("600", "root", "root", True)
    assert key.data.decode() == PAIR.key.get_secret_value()
    assert "PRIVATE KEY" not in result.shell
    assert "PRIVATE KEY" not in repr(result.entries)
    assert [step.name for step in result.steps] == [
        "TLS | lego's files are removed",
        "TLS | the certificate folder exists, without ACME files",
        "TLS | certificate and key are in place",
    ]


def test_without_acme_everything_of_it_is_removed() -> None:
    result = planned(Settings(mode="files"), CertificateState(), PAIR)
    removed = {entry.path for entry in result.entries if isinstance(entry, Absent)}
    assert removed == {
        *certbot.REMAINS,
        tls.HOOK,
        tls.CHALLENGES,
        tls.ACME_AUTHORITIES,
        CLIENT.unit_file,
    }
    assert tls.challenge_folder(Settings()) is None
    assert tls.surface(Settings(), place()).units == ()


@pytest.mark.parametrize(
    ("settings", "name", "sentence"),
    [
        (
            Settings(certificate="/x.pem"),
            NAME,
            'tls: found certificate or key with mode "internal-ca"; write mode = "files", or '
            "leave certificate and key out",
        ),
        (
            Settings(client="lego"),
            NAME,
            'tls.client: found "lego" with mode "internal-ca"; write mode = "acme", or leave '
            "it out",
        ),
        (
            Settings(lego=LegoSettings(file="https://mirror.test/lego.tar.gz")),
            NAME,
            'tls.lego: found settings with mode "internal-ca"; write mode = "acme", or leave '
            "it out",
        ),
        (
            ACME.model_copy(update={"lego": LegoSettings(file="/missing.tar.gz")}),
            NAME,
            "tls.lego.file: found '/missing.tar.gz'; there is no such file on this machine",
        ),
        (
            ACME.model_copy(update={"ca_bundle": "/missing.pem"}),
            NAME,
            "tls.ca_bundle: found '/missing.pem'; there is no such file on this machine",
        ),
        (
            ACME,
            "10.0.0.5",
            'tls.mode: found "acme" for 10.0.0.5; an ACME server verifies a full DNS name; use '
            "such a name, or internal-ca",
        ),
        (
            ACME,
            "localhost",
            'tls.mode: found "acme" for localhost; an ACME server verifies a full DNS name; use '
            "such a name, or internal-ca",
        ),
    ],
)
def test_each_mistake_has_its_sentence(settings: Settings, name: str, sentence: str) -> None:
    assert [str(mistake) for mistake in tls.mistakes(settings, place(name=name))] == [sentence]


def test_right_settings_have_no_mistake() -> None:
    for settings in (Settings(), ACME):
        assert list(tls.mistakes(settings, place(name=NAME))) == []


@pytest.mark.parametrize(
    "wrong", [{"mode": "none"}, {"directory": "http://acme.test"}, {"email": "nobody"}, {"x": 1}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


@pytest.mark.parametrize(
    ("mode", "days", "verdict", "remedy"),
    [
        ("files", 0, "ok", ""),
        (
            "files",
            345,
            "warning",
            RENEW,
        ),
        ("files", 400, "error", RENEW),
        (
            "internal-ca",
            400,
            "error",
            "The authority itself ends: remove the table [authority] from the secrets file, "
            "deploy, and give the new NAME.ca.pem to your users.",
        ),
    ],
)
def test_time_left(mode: str, days: int, verdict: Verdict, remedy: str) -> None:
    later = NOW + timedelta(days=days)
    found = certificate.time_left(mode, PAIR, later)
    left = (PAIR.leaf.not_valid_after_utc - later).days
    assert found == Finding(
        "certificate-time", verdict, f"{left} days left", "at least 21 days", remedy
    )


def test_time_left_is_required_of_pushed_certificates_only() -> None:
    assert [one.name for one in tls.requires(Settings(), place(pair=PAIR))] == ["certificate-time"]
    assert [one.name for one in tls.requires(ACME, place())] == [
        "certbot-of-snap",
        "epel",
        "opt-executable",
        "fapolicyd",
    ]
