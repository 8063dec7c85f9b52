"""ACME against a real server: Debian's pebble on a neighbouring host issues, certbot renews."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.components import tls
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.pebble import DIRECTORY, SERVER, Pebble


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, pebble: Pebble, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site whose certificate is pebble's."""
    folder = tmp_path_factory.mktemp("acme")
    host = lab.up("mm")
    lab.resolve(SERVER, pebble.host)
    settings = {"mode": "acme", "directory": DIRECTORY, "ca_bundle": pebble.bundle(folder)}
    made = Deployment(lab, host, folder, release, tls=settings)
    made.deploy()
    yield made
    lab.down(host)


def test_certificate_is_pebbles_and_the_chain_leads_to_its_root(
    deployment: Deployment, pebble: Pebble
) -> None:
    assert pebble.verifies(deployment)
    assert pebble.served(deployment, "-subject") == f"subject=CN = {deployment.name}"


def test_second_run_asks_for_nothing(deployment: Deployment, pebble: Pebble) -> None:
    before = pebble.served(deployment, "-serial")
    assert deployment.deploy().changed == ()
    assert pebble.served(deployment, "-serial") == before


def test_key_is_roots_alone(deployment: Deployment) -> None:
    assert deployment.host.run(f"stat -c '%a %U %G' {tls.KEY}").stdout == "600 root root\n"


def test_certbots_service_renews_and_the_proxy_serves_the_new_one(
    deployment: Deployment, pebble: Pebble
) -> None:
    before, started = pebble.served(deployment, "-serial"), deployment.started()
    assert deployment.host.run("systemctl is-enabled certbot.timer").stdout == "enabled\n"
    deployment.host.run("systemctl start certbot.service")
    assert pebble.served(deployment, "-serial") != before
    assert deployment.started() == started, "a renewal restarts nothing"
    assert deployment.deploy().changed == (), "a renewal is no drift"


def test_pair_replaced_by_hand_is_put_back_without_a_new_certificate(
    deployment: Deployment, pebble: Pebble
) -> None:
    before = pebble.served(deployment, "-serial")
    deployment.host.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
        f"-keyout {tls.KEY} -out {tls.CERTIFICATE}"
    )
    assert deployment.deploy().changed
    assert pebble.served(deployment, "-serial") == before
    assert deployment.deploy().changed == ()


def test_refusal_is_a_sentence_and_the_old_certificate_serves_on(
    deployment: Deployment, pebble: Pebble
) -> None:
    before = pebble.served(deployment, "-serial")
    # The directory's other spelling is another authority to us, and pebble's name is nobody's.
    deployment.site["tls"]["directory"] = f"https://{SERVER}:14001/dir"
    deployment.write()
    refused = deployment.deploy(check=False)
    assert f"https://{SERVER}:14001/dir gave no certificate for {deployment.name}" in refused.output
    assert pebble.served(deployment, "-serial") == before
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
