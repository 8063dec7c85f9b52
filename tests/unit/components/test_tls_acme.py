"""The site's certificate by ACME with certbot, without a host; the hook by the real shell."""

from pathlib import Path

import pytest

from mattermost_host.components import tls
from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from mattermost_host.knowledge.surface import SecretFile, Unit
from mattermost_host.ops import certbot
from mattermost_host.ops.acme import CertificateState
from mattermost_host.ops.entries import File
from tests.unit import local
from tests.unit.components.tls_examples import (
    ACME,
    AUTHORITY,
    CLIENT,
    ISSUED,
    NAME,
    PAIR,
    STANDING,
    deployed,
    leaf,
    planned,
    right,
)
from tests.unit.examples import ROCKY_9, place
from tests.unit.fake_host import plan


def test_acme_takes_no_notice_of_a_pair_from_before() -> None:
    result = planned(ACME, right(), PAIR)
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
    result = planned(ACME, right())
    assert not result.step(STANDING).changes
    assert not result.step(ISSUED).changes


@pytest.mark.parametrize(
    "changes",
    [
        {"issued": None},
        {"issued": leaf(age_days=300)},
        {"issued": leaf(("old.example.com",))},
        {"directory": "https://staging.test/dir"},
    ],
    ids=["none", "due", "other-name", "other-authority"],
)
def test_acme_issues_again(changes: dict[str, object]) -> None:
    state = CertificateState(**{**right().__dict__, **changes})
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
    half = CertificateState(**{**right().__dict__, "directory": ""})
    shell = planned(ACME, half).step(ISSUED).shell
    assert shell.startswith(
        "set -eu\nrm -rf /etc/letsencrypt/live/mattermost-host "
        "/etc/letsencrypt/archive/mattermost-host /etc/letsencrypt/renewal/mattermost-host.conf\n"
    )
    due = CertificateState(**{**right().__dict__, "issued": leaf(age_days=300)})
    assert "rm -rf" not in planned(ACME, due).step(ISSUED).shell


@pytest.mark.parametrize("broken", [{"installed": False}, {"fits": False}])
def test_pair_changed_by_hand_is_certbots_again_without_asking_the_authority(
    broken: dict[str, bool],
) -> None:
    result = planned(ACME, CertificateState(**{**right().__dict__, **broken}))
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


def test_files_of_acme_hold_no_secret() -> None:
    written = [one for one in planned(ACME, right()).entries if isinstance(one, File)]
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
