"""Releases from the network, a mirror and a file, right and wrong ones."""

import hashlib
import http.server
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.knowledge import releases
from mattermost_host.releases.download import Tarball, fetch, sha256_of
from mattermost_host.releases.source import ReleaseError, ReleaseSource, source
from tests.unit.releases.archives import SERVER, packed, plain

GOOD = packed(SERVER, plain("mattermost/client/root.html"))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Site:
    """A web server on loopback."""

    url: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    encodings: set[str] = field(default_factory=set)
    """What the requests said that they accept."""
    cut_after: int | None = None


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.encodings.add(self.headers["Accept-Encoding"])
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
    path = fetch(from_site(site), cache, lambda done, total: progress.append((done, total))).path
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
    path = fetch(from_site(site), cache).path
    path.write_bytes(GOOD[:-1])
    assert fetch(from_site(site), cache).path.read_bytes() == GOOD
    assert len(site.asked) == 2


def test_a_file_of_ones_own_stays_where_it_is(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "own.tar.gz"
    file.write_bytes(GOOD)
    assert fetch(ReleaseSource(str(file), digest(GOOD)), cache) == Tarball(file, digest(GOOD))
    assert not cache.exists()
    assert sha256_of(file) == digest(GOOD)


def test_the_tarball_is_kept_as_the_server_stores_it(site: Site, cache: Path) -> None:
    site.headers["Content-Encoding"] = "gzip"
    assert fetch(from_site(site), cache).path.read_bytes() == GOOD
    assert site.encodings == {"identity"}


# What the operator's words name


def test_the_vendor_a_mirror_and_a_file() -> None:
    wanted: tuple[str, releases.Edition, releases.Architecture] = ("11.7.9", "enterprise", "amd64")
    known = releases.sha256(*wanted)
    built: dict[str, Any] = {"sha256": known, "architecture": "amd64"}
    assert source(*wanted) == ReleaseSource(releases.official_url(*wanted), **built)
    mirrored = source(*wanted, mirror="https://mirror.example/mm")
    assert mirrored == ReleaseSource(
        "https://mirror.example/mm/mattermost-11.7.9-linux-amd64.tar.gz", **built
    )
    assert source(*wanted, file="own.tar.gz").sha256 is None
    assert source(*wanted, file="own.tar.gz", sha256="ab").sha256 == "ab"
    assert source(*wanted, sha256="ab").sha256 == "ab"


def test_a_mirror_that_is_no_url() -> None:
    with pytest.raises(ReleaseError) as raised:
        source("11.7.9", "team", "amd64", mirror="mirror.example/mm")
    assert str(raised.value) == (
        "The mirror mirror.example/mm is not a URL. Write `mattermost.release.mirror` with "
        "https:// at its beginning, or set a file as `mattermost.release.file`."
    )


# What is wrong


def test_an_unverified_release_is_refused_before_anything_is_asked(site: Site, cache: Path) -> None:
    assert refused(from_site(site, sha256=None), cache) == (
        f"There is nothing to verify {site.url}/mm.tar.gz with. Set its SHA-256 "
        "(`mattermost.release.sha256`; the vendor's are at "
        "https://docs.mattermost.com/product-overview/version-archive.html) or the key that signed "
        "it (`mattermost.release.signature_key`); `mattermost.release.unverified` deploys it "
        "anyway."
    )
    assert site.asked == []


def test_unless_it_was_said_in_as_many_words(site: Site, cache: Path) -> None:
    path = fetch(from_site(site, sha256=None, unverified=True), cache).path
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
        f"{site.url}/mm.tar.gz is truncated. Download it again."
    )


def test_a_connection_that_breaks_off(site: Site, cache: Path) -> None:
    site.cut_after = 100_000
    assert refused(from_site(site), cache) == (
        f"The download of {site.url}/mm.tar.gz was interrupted. Run again, or download it some "
        "other way and set `mattermost.release.file`."
    )


def test_a_tarball_of_something_else(site: Site, cache: Path) -> None:
    site.files["/mm.tar.gz"] = packed(plain("bin/mattermost"))
    assert refused(from_site(site), cache) == (
        f"{site.url}/mm.tar.gz is not a Mattermost server: it has no bin/mattermost in its folder. "
        "Use another one."
    )


def test_a_member_that_climbs_out(site: Site, cache: Path) -> None:
    site.files["/mm.tar.gz"] = packed(SERVER, plain("mattermost/../../x"))
    assert refused(from_site(site), cache) == (
        f"{site.url}/mm.tar.gz is dangerous: its member 'mattermost/../../x' lies outside of it. "
        "Do not deploy it."
    )


def test_a_site_that_is_not_there(cache: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mm.tar.gz"
        assert refused(ReleaseSource(url, "0" * 64), cache) == (
            f"{url} cannot be reached (connection refused). Give this machine a way there, "
            "or set a mirror (`mattermost.release.mirror`) or a tarball "
            "(`mattermost.release.file`)."
        )


def test_a_release_that_the_site_does_not_have(site: Site, cache: Path) -> None:
    missing = ReleaseSource(f"{site.url}/other.tar.gz", "0" * 64)
    assert refused(missing, cache) == (
        f"{site.url}/other.tar.gz answers 404 Not Found: the file does not exist, or access is "
        "restricted. Check version, edition and mirror."
    )


def test_a_password_in_the_url_is_not_shown(site: Site, cache: Path) -> None:
    url = site.url.replace("//", "//me:hunter2@")
    sentence = refused(ReleaseSource(f"{url}/other.tar.gz", "0" * 64), cache)
    assert "hunter2" not in sentence
    assert f"{site.url}/other.tar.gz" in sentence


def test_a_file_that_is_not_there(tmp_path: Path, cache: Path) -> None:
    missing = tmp_path / "missing.tar.gz"
    assert refused(ReleaseSource(str(missing), "0" * 64), cache) == (
        f"{missing} does not exist. Put the release's tarball there, or correct "
        "`mattermost.release.file`."
    )


def test_a_cache_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReleaseError, match="cannot be used: Not a directory"):
        fetch(from_site(site), tmp_path / "file" / "cache")


def test_a_missing_signature_stops_before_the_tarball_is_fetched(site: Site, cache: Path) -> None:
    wanted = from_site(site, signature_key=Path("any.gpg"))
    assert "/mm.tar.gz.sig answers 404" in refused(wanted, cache)
    assert site.asked == ["/mm.tar.gz.sig"]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://me:pw@mirror.example/x.tar.gz", "https://mirror.example/x.tar.gz"),
        ("https://me:p/w?#@mirror.example/x.tar.gz", "https://mirror.example/x.tar.gz"),
        ("https://me:p@w@mirror.example/x", "https://mirror.example/x"),
        ("https://token@mirror.example/x", "https://mirror.example/x"),
        ("htps://me:pw@mirror.example/x", "htps://mirror.example/x"),
        ("me:pw@mirror.example/x", "mirror.example/x"),
        ("https://s3.example/x.tar.gz?X-Amz-Signature=pw", "https://s3.example/x.tar.gz?…"),
        ("https://mirror.example/x.tar.gz", "https://mirror.example/x.tar.gz"),
        ("/srv/me@home/x.tar.gz", "/srv/me@home/x.tar.gz"),
    ],
)
def test_an_address_is_shown_without_secrets(location: str, shown: str) -> None:
    assert ReleaseSource(location).shown == shown


def test_the_digest_is_that_of_the_verified_bytes_even_if_the_file_changes_afterwards(
    tmp_path: Path, cache: Path
) -> None:
    file = tmp_path / "own.tar.gz"
    file.write_bytes(GOOD)
    tarball = fetch(ReleaseSource(str(file), unverified=True), cache)
    file.write_bytes(packed(SERVER, plain("mattermost/evil")))
    assert tarball.sha256 == digest(GOOD)


def test_a_kept_release_is_looked_into_again(cache: Path) -> None:
    cache.mkdir()
    dangerous = packed(SERVER, plain("mattermost/../x"))
    kept = cache / f"{digest(dangerous)}.tar.gz"
    kept.write_bytes(dangerous)
    with pytest.raises(ReleaseError, match="lies outside of it"):
        fetch(ReleaseSource("https://mirror.example/x", digest(dangerous)), cache)
