"""Releases from the network, a mirror and a file, right and wrong ones."""

import gzip
import hashlib
import http.server
import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mattermost_host import releases
from mattermost_host.download import ReleaseError, ReleaseSource, fetch, sha256_of, source

Member = tuple[tarfile.TarInfo, bytes]


def plain(name: str, content: bytes = b"x") -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def special(name: str, kind: bytes, target: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


SERVER = plain("mattermost/bin/mattermost", os.urandom(200_000))


def packed(*members: Member) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


GOOD = packed(special("mattermost", tarfile.DIRTYPE), SERVER, plain("mattermost/client/root.html"))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Site:
    """A web server on loopback."""

    url: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[: served.cut_after])

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test's own output is enough."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Site(f"http://127.0.0.1:{server.server_port}", {"/mm.tar.gz": GOOD})
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def from_site(site: Site, **known: object) -> ReleaseSource:
    words: dict[str, object] = {"sha256": digest(site.files["/mm.tar.gz"])} | known
    return ReleaseSource(f"{site.url}/mm.tar.gz", **words)  # type: ignore[arg-type]


def refused(wanted: ReleaseSource, cache: Path) -> str:
    """The sentence of the refusal, after which nothing may be left."""
    with pytest.raises(ReleaseError) as raised:
        fetch(wanted, cache)
    assert not cache.exists() or list(cache.iterdir()) == []
    return str(raised.value)


# What is right


def test_a_release_is_fetched_verified_and_kept_under_its_digest(site: Site, cache: Path) -> None:
    progress: list[tuple[int, int | None]] = []
    path = fetch(from_site(site), cache, lambda done, total: progress.append((done, total)))
    assert path == cache / f"{digest(GOOD)}.tar.gz"
    assert path.read_bytes() == GOOD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert list(cache.iterdir()) == [path]
    assert progress[-1] == (len(GOOD), len(GOOD))


def test_a_kept_release_is_not_fetched_again(site: Site, cache: Path) -> None:
    assert fetch(from_site(site), cache) == fetch(from_site(site), cache)
    assert site.asked == ["/mm.tar.gz"]


def test_a_kept_release_that_changed_is_fetched_again(site: Site, cache: Path) -> None:
    path = fetch(from_site(site), cache)
    path.write_bytes(GOOD[:-1])
    assert fetch(from_site(site), cache).read_bytes() == GOOD
    assert len(site.asked) == 2


def test_a_file_of_ones_own_stays_where_it_is(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "own.tar.gz"
    file.write_bytes(GOOD)
    assert fetch(ReleaseSource(str(file), digest(GOOD)), cache) == file
    assert not cache.exists()
    assert sha256_of(file) == digest(GOOD)


def test_the_tarball_is_kept_as_the_server_stores_it(site: Site, cache: Path) -> None:
    site.headers["Content-Encoding"] = "gzip"
    assert fetch(from_site(site), cache).read_bytes() == GOOD


def test_links_within_the_release_are_fine(site: Site, cache: Path) -> None:
    site.files["/mm.tar.gz"] = packed(
        SERVER,
        special("mattermost/bin/mm", tarfile.SYMTYPE, "mattermost"),
        special("mattermost/logs", tarfile.SYMTYPE, "../mattermost/log"),
        special("mattermost/copy", tarfile.LNKTYPE, "mattermost/bin/mattermost"),
    )
    assert fetch(from_site(site), cache).is_file()


# What the operator's words name


def test_the_vendor_a_mirror_and_a_file() -> None:
    wanted: tuple[str, releases.Edition, releases.Architecture] = ("11.7.9", "enterprise", "amd64")
    known = releases.sha256(*wanted)
    assert source(*wanted) == ReleaseSource(releases.official_url(*wanted), known)
    mirrored = source(*wanted, mirror="https://mirror.example/mm")
    assert mirrored == ReleaseSource(
        "https://mirror.example/mm/mattermost-11.7.9-linux-amd64.tar.gz", known
    )
    assert source(*wanted, file="own.tar.gz").sha256 is None
    assert source(*wanted, file="own.tar.gz", sha256="ab").sha256 == "ab"
    assert source(*wanted, sha256="ab").sha256 == "ab"


def test_a_mirror_that_is_no_url() -> None:
    with pytest.raises(ReleaseError) as raised:
        source("11.7.9", "team", "amd64", mirror="mirror.example/mm")
    assert str(raised.value) == (
        "The mirror mirror.example/mm is no URL. Write `mattermost.release.mirror` with https:// "
        "at its beginning, or state a file as `mattermost.release.file`."
    )


# What is wrong


def test_an_unverified_release_is_refused_before_anything_is_asked(site: Site, cache: Path) -> None:
    assert refused(from_site(site, sha256=None), cache) == (
        f"Nobody has said how to verify {site.url}/mm.tar.gz. State its SHA-256 "
        "(`mattermost.release.sha256`; the vendor's are at "
        "https://docs.mattermost.com/product-overview/version-archive.html) or the key that signed "
        "it (`mattermost.release.signature_key`); `mattermost.release.unverified` deploys it all "
        "the same."
    )
    assert site.asked == []


def test_unless_it_was_said_in_as_many_words(site: Site, cache: Path) -> None:
    path = fetch(from_site(site, sha256=None, unverified=True), cache)
    assert path.name == f"{digest(GOOD)}.tar.gz"


def test_a_stated_digest_counts_even_for_the_unverified(site: Site, cache: Path) -> None:
    assert "was expected" in refused(from_site(site, sha256="0" * 64, unverified=True), cache)


def test_a_wrong_digest(site: Site, cache: Path) -> None:
    assert refused(from_site(site, sha256="0" * 64), cache) == (
        f"{site.url}/mm.tar.gz has the SHA-256 {digest(GOOD)}, and {'0' * 64} was expected: it is "
        "not that release, or somebody changed it. Do not deploy it; compare both with "
        "https://docs.mattermost.com/product-overview/version-archive.html."
    )


@pytest.mark.parametrize("lost", [1, 8, 9, 1_000, len(GOOD) // 2])
def test_a_truncated_tarball(site: Site, cache: Path, lost: int) -> None:
    site.files["/mm.tar.gz"] = GOOD[:-lost]
    assert refused(from_site(site, sha256=digest(GOOD)), cache) == (
        f"{site.url}/mm.tar.gz is cut off: it ends in the middle. Fetch it again."
    )


def test_a_damaged_tarball(site: Site, cache: Path) -> None:
    middle = len(GOOD) // 2
    site.files["/mm.tar.gz"] = GOOD[:middle] + b"\0" * 64 + GOOD[middle + 64 :]
    sentence = refused(from_site(site, unverified=True), cache)
    assert "is no gzipped tarball, or a damaged one" in sentence


def test_a_connection_that_breaks_off(site: Site, cache: Path) -> None:
    site.cut_after = 100_000
    assert refused(from_site(site), cache) == (
        f"{site.url}/mm.tar.gz broke off in the middle. Run again when the connection is better, "
        "or fetch it by other means and state it as `mattermost.release.file`."
    )


@pytest.mark.parametrize("content", [b"", b"<html>log in first</html>", gzip.compress(b"text")])
def test_something_else_than_a_tarball(site: Site, cache: Path, content: bytes) -> None:
    site.files["/mm.tar.gz"] = content
    assert "is no gzipped tarball, or a damaged one" in refused(from_site(site), cache)


def test_a_tarball_of_something_else(site: Site, cache: Path) -> None:
    site.files["/mm.tar.gz"] = packed(
        plain("bin/mattermost"), special("x/bin/mattermost", tarfile.DIRTYPE)
    )
    assert refused(from_site(site), cache) == (
        f"{site.url}/mm.tar.gz is not a Mattermost server: it has no bin/mattermost in its folder. "
        "State another one."
    )


@pytest.mark.parametrize(
    ("members", "danger"),
    [
        ([plain("/etc/cron.d/x")], "its member '/etc/cron.d/x' lies outside of it"),
        ([plain("mattermost/../../x")], "its member 'mattermost/../../x' lies outside of it"),
        (
            [special("mattermost/x", tarfile.SYMTYPE, "/etc/passwd")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.SYMTYPE, "../other")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.LNKTYPE, "../../etc/shadow")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.LNKTYPE, "/etc/shadow")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/a", tarfile.SYMTYPE, "bin"), plain("mattermost/a/x")],
            "its member 'mattermost/a/x' goes through a link of it",
        ),
        ([special("mattermost/x", tarfile.CHRTYPE)], "its member 'mattermost/x' is a device"),
        ([special("mattermost/x", tarfile.BLKTYPE)], "its member 'mattermost/x' is a device"),
        ([special("mattermost/x", tarfile.FIFOTYPE)], "its member 'mattermost/x' is a device"),
    ],
)
def test_a_member_that_climbs_out(
    site: Site, cache: Path, members: list[Member], danger: str
) -> None:
    site.files["/mm.tar.gz"] = packed(SERVER, *members)
    sentence = refused(from_site(site), cache)
    assert f"is dangerous: {danger}" in sentence
    assert sentence.endswith("Do not deploy it.")


def test_a_site_that_is_not_there(cache: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mm.tar.gz"
        assert refused(ReleaseSource(url, "0" * 64), cache) == (
            f"{url} cannot be reached (the connection is refused). Give this machine a way there, "
            "or state a mirror (`mattermost.release.mirror`) or a tarball "
            "(`mattermost.release.file`)."
        )


def test_a_release_that_the_site_does_not_have(site: Site, cache: Path) -> None:
    missing = ReleaseSource(f"{site.url}/other.tar.gz", "0" * 64)
    assert refused(missing, cache) == (
        f"{site.url}/other.tar.gz answers 404 Not Found: there is no such file, or it is not for "
        "everybody. Check the version, the edition and the mirror."
    )


def test_a_password_in_the_url_is_not_shown(site: Site, cache: Path) -> None:
    url = site.url.replace("//", "//me:hunter2@")
    sentence = refused(ReleaseSource(f"{url}/other.tar.gz", "0" * 64), cache)
    assert "hunter2" not in sentence
    assert f"{site.url}/other.tar.gz" in sentence


def test_a_file_that_is_not_there(tmp_path: Path, cache: Path) -> None:
    missing = tmp_path / "missing.tar.gz"
    assert refused(ReleaseSource(str(missing), "0" * 64), cache) == (
        f"{missing} is not there. Put the release's tarball there, or correct "
        "`mattermost.release.file`."
    )


def test_a_cache_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReleaseError, match="cannot be used: Not a directory"):
        fetch(from_site(site), tmp_path / "file" / "cache")


# Signatures, with real keys


@dataclass(frozen=True)
class Signer:
    home: Path
    key: Path
    armoured: Path

    def sign(self, content: bytes) -> bytes:
        return gpg(self.home, "--detach-sign", content=content)


def gpg(home: Path, *words: str, content: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", *words]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Signer, Signer]]:
    if not (shutil.which("gpg") and shutil.which("gpgv")):
        pytest.skip("gpg and gpgv are not installed: signatures cannot be made or checked")
    made = []
    for name in ("vendor", "stranger"):
        # Short: the agent's socket is in it, and a socket's path has 108 characters at most.
        home = tmp_path_factory.mktemp(name[0])
        home.chmod(0o700)
        gpg(home, "--quick-generate-key", f"{name}@example.com", "ed25519", "sign", "never")
        key, armoured = home / "key.gpg", home / "key.asc"
        key.write_bytes(gpg(home, "--export"))
        armoured.write_bytes(gpg(home, "--armor", "--export"))
        made.append(Signer(home, key, armoured))
    yield made[0], made[1]
    for signer in made:
        stop = ["gpgconf", "--homedir", str(signer.home), "--kill", "all"]
        subprocess.run(stop, check=True)


def test_a_good_signature_verifies_without_a_digest(
    site: Site, cache: Path, signers: tuple[Signer, Signer]
) -> None:
    vendor, _ = signers
    site.files["/mm.tar.gz.sig"] = vendor.sign(GOOD)
    for key in (vendor.key, vendor.armoured):
        path = fetch(from_site(site, sha256=None, signature_key=key), cache)
        assert path.name == f"{digest(GOOD)}.tar.gz"


def test_a_kept_release_is_verified_by_its_kept_signature(
    site: Site, cache: Path, signers: tuple[Signer, Signer]
) -> None:
    vendor, stranger = signers
    site.files["/mm.tar.gz.sig"] = vendor.sign(GOOD)
    fetch(from_site(site, signature_key=vendor.key), cache)
    site.asked.clear()
    fetch(from_site(site, signature_key=vendor.key), cache)
    assert site.asked == []
    with pytest.raises(ReleaseError, match="another key signed it"):
        fetch(from_site(site, signature_key=stranger.key), cache)


def test_a_file_is_verified_by_the_signature_beside_it(
    tmp_path: Path, cache: Path, signers: tuple[Signer, Signer]
) -> None:
    vendor, _ = signers
    file = tmp_path / "own.tar.gz"
    file.write_bytes(GOOD)
    wanted = ReleaseSource(str(file), signature_key=vendor.key)
    assert refused(wanted, cache) == (
        f"{file}.sig is not there: put the tarball's signature beside it."
    )
    Path(f"{file}.sig").write_bytes(vendor.sign(GOOD))
    assert fetch(wanted, cache) == file


def test_a_signature_of_something_else(
    site: Site, cache: Path, signers: tuple[Signer, Signer]
) -> None:
    vendor, _ = signers
    site.files["/mm.tar.gz.sig"] = vendor.sign(GOOD + b"x")
    assert refused(from_site(site, signature_key=vendor.key), cache) == (
        f"{site.url}/mm.tar.gz: the signature does not fit: somebody changed the tarball. "
        "Do not deploy it."
    )


def test_a_signature_by_another_key(
    site: Site, cache: Path, signers: tuple[Signer, Signer]
) -> None:
    vendor, stranger = signers
    site.files["/mm.tar.gz.sig"] = stranger.sign(GOOD)
    assert "another key signed it" in refused(from_site(site, signature_key=vendor.key), cache)


@pytest.mark.parametrize("content", [b"", b"no signature"])
def test_a_signature_that_is_none(
    site: Site, cache: Path, signers: tuple[Signer, Signer], content: bytes
) -> None:
    vendor, _ = signers
    site.files["/mm.tar.gz.sig"] = content
    sentence = refused(from_site(site, signature_key=vendor.key), cache)
    assert sentence.endswith("its signature cannot be read; fetch it again.")


def test_a_missing_signature_stops_before_the_tarball_is_fetched(
    site: Site, cache: Path, signers: tuple[Signer, Signer]
) -> None:
    vendor, _ = signers
    assert "/mm.tar.gz.sig answers 404" in refused(from_site(site, signature_key=vendor.key), cache)
    assert site.asked == ["/mm.tar.gz.sig"]
