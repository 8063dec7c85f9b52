"""Signatures of releases, with real keys that are made for the test."""

import functools
import hashlib
import http.server
import io
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mattermost_host.releases.download import fetch
from mattermost_host.releases.signature import check_signature
from mattermost_host.releases.source import ReleaseError, ReleaseSource
from mattermost_host.support.errors import OperatorError

LONG_AGO = ("--faked-system-time", "20200101T000000")


@dataclass(frozen=True)
class Signer:
    home: Path
    key: Path
    armoured: Path

    def sign(self, content: bytes, *words: str) -> bytes:
        return gpg(self.home, *words, "--detach-sign", content=content)


def gpg(home: Path, *words: str, content: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", *words]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def new_signer(home: Path, name: str, expires: str, *words: str) -> Signer:
    home.chmod(0o700)
    address = f"{name}@example.com"
    gpg(home, *words, "--quick-generate-key", address, "ed25519", "sign", expires)
    key, armoured = home / "key.gpg", home / "key.asc"
    key.write_bytes(gpg(home, "--export"))
    armoured.write_bytes(gpg(home, "--armor", "--export"))
    return Signer(home, key, armoured)


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Signer]]:
    if not (shutil.which("gpg") and shutil.which("gpgv")):
        pytest.skip("gpg and gpgv are not installed: signatures cannot be made or checked")
    # Short names: the path of the agent's socket may have 108 characters at most.
    made = {
        "vendor": new_signer(tmp_path_factory.mktemp("v"), "vendor", "never"),
        "stranger": new_signer(tmp_path_factory.mktemp("s"), "stranger", "never"),
        "expired": new_signer(tmp_path_factory.mktemp("e"), "expired", "1d", *LONG_AGO),
    }
    yield made
    for signer in made.values():
        stop = ["gpgconf", "--homedir", str(signer.home), "--kill", "all"]
        subprocess.run(stop, check=True)


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / "mm.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("mattermost/bin/mattermost"), io.BytesIO())
    return path


def refused(wanted: ReleaseSource, cache: Path) -> str:
    with pytest.raises(ReleaseError) as raised:
        fetch(wanted, cache)
    assert not cache.exists() or list(cache.iterdir()) == []
    return str(raised.value)


def test_a_good_signature_verifies_by_either_form_of_the_key(
    tarball: Path, signers: dict[str, Signer]
) -> None:
    signature = signers["vendor"].sign(tarball.read_bytes())
    assert check_signature(signers["vendor"].key, signature, tarball) is None
    assert check_signature(signers["vendor"].armoured, signature, tarball) is None


def test_a_signature_stands_for_a_digest_that_nobody_stated(
    tarball: Path, tmp_path: Path, signers: dict[str, Signer]
) -> None:
    wanted = ReleaseSource(str(tarball), signature_key=signers["vendor"].key)
    assert refused(wanted, tmp_path / "cache") == (
        f"{tarball}.sig does not exist: put the tarball's signature beside it."
    )
    Path(f"{tarball}.sig").write_bytes(signers["vendor"].sign(tarball.read_bytes()))
    assert fetch(wanted, tmp_path / "cache").path == tarball
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wrong_signature_refuses_the_release(
    tarball: Path, tmp_path: Path, signers: dict[str, Signer]
) -> None:
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    wanted = ReleaseSource(str(tarball), digest, signers["vendor"].key, unverified=True)
    Path(f"{tarball}.sig").write_bytes(signers["vendor"].sign(b"something else"))
    assert refused(wanted, tmp_path / "cache") == (
        f"{tarball}: the signature does not match: the tarball was changed. Do not deploy it."
    )


@pytest.mark.parametrize(
    ("signer", "words", "complaint"),
    [
        (
            "stranger",
            (),
            "another key signed it than the one in the key file; get the vendor's key.",
        ),
        (
            "expired",
            LONG_AGO,
            "the key that signed it has expired; get the vendor's current key.",
        ),
    ],
)
def test_the_wrong_key(
    tarball: Path, signers: dict[str, Signer], signer: str, words: tuple[str, ...], complaint: str
) -> None:
    signature = signers[signer].sign(tarball.read_bytes(), *words)
    key = signers["expired" if signer == "expired" else "vendor"].key
    assert check_signature(key, signature, tarball) == complaint


@pytest.mark.parametrize("signature", [b"", b"no signature"])
def test_a_signature_that_is_none(
    tarball: Path, signers: dict[str, Signer], signature: bytes
) -> None:
    assert check_signature(signers["vendor"].key, signature, tarball) == (
        "its signature cannot be read; download it again."
    )


def test_a_key_file_that_is_none(tarball: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.asc"
    with pytest.raises(OperatorError) as raised:
        check_signature(key, b"", tarball)
    assert str(raised.value) == (
        f"{key} does not exist. Put the public key of the release there, or correct "
        "`mattermost.release.signature_key`."
    )


def test_missing_programs_are_named(
    tarball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.gpg"
    key.write_bytes(b"key")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperatorError) as raised:
        check_signature(key, b"", tarball)
    assert str(raised.value) == (
        "gpgv is not installed on this machine, and it checks the release's signature. Install "
        "the packages gnupg and gpgv (gnupg2 on Enterprise Linux)."
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's own output is enough."""


def test_a_kept_release_is_verified_by_its_kept_signature(
    tarball: Path, tmp_path: Path, signers: dict[str, Signer]
) -> None:
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    Path(f"{tarball}.sig").write_bytes(signers["vendor"].sign(tarball.read_bytes()))
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/mm.tar.gz"
        kept = fetch(ReleaseSource(url, digest, signers["vendor"].armoured), tmp_path / "cache")
        server.shutdown()
    again = ReleaseSource(url, digest, signers["vendor"].key)
    assert fetch(again, tmp_path / "cache") == kept
    stranger = ReleaseSource(url, digest, signers["stranger"].key)
    with pytest.raises(ReleaseError, match="another key signed it"):
        fetch(stranger, tmp_path / "cache")
