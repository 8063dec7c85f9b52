"""The site's certificate in its three modes, without a host; the hook by the real shell."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import ValidationError

from mattermost_host.certificates import authority as certificates
from mattermost_host.certificates.authority import Pair
from mattermost_host.components import tls
from mattermost_host.components.tls import Settings
from mattermost_host.engine.batch import Question
from mattermost_host.knowledge.families import DEBIAN, ENTERPRISE_LINUX, Family
from mattermost_host.knowledge.surface import SecretFile, Unit
from mattermost_host.ops import certbot
from mattermost_host.ops.acme import AskCertificate, CertificateState
from mattermost_host.ops.entries import Absent, File
from mattermost_host.preflight import certificate
from mattermost_host.preflight.finding import Finding, Verdict
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.lego import LegoSettings, LegoTarball
from tests.unit import local
from tests.unit.examples import ROCKY_9, place
from tests.unit.fake_host import Plan, answering, plan

CLIENT = certbot.client(DEBIAN.certbot)
TARBALL = LegoTarball("ab" * 32, lambda: Tarball(Path("/lego.tar.gz"), "ab" * 32))
NAME = "mm.example.com"
NOW = datetime.now(UTC)
AUTHORITY = certificates.new_authority("test", NOW - timedelta(minutes=1))
PAIR = certificates.new_leaf(AUTHORITY, [NAME], NOW)
ACME = Settings(mode="acme", directory="https://acme.test/dir", email="admin@example.com")
STANDING = "a temporary certificate is in place"
RENEW = "Have it renewed, put the new one into the same file, and deploy."
ISSUED = "the certificate is issued"


def _leaf(names: tuple[str, ...] = (NAME,), age_days: int = 0) -> x509.Certificate:
    return certificates.new_leaf(AUTHORITY, names, NOW - timedelta(days=age_days)).leaf


def _right() -> CertificateState:
    return CertificateState(
        fits=True, installed=True, issued=_leaf(), directory="https://acme.test/dir"
    )


def deployed(settings: Settings, family: Family, pair: Pair | None = None) -> None:
    tls.deploy(settings=settings, family=family, server_name=NAME, pair=pair, lego_tarball=TARBALL)


def planned(settings: Settings, state: CertificateState, pair: Pair | None = None) -> Plan:
    def both() -> None:
        deployed(settings, DEBIAN, pair)
        tls.issue(settings=settings, family=DEBIAN, server_name=NAME)

    question: Question[CertificateState] = AskCertificate(CLIENT, tls.SERVED)
    return plan(both, answer=answering({question: state}))


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


def test_acme_takes_no_notice_of_a_pair_from_before() -> None:
    result = planned(ACME, _right(), PAIR)
    assert tls.CERTIFICATE not in [entry.path for entry in result.entries]
    assert "certificate-time" not in [one.name for one in tls.requires(ACME, place(pair=PAIR))]


def test_acme_on_a_fresh_host_starts_with_a_placeholder() -> None:
    result = planned(ACME, CertificateState())
    assert [step.name for step in result.steps] == [
        "TLS | certbot is installed",
        "TLS | lego's files are removed",
        "TLS | certbot is configured",
        "TLS | a temporary certificate is in place",
        "TLS | the certificate is issued",
        "TLS | automatic renewal is enabled",
    ]
    assert all(step.changes for step in result.steps if "lego" not in step.name)
    assert "PRIVATE KEY" not in result.shell


def test_acme_asks_for_the_name_at_the_directory() -> None:
    command = planned(ACME, CertificateState()).step(ISSUED).shell
    for part in (
        "certbot certonly --non-interactive --agree-tos",
        "--email admin@example.com",
        "--server https://acme.test/dir",
        "--domain mm.example.com",
        "--webroot-path /var/lib/mattermost-host/acme",
        "--deploy-hook /usr/local/lib/mattermost-host/certificate-hook",
        "gave no certificate",
    ):
        assert part in command
    assert "REQUESTS_CA_BUNDLE" not in command
    anonymous = ACME.model_copy(update={"email": None})
    command = planned(anonymous, CertificateState()).step(ISSUED).shell
    assert "--register-unsafely-without-email" in command


def test_private_acme_server_is_verified_with_its_own_authorities(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(AUTHORITY.certificate)
    private = ACME.model_copy(update={"ca_bundle": str(bundle)})
    result = planned(private, CertificateState(unread=True))
    assert result.text(tls.ACME_AUTHORITIES) == AUTHORITY.certificate
    assert f"Environment=REQUESTS_CA_BUNDLE={tls.ACME_AUTHORITIES}\n" in result.text(
        CLIENT.unit_file
    )
    command = result.step(ISSUED).shell
    assert command.startswith("set -eu\nsystemctl daemon-reload\n")
    assert f"REQUESTS_CA_BUNDLE={tls.ACME_AUTHORITIES} certbot" in command


def test_acme_converged_changes_nothing() -> None:
    result = planned(ACME, _right())
    assert not result.step(STANDING).changes
    assert not result.step(ISSUED).changes


@pytest.mark.parametrize(
    "changes",
    [
        {"issued": None},
        {"issued": _leaf(age_days=300)},
        {"issued": _leaf(("old.example.com",))},
        {"directory": "https://staging.test/dir"},
    ],
    ids=["none", "due", "other-name", "other-authority"],
)
def test_acme_issues_again(changes: dict[str, object]) -> None:
    state = CertificateState(**{**_right().__dict__, **changes})
    assert "certbot certonly" in planned(ACME, state).step(ISSUED).shell


@pytest.mark.parametrize(
    ("logged", "times"), [("urn:ietf:params:acme:error:badNonce", 2), ("unauthorized", 1)]
)
def test_only_an_order_that_was_refused_for_its_nonce_is_sent_again(
    tmp_path: Path, logged: str, times: int
) -> None:
    """Each failed validation counts with the authority; a refused nonce says nothing of us."""
    log, programs = tmp_path / "log", tmp_path / "programs"
    local.program(programs, "certbot", f"echo {logged} >>{log}; exit 1")
    shell = planned(ACME, CertificateState()).step(ISSUED).shell
    done = local.run(local.moved(shell, {certbot.LOG: log, "rm -rf /etc": ": /etc"}), (), programs)
    assert done.returncode == 1
    assert "gave no certificate" in done.stderr
    assert len(log.read_text().splitlines()) == times


def test_remains_that_stop_certbot_are_cleared_away_first() -> None:
    half = CertificateState(**{**_right().__dict__, "directory": ""})
    shell = planned(ACME, half).step(ISSUED).shell
    assert shell.startswith(
        "set -eu\nrm -rf /etc/letsencrypt/live/mattermost-host "
        "/etc/letsencrypt/archive/mattermost-host /etc/letsencrypt/renewal/mattermost-host.conf\n"
    )
    due = CertificateState(**{**_right().__dict__, "issued": _leaf(age_days=300)})
    assert "rm -rf" not in planned(ACME, due).step(ISSUED).shell


@pytest.mark.parametrize("broken", [{"installed": False}, {"fits": False}])
def test_pair_changed_by_hand_is_certbots_again_without_asking_the_authority(
    broken: dict[str, bool],
) -> None:
    result = planned(ACME, CertificateState(**{**_right().__dict__, **broken}))
    assert result.step(STANDING).shell == f"RENEWED_LINEAGE={certbot.LIVE} {tls.HOOK}"
    assert not result.step(ISSUED).changes


def test_pair_of_another_mode_serves_until_the_first_is_issued() -> None:
    result = planned(ACME, CertificateState(fits=True))
    assert not result.step(STANDING).changes
    assert result.step(ISSUED).changes


def test_surface() -> None:
    assert tls.surface(ACME, place()).units == (Unit("certbot.timer"),)
    assert tls.surface(ACME, place()).secret_files == (SecretFile(tls.KEY),)
    assert tls.challenge_folder(ACME) == "/var/lib/mattermost-host/acme"


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
            "Have it renewed, put the new one into the same file, and deploy.",
        ),
        ("files", 400, "error", "Have it renewed, put the new one into the same file, and deploy."),
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


def test_files_of_acme_hold_no_secret() -> None:
    written = [one for one in planned(ACME, _right()).entries if isinstance(one, File)]
    assert [one.path for one in written] == [tls.HOOK]


def test_on_enterprise_linux_certbot_of_epel_renews_it(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(AUTHORITY.certificate)
    private = ACME.model_copy(update={"ca_bundle": str(bundle), "client": "certbot"})
    family = ENTERPRISE_LINUX

    def both() -> None:
        deployed(private, family)
        tls.issue(settings=private, family=family, server_name=NAME)

    result = plan(both)
    renewal = "/etc/systemd/system/certbot-renew.service.d/mattermost-host.conf"
    assert "REQUESTS_CA_BUNDLE" in result.text(renewal)
    assert "certbot-renew.timer" in result.step("automatic renewal is enabled").shell
    assert tls.surface(private, place(ROCKY_9)).units == (Unit("certbot-renew.timer"),)
