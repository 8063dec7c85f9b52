"""Checks of the proxy's and the server's responses."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from mattermost_host.certificates.authority import canonical, names_of
from mattermost_host.certificates.check import covers
from mattermost_host.ops.probe import PATIENCE_S
from tests.host.judge import Sentences, differs
from tests.host.outside import Answer, Handshake
from tests.host.questions_release import ReleaseFiles

HSTS_S = 63_072_000
"""Two years, as the preload list and Mozilla's profile require."""
STATIC_CACHE_S = 31_536_000
"""A year, because names of static files change with their content."""
LEAST_DAYS = timedelta(days=14)


def ping(status: int, body: Mapping[str, Any]) -> Sentences:
    """The server, its database and its file store are well, and it does not run as root."""
    if status != 200:
        yield differs(
            "ping with server status", "200", status or f"no answer within {PATIENCE_S} s"
        )
    for key in ("status", "database_status", "filestore_status"):
        if body.get(key) != "OK":
            yield differs(f"{key} of the ping", "OK", body.get(key, "nothing"))
    if body.get("root_status") not in {None, False, "false"}:
        yield differs("user of the server", "an account of its own", "root (root_status)")


def verified(handshake: Handshake) -> Sentences:
    """The certificate chain holds for the site's name."""
    if not handshake.accepted:
        yield differs("certificate", "a chain that this site's clients trust", handshake.error)


def names(certificate: x509.Certificate, server_name: str) -> Sentences:
    """The certificate is for the site's name."""
    found = names_of(certificate)
    if not any(covers(pattern, canonical(server_name)) for pattern in found):
        shown = ", ".join(sorted(found)) or "no name"
        yield differs("name in the certificate", server_name, shown)


def lasts(certificate: x509.Certificate, now: datetime) -> Sentences:
    """Two weeks are left, or a quarter of a short lifetime: renewal works."""
    end, life = (
        certificate.not_valid_after_utc,
        certificate.not_valid_after_utc - certificate.not_valid_before_utc,
    )
    least = min(LEAST_DAYS, life / 4)
    if end - now < least:
        hours = (end - now) // timedelta(hours=1)
        found = f"{hours // 24} days" if abs(hours) >= 48 else f"{hours} hours"
        yield differs("time left of the certificate", f"at least {_days(least)}", found)


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.2g} days"


def same_certificate(served: x509.Certificate, wanted: x509.Certificate, whose: str) -> Sentences:
    """The proxy serves this certificate and no older one; ``whose`` describes its source."""
    if served != wanted:
        expected = f"number {wanted.serial_number:x}, {whose}"
        yield differs("certificate served", expected, f"number {served.serial_number:x}")


def spoken(version: str, handshake: Handshake) -> Sentences:
    """The proxy accepts this version of TLS."""
    if not handshake.accepted:
        yield differs(version, "it accepted", f"it refused ({handshake.error})")


def refused(version: str, handshake: Handshake) -> Sentences:
    """The proxy itself refuses this version of TLS."""
    if handshake.accepted:
        yield differs(version, "it refused", "it accepted")
    elif not handshake.refused_by_server:
        yield differs(
            version, "it refused by the proxy", f"it could not be tried: {handshake.error}"
        )


def hsts(answer: Answer) -> Sentences:
    """HSTS tells browsers to use TLS only, for two years."""
    header = answer.headers.get("strict-transport-security", "")
    age = re.search(r"max-age=(\d+)", header)
    if not age or int(age[1]) < HSTS_S:
        expected = f"max-age of at least {HSTS_S}"
        yield differs("Strict-Transport-Security", expected, header or "no such header")


def anonymous(answer: Answer) -> Sentences:
    """The proxy does not send its version."""
    server = answer.headers.get("server", "")
    if re.search(r"\d", server):
        yield differs("header Server", "no version", server)


def redirect(answer: Answer, target: str) -> Sentences:
    """Plain HTTP leads to the same page over TLS."""
    found = f"{answer.status} to {answer.headers.get('location', 'nowhere')}"
    if found != f"301 to {target}":
        yield differs("http://", f"301 to {target}", found)


def status(what: str, expected: int, answer: Answer) -> Sentences:
    """The response has this status."""
    if answer.status != expected:
        yield differs(what, expected, answer.status)


def upgraded(answer: Answer, proven: bool) -> Sentences:
    """The WebSocket opens, and the response proves that the server speaks the protocol."""
    yield from status("WebSocket from the site's own pages", 101, answer)
    if answer.status == 101 and not proven:
        yield differs("Sec-WebSocket-Accept", "the proof of our key", "another value")


def static(answer: Answer, files: ReleaseFiles, form: str = "gzip") -> Sentences:
    """A script of the web application is served precompressed and may be cached for a year."""
    size = files.static_bytes if form == "gzip" else files.brotli_bytes
    what = f"/static/{files.static}"
    yield from status(what, 200, answer)
    encoding = answer.headers.get("content-encoding", "none")
    if encoding != form or len(answer.body) != size:
        expected = f"the {size:,} bytes of the release's file compressed by {form}"
        yield differs(what, expected, f"{len(answer.body):,} bytes, encoding {encoding}")
    header = answer.headers.get("cache-control", "")
    age = re.search(r"max-age=(\d+)", header)
    if not age or int(age[1]) < STATIC_CACHE_S:
        expected = f"Cache-Control with max-age of at least {STATIC_CACHE_S}"
        yield differs(what, expected, header or "no such header")


CLIMBS = (
    "/static/../{path}",
    "/static/../../{path}",
    "/static../{path}",
    "/static//../{path}",
    "/static/%2e%2e/{path}",
    "/static/..%2f{path}",
    "/static/files/..%2f..%2f{path}",
)
"""Path traversals out of the static files' folder; {path} is another file of the release."""


def stays_inside(answers: Iterable[tuple[str, Answer]], files: ReleaseFiles) -> Sentences:
    """No path traversal serves a file outside of the web application."""
    for path, answer in answers:
        if hashlib.sha256(answer.body).hexdigest() == files.outside_sha256:
            yield differs(path, "it refused", f"{files.outside} of the release")
