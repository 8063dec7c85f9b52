"""ACME by lego, real, against pebble: on the look-alike of Enterprise Linux, and on Debian."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.components import tls
from mattermost_host.ops import lego, lego_program
from tests.lab import lego as built
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.pebble import DIRECTORY, SERVER, SHORT_DIRECTORY, Pebble
from tests.lab.truth import heals, tampering

SUITES = ("el9", "bookworm")


@pytest.fixture(scope="module")
def tarball() -> Path:
    """The program in its tarball."""
    return built.tarball()


@pytest.fixture(scope="module", params=SUITES)
def deployment(
    request: pytest.FixtureRequest,
    lab: Lab,
    pebble: Pebble,
    release: Path,
    tarball: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    """A site whose certificate is pebble's, by lego."""
    folder = tmp_path_factory.mktemp("lego")
    host = lab.up("mm", suite=request.param)
    lab.resolve(SERVER, pebble.host)
    source = {"file": str(tarball), "sha256": hashlib.sha256(tarball.read_bytes()).hexdigest()}
    settings = {"mode": "acme", "directory": DIRECTORY, "ca_bundle": pebble.bundle(folder)}
    is_default = request.param == "el9"
    stated = {**settings, "lego": source, **({} if is_default else {"client": "lego"})}
    made = Deployment(lab, host, folder, release, tls=stated, postgres={"version": 15})
    made.deploy()
    yield made
    lab.down(host)


def test_certificate_is_pebbles_and_the_chain_leads_to_its_root(
    deployment: Deployment, pebble: Pebble
) -> None:
    assert pebble.verifies(deployment)
    assert pebble.served(deployment, "-ext subjectAltName").endswith(f"DNS:{deployment.name}")


def test_second_run_asks_for_nothing(deployment: Deployment, pebble: Pebble) -> None:
    before = pebble.served(deployment, "-serial")
    assert deployment.deploy().changed == ()
    assert pebble.served(deployment, "-serial") == before


def test_keys_are_open_to_nobody_else_and_lego_is_no_root(deployment: Deployment) -> None:
    host = deployment.host
    assert host.run(f"stat -c '%a %U %G' {tls.KEY}").stdout == "600 root root\n"
    assert host.run(f"stat -c '%a %U' {lego.LIVE} {lego.STATE} {lego_program.PROGRAM}").stdout == (
        f"700 root\n700 {lego.USER}\n755 root\n"
    )
    foreign = host.run(f"find {lego.STATE} ! -user {lego.USER} -o -name '*.key' -perm /077").stdout
    assert foreign == ""


def test_a_day_before_it_is_due_nothing_is_renewed(deployment: Deployment, pebble: Pebble) -> None:
    before, started = pebble.served(deployment, "-serial"), deployment.started()
    deployment.host.run(f"systemctl start {lego.SERVICE}")
    assert pebble.served(deployment, "-serial") == before
    assert deployment.started() == started


TAMPERINGS = {
    "the pair that is served": tampering(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
        f"-keyout {tls.KEY} -out {tls.CERTIFICATE} 2>/dev/null",
        {tls.CERTIFICATE},
        "nginx.service",
    ),
    "what root took": tampering(
        f"rm -r {lego.LIVE}", {lego.LIVE, "lego's certificate"}, "nginx.service"
    ),
    "the program": tampering(f"echo >>{lego_program.PROGRAM}", {lego_program.PROGRAM}),
    "the timer": tampering(f"systemctl disable --now {lego.TIMER}", {lego.TIMER}, lego.TIMER),
    "the mode of lego's folder": tampering(f"chmod 755 {lego.STATE}", {lego.STATE}),
    "the script that takes": tampering(f"echo >>{lego.TAKE}", {lego.TAKE}),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_plan_sees_it_and_a_run_repairs_it(
    deployment: Deployment, pebble: Pebble, what: str
) -> None:
    before = pebble.served(deployment, "-serial")
    heals(deployment, TAMPERINGS[what], ("nginx.service",))
    assert pebble.served(deployment, "-serial") == before, "nothing was ordered"


def test_a_link_in_legos_folder_is_not_followed_by_root(
    deployment: Deployment, pebble: Pebble
) -> None:
    host, before = deployment.host, pebble.served(deployment, "-serial")
    folder = f"{lego.STATE}/certificates"
    host.run(f"cd {folder}; mv {deployment.name}.key kept; ln -s /etc/shadow {deployment.name}.key")
    assert host.run(f"systemctl start {lego.SERVICE}", check=False).returncode != 0
    assert pebble.served(deployment, "-serial") == before
    assert host.run(f"grep -rl root: {lego.LIVE} /tmp/tmp.*", check=False).stdout == ""
    host.run(f"cd {folder}; mv -f kept {deployment.name}.key; systemctl start {lego.SERVICE}")
    assert deployment.deploy().changed == ()


def test_refusal_is_a_sentence_and_the_old_certificate_serves_on(
    deployment: Deployment, pebble: Pebble
) -> None:
    before, nobody = pebble.served(deployment, "-serial"), f"https://{SERVER}:14999/dir"
    deployment.site["tls"]["directory"] = nobody
    deployment.write()
    refused = deployment.deploy(check=False)
    assert f"{nobody} gave no certificate for {deployment.name}" in refused.words
    assert pebble.served(deployment, "-serial") == before
    deployment.site["tls"]["directory"] = DIRECTORY
    deployment.write()
    deployment.deploy()
    assert deployment.deploy().changed == ()


def test_what_is_due_is_renewed_and_the_proxy_serves_the_new_one(
    deployment: Deployment, pebble: Pebble
) -> None:
    pebble.start_short()
    deployment.site["tls"]["directory"] = SHORT_DIRECTORY
    deployment.write()
    deployment.deploy()
    before, started = pebble.served(deployment, "-serial"), deployment.started()
    time.sleep(31)
    deployment.host.run(f"systemctl start {lego.SERVICE}")
    said = deployment.host.run(f"journalctl -u {lego.SERVICE} -n 40 -o cat").stdout
    assert "Trying renewal" in said
    assert pebble.served(deployment, "-serial") != before
    assert deployment.started() == started, "a renewal restarts nothing"
    deployment.site["tls"]["directory"] = DIRECTORY
    deployment.write()
    deployment.deploy()
    assert deployment.deploy().changed == (), "a renewal is no drift"


def test_verify_finds_nothing_wrong(deployment: Deployment) -> None:
    deployment.verify()


def test_switched_off_nothing_of_it_is_left_and_back_again(deployment: Deployment) -> None:
    settings = deployment.site.pop("tls")
    deployment.write()
    deployment.deploy()
    left = deployment.host.run(f"ls -d {' '.join(lego.OURS)}", check=False).stdout
    assert left == ""
    assert (
        deployment.host.run(f"systemctl is-active {lego.TIMER}", check=False).stdout != "active\n"
    )
    assert deployment.deploy().changed == ()
    deployment.site["tls"] = settings
    deployment.write()
    deployment.deploy()
    assert deployment.deploy().changed == ()
