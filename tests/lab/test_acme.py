"""ACME against a real server: Debian's pebble on a neighbouring host issues and renews."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.components import tls
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

SERVER = "acme.test"
DIRECTORY = f"https://{SERVER}:14000/dir"
VALID_DAYS = 20
"""Less than the 30 days below which certbot renews, so each run of its timer does."""


@pytest.fixture(scope="module")
def authority() -> Pair:
    """What the ACME server's own certificate is verified with."""
    return new_authority("pebble", datetime.now(UTC) - timedelta(minutes=1))


@pytest.fixture(scope="module")
def pebble(lab: Lab, authority: Pair) -> LabHost:
    """A host on which pebble answers."""
    host = lab.up("acme")
    host.run("apt-get update -q && apt-get install -y -q pebble openssl")
    own = new_leaf(authority, [SERVER], datetime.now(UTC))
    host.write("/etc/pebble.crt", own.certificate)
    host.write("/etc/pebble.key", own.key.get_secret_value())
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/pebble.crt",
        "privateKey": "/etc/pebble.key",
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": VALID_DAYS * 24 * 3600,
    }
    host.write("/etc/pebble.json", json.dumps({"pebble": settings}))
    # certbot's own renewal breaks down where two nonces in a row are refused: 1 run in 30.
    ease = "--setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0"
    host.run(f"systemd-run --unit=pebble {ease} pebble -config /etc/pebble.json")
    wait_until(lambda: "14000" in host.run("ss -Hltn").stdout, 30, "pebble listens")
    lab.resolve(SERVER, host)
    return host


@pytest.fixture(scope="module")
def deployment(
    lab: Lab,
    pebble: LabHost,
    authority: Pair,
    release: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A site whose certificate is pebble's."""
    folder = tmp_path_factory.mktemp("acme")
    bundle = folder / "pebble.pem"
    bundle.write_text(authority.certificate)
    host = lab.up("mm")
    lab.resolve(SERVER, pebble)
    settings = {"mode": "acme", "directory": DIRECTORY, "ca_bundle": str(bundle)}
    made = Deployment(lab, host, folder, release, tls=settings)
    made.deploy()
    yield made
    lab.down(host)


def _served(deployment: Deployment, pebble: LabHost, what: str) -> str:
    """What the neighbour sees of the certificate that the proxy serves."""
    address, name = deployment.host.address, deployment.name
    asked = f"openssl s_client -connect {address}:443 -servername {name} </dev/null 2>/dev/null"
    return pebble.run(f"{asked} | openssl x509 -noout {what}").stdout.strip()


def test_certificate_is_pebbles_and_the_chain_leads_to_its_root(
    deployment: Deployment, pebble: LabHost
) -> None:
    # pebble makes its root at each start, and gives it away at its port for managers.
    script = (
        "import ssl, urllib.request as u;"
        "print(u.urlopen('https://localhost:15000/roots/0',"
        " context=ssl._create_unverified_context()).read().decode())"
    )
    pebble.run(f'python3 -c "{script}" > /root/root.pem')
    verified = pebble.run(
        f"openssl s_client -connect {deployment.host.address}:443 -servername {deployment.name} "
        f"-CAfile /root/root.pem -verify_hostname {deployment.name} -verify_return_error </dev/null"
    ).stdout
    assert "Verify return code: 0 (ok)" in verified
    assert _served(deployment, pebble, "-subject") == f"subject=CN = {deployment.name}"


def test_second_run_asks_for_nothing(deployment: Deployment, pebble: LabHost) -> None:
    before = _served(deployment, pebble, "-serial")
    assert deployment.deploy().changed == ()
    assert _served(deployment, pebble, "-serial") == before


def test_key_is_roots_alone(deployment: Deployment) -> None:
    assert deployment.host.run(f"stat -c '%a %U %G' {tls.KEY}").stdout == "600 root root\n"


def test_certbots_service_renews_and_the_proxy_serves_the_new_one(
    deployment: Deployment, pebble: LabHost
) -> None:
    before, started = _served(deployment, pebble, "-serial"), deployment.started()
    assert deployment.host.run("systemctl is-enabled certbot.timer").stdout == "enabled\n"
    deployment.host.run("systemctl start certbot.service")
    assert _served(deployment, pebble, "-serial") != before
    assert deployment.started() == started, "a renewal restarts nothing"
    assert deployment.deploy().changed == (), "a renewal is no drift"


def test_pair_replaced_by_hand_is_put_back_without_a_new_certificate(
    deployment: Deployment, pebble: LabHost
) -> None:
    before = _served(deployment, pebble, "-serial")
    deployment.host.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
        f"-keyout {tls.KEY} -out {tls.CERTIFICATE}"
    )
    assert deployment.deploy().changed
    assert _served(deployment, pebble, "-serial") == before
    assert deployment.deploy().changed == ()


def test_refusal_is_a_sentence_and_the_old_certificate_serves_on(
    deployment: Deployment, pebble: LabHost
) -> None:
    before = _served(deployment, pebble, "-serial")
    # The directory's other spelling is another authority to us, and pebble's name is nobody's.
    deployment.site["tls"]["directory"] = f"https://{SERVER}:14001/dir"
    deployment.write()
    refused = deployment.deploy(check=False)
    assert f"https://{SERVER}:14001/dir gave no certificate for {deployment.name}" in refused.output
    assert _served(deployment, pebble, "-serial") == before
    deployment.site["tls"]["directory"] = DIRECTORY
    deployment.write()
    assert deployment.deploy().changed == ()


def test_switched_off_certbot_renews_nothing_and_back_again(deployment: Deployment) -> None:
    settings = deployment.site.pop("tls")
    deployment.write()
    deployment.deploy()
    assert deployment.host.run("ls /etc/letsencrypt/renewal /etc/letsencrypt/archive").stdout == (
        "/etc/letsencrypt/archive:\n\n/etc/letsencrypt/renewal:\n"
    )
    deployment.site["tls"] = settings
    deployment.write()
    deployment.deploy()
    assert deployment.deploy().changed == ()
