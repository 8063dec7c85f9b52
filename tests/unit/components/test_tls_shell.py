"""The pair and certbot's hook by the real shell, in a temporary folder."""

import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair
from mattermost_host.components import tls
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops import certbot
from mattermost_host.ops.acme import AskCertificate, CertificateState
from tests.unit import local
from tests.unit.components.tls_examples import ACME, AUTHORITY, PAIR, STANDING, planned

CLIENT = certbot.client(DEBIAN.certbot)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """What certbot keeps: chain and key."""
    folder = tmp_path / "live"
    _write(folder / "fullchain.pem", PAIR.certificate + AUTHORITY.certificate, 0o644)
    _write(folder / "privkey.pem", PAIR.key.get_secret_value(), 0o600)
    return folder


def _asked(tmp_path: Path) -> CertificateState:
    programs = tmp_path / "programs"
    local.program(programs, "systemctl", "echo DropInPaths=")
    found: CertificateState = local.ask_here(
        AskCertificate(CLIENT, tls.SERVED),
        programs,
        {
            certbot.LIVE: tmp_path / "live",
            tls.FOLDER: tmp_path / "tls",
            certbot.RENEWAL: tmp_path / "renewal.conf",
            CLIENT.unit_file: tmp_path / "drop-in.conf",
        },
    )
    return found


def test_fresh_host_has_nothing(tmp_path: Path) -> None:
    assert _asked(tmp_path) == CertificateState()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the pair must be root's")
def test_state_of_a_host(tmp_path: Path, live: Path) -> None:
    chain = (live / "fullchain.pem").read_text()
    _write(tmp_path / "tls/fullchain.pem", chain, 0o644)
    _write(tmp_path / "tls/privkey.pem", PAIR.key.get_secret_value(), 0o600)
    _write(tmp_path / "renewal.conf", "[renewalparams]\nserver = https://acme.test/dir\n", 0o644)
    assert _asked(tmp_path) == CertificateState(
        fits=True, installed=True, issued=PAIR.leaf, directory="https://acme.test/dir"
    )
    (tmp_path / "tls/privkey.pem").chmod(0o644)
    _write(tmp_path / "drop-in.conf", "", 0o644)
    found = _asked(tmp_path)
    assert (found.fits, found.installed, found.unread) == (False, True, True)
    _write(tmp_path / "tls/privkey.pem", AUTHORITY.key.get_secret_value(), 0o600)
    found = _asked(tmp_path)
    assert (found.fits, found.installed) == (False, False)


def _hook(tmp_path: Path, lineage: Path) -> str:
    """The hook by the real shell; what it asked of systemctl."""
    result = planned(ACME, CertificateState())
    script = local.moved(
        result.text(tls.HOOK),
        {certbot.LIVE: tmp_path / "live", tls.FOLDER: tmp_path / "tls", "/run": tmp_path / "run"},
    )
    log = tmp_path / "systemctl.log"
    local.program(tmp_path / "programs", "systemctl", f'echo "$@" >> {log}')
    local.program(tmp_path / "programs", "nginx", "exit 0")
    done = local.run(f"RENEWED_LINEAGE={lineage}\n{script}", programs=tmp_path / "programs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return log.read_text() if log.exists() else ""


def test_hook_places_the_pair_and_has_it_read(tmp_path: Path, live: Path) -> None:
    (tmp_path / "tls").mkdir()
    asked = _hook(tmp_path, live)
    assert asked == "is-active --quiet nginx.service\nreload nginx.service\n"
    placed = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert placed == {"fullchain.pem": 0o644, "privkey.pem": 0o600}
    assert (tmp_path / "tls/privkey.pem").read_text() == PAIR.key.get_secret_value()
    stamp = tmp_path / "run/mattermost-host/reloaded:nginx.service"
    assert stamp.stat().st_mtime_ns >= (tmp_path / "tls/fullchain.pem").stat().st_ctime_ns


def test_hook_leaves_other_certificates_alone(tmp_path: Path, live: Path) -> None:
    (tmp_path / "tls").mkdir()
    assert _hook(tmp_path, tmp_path / "live-of-somebody-else") == ""
    assert list((tmp_path / "tls").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the pair must be root's")
def test_placeholder_fits_and_is_private_from_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    step = planned(ACME, CertificateState()).step(STANDING)
    script = local.moved(step.shell, {tls.FOLDER: tmp_path / "tls"})
    before_chmod = script.replace("chmod 600", "stat -c %a").replace("chmod 644", "stat -c %a")
    modes = local.run(before_chmod, step.stdin).stdout.split()
    done = local.run(script, step.stdin)
    assert (done.returncode, done.stderr) == (0, "")
    found = _asked(tmp_path)
    assert (found.fits, found.installed) == (True, False)
    written = Pair(
        certificate=(tmp_path / "tls/fullchain.pem").read_text(),
        key=SecretStr((tmp_path / "tls/privkey.pem").read_text()),
    )
    assert written.is_whole()
    assert written.leaf.issuer == written.leaf.subject
    assert modes == ["600", "600"]
