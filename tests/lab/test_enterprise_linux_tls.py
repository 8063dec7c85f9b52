"""NGINX on the look-alike of Enterprise Linux 9 follows the system-wide policy for cryptography."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.truth import MATTERMOST, NGINX, heals, tampering

POSTGRES = "postgresql.service"
AES_128 = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
CHACHA = ("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")
AES_256 = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384")
OLD = ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
NEW = ("-tls1_3",)
X25519, P_256 = ("-tls1_3", "-groups", "X25519"), ("-tls1_3", "-groups", "P-256")
ASKED = {
    "AES-128": AES_128,
    "AES-256": AES_256,
    "ChaCha20": CHACHA,
    "TLS 1.1": OLD,
    "TLS 1.3": NEW,
    "X25519": X25519,
    "P-256": P_256,
}


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    host = lab.up("tls", suite="el9")
    # Its PostgreSQL is Debian's 15, whatever its packages say.
    folder = tmp_path_factory.mktemp("tls")
    made = Deployment(lab, host, folder, release, postgres={"version": 15})
    made.deploy()
    yield made


def _agreed(deployment: Deployment) -> set[str]:
    """Which of the clients get a connection."""
    address = f"{deployment.host.address}:443"
    done = {
        what: subprocess.run(
            ["openssl", "s_client", "-connect", address, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        for what, options in ASKED.items()
    }
    # With TLS 1.1 and such a client, openssl itself offers it.
    assert all("no protocols available" not in one.stderr for one in done.values())
    return {what for what, one in done.items() if one.returncode == 0}


ALLOWED = {
    "DEFAULT": {"AES-128", "AES-256", "ChaCha20", "TLS 1.3", "X25519", "P-256"},
    "FUTURE": {"AES-256", "ChaCha20", "TLS 1.3", "X25519", "P-256"},
    "FIPS": {"AES-128", "AES-256", "TLS 1.3", "P-256"},
}


def test_what_clients_get_is_what_the_policy_allows(deployment: Deployment) -> None:
    assert _agreed(deployment) == ALLOWED["DEFAULT"]


@pytest.mark.parametrize("policy", ["FUTURE", "FIPS", "DEFAULT"])
def test_another_policy_is_in_force_after_a_run(deployment: Deployment, policy: str) -> None:
    heals(
        deployment,
        tampering(
            f"update-crypto-policies --set {policy}",
            {"was started before /etc/crypto-policies/back-ends/opensslcnf.config changed"},
            NGINX,
        ),
        (POSTGRES, MATTERMOST, NGINX),
    )
    assert _agreed(deployment) == ALLOWED[policy]


def test_the_same_policy_once_more_is_no_difference(deployment: Deployment) -> None:
    deployment.host.run("update-crypto-policies --set DEFAULT")
    assert deployment.deploy().changed == ()


def test_a_weak_policy_is_said(deployment: Deployment) -> None:
    deployment.host.run("echo DEFAULT:SHA1 >/etc/crypto-policies/state/current")
    said = deployment.run("mattermost-host", "preflight", str(deployment.inventory)).words
    assert "DEFAULT:SHA1, which allows what is easily broken" in said
    deployment.host.run("update-crypto-policies --set DEFAULT")
