"""A new pair is loaded by NGINX itself before it takes the place of the one that is served."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.components import tls
from mattermost_host.components.tls import Settings
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops import certbot, served_pair
from mattermost_host.ops.acme import AskCertificate, CertificateState
from tests.unit import local
from tests.unit.components.tls_examples import deployed
from tests.unit.fake_host import answering, plan
from tests.unit.parsers import needs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: NGINX makes its folders")

CLIENT = certbot.client(DEBIAN.certbot)
NAME = "mm.example.com"
NOW = datetime.now(UTC)
AUTHORITY = new_authority("test", NOW - timedelta(minutes=1))
SERVED, NEXT, OTHER = (new_leaf(AUTHORITY, [NAME], NOW) for _ in range(3))
WRONG = {
    "the key of another": (NEXT.certificate, OTHER.key.get_secret_value()),
    "half a certificate": (NEXT.certificate[:200], NEXT.key.get_secret_value()),
    "no key": (NEXT.certificate, ""),
    "a broken chain block": (
        NEXT.certificate + AUTHORITY.certificate[:-40],
        NEXT.key.get_secret_value(),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the proxy reads its pair, with one that is served."""
    needs("nginx")
    made = tmp_path / "tls"
    made.mkdir()
    (made / "fullchain.pem").write_text(SERVED.certificate)
    (made / "privkey.pem").write_text(SERVED.key.get_secret_value())
    return made


def _deploy(pair: Pair, folder: Path) -> tuple[int, str]:
    """Put the pair in place by the real shell and the real NGINX."""
    settings = Settings(mode="files")
    planned = plan(lambda: deployed(settings, DEBIAN, pair))
    step = planned.step("certificate and key are in place")
    script = local.moved(step.shell, {f"place {tls.FOLDER}": f"place {folder}"})
    script = script.replace('cp -- "$stage$1" new', f'cp -- "$stage{tls.FOLDER}/${{1##*/}}" new')
    done = local.run(script, step.stdin)
    return done.returncode, done.stderr


def _hook(folder: Path, live: Path) -> tuple[int, str]:
    settings = Settings(mode="acme", email="admin@example.com")
    planned = plan(
        lambda: deployed(settings, DEBIAN),
        answer=answering({AskCertificate(CLIENT, tls.SERVED): CertificateState()}),
    )
    places = {certbot.LIVE: live, tls.FOLDER: folder, "/run": live.parent / "run"}
    script = local.moved(planned.text(tls.HOOK), places)
    local.program(live.parent / "programs", "systemctl", "exit 1")
    done = local.run(f"RENEWED_LINEAGE={live}\n{script}", programs=live.parent / "programs")
    return done.returncode, done.stderr


def _standing(folder: Path) -> tuple[str, str]:
    return (folder / "fullchain.pem").read_text(), (folder / "privkey.pem").read_text()


def test_a_right_pair_takes_its_place(folder: Path) -> None:
    assert _deploy(NEXT, folder) == (0, "")
    assert _standing(folder) == (NEXT.certificate, NEXT.key.get_secret_value())


@pytest.mark.parametrize("wrong", WRONG)
def test_what_nginx_does_not_load_leaves_the_served_pair(folder: Path, wrong: str) -> None:
    certificate, key = WRONG[wrong]
    status, said = _deploy(Pair(certificate=certificate, key=SecretStr(key)), folder)
    assert status != 0
    assert "NGINX does not take the new certificate and key" in said
    assert _standing(folder) == (SERVED.certificate, SERVED.key.get_secret_value())


@pytest.mark.parametrize("wrong", [*WRONG, ""])
def test_what_certbot_was_given_is_loaded_first(folder: Path, tmp_path: Path, wrong: str) -> None:
    live = tmp_path / "live"
    live.mkdir()
    certificate, key = WRONG.get(wrong, (NEXT.certificate, NEXT.key.get_secret_value()))
    (live / "fullchain.pem").write_text(certificate)
    (live / "privkey.pem").write_text(key)
    status, said = _hook(folder, live)
    served = (SERVED.certificate, SERVED.key.get_secret_value())
    assert _standing(folder) == (served if wrong else (certificate, key))
    assert (status != 0) == bool(wrong)
    assert ("NGINX does not take the new certificate and key" in said) == bool(wrong)


def test_without_nginx_there_is_nothing_to_test_with(folder: Path, tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "fullchain.pem").write_text(NEXT.certificate)
    (live / "privkey.pem").write_text(NEXT.key.get_secret_value())
    text = served_pair.in_stage()
    done = local.run(f"set -eu; stage={live}; PATH=/nowhere; {text}")
    assert (done.returncode, done.stderr) == (0, "")
