"""The verification's verdicts on the proxy, against servers that do it right and wrong."""

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.support.errors import OperatorError
from tests.host import judge_web as judge
from tests.host.outside import Answer, Handshake, Outside, resolving
from tests.host.questions_release import ReleaseFiles

NAME = "chat.example.com"
NOW = datetime.now(UTC)
AUTHORITY = new_authority("test", NOW)
LEAF = new_leaf(AUTHORITY, [NAME], NOW)

Configure = Callable[[ssl.SSLContext], None]


class _Echo(BaseHTTPRequestHandler):
    """Answers with the path as it came, and the name that was asked for."""

    def do_GET(self) -> None:
        body = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A refused handshake is what the test is about."""


def _trust(authority: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.certificate)
    return context


@contextmanager
def _serving(folder: Path, leaf: Pair, configure: Configure) -> Iterator[Outside]:
    chain = folder / "server.pem"
    chain.write_text(leaf.certificate + leaf.key.get_secret_value())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    configure(context)
    server = _Server(("127.0.0.1", 0), _Echo)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        port = server.server_address[1]
        yield Outside("127.0.0.1", NAME, NAME, _trust(AUTHORITY), https_port=port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _modern(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def _ancient(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


@pytest.fixture
def modern(tmp_path: Path) -> Iterator[Outside]:
    with _serving(tmp_path, LEAF, _modern) as outside:
        yield outside


def test_a_modern_server_holds(modern: Outside) -> None:
    verified = modern.handshake()
    assert not [*judge.verified(verified)]
    assert not [*judge.refused("TLS 1.1", modern.speaks(ssl.TLSVersion.TLSv1_1))]
    assert not [*judge.spoken("TLS 1.2", modern.speaks(ssl.TLSVersion.TLSv1_2))]
    assert not [*judge.spoken("TLS 1.3", modern.speaks(ssl.TLSVersion.TLSv1_3))]
    assert modern.agrees_on(["h2", "http/1.1"]) == "h2"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_ancient_server_is_named(tmp_path: Path) -> None:
    with _serving(tmp_path, LEAF, _ancient) as outside:
        old = outside.speaks(ssl.TLSVersion.TLSv1_1)
        assert [*judge.refused("TLS 1.1", old)] == [
            "TLS 1.1: expected it refused, found it accepted"
        ]
        [sentence] = judge.spoken("TLS 1.3", outside.speaks(ssl.TLSVersion.TLSv1_3))
        assert sentence.startswith("TLS 1.3: expected it accepted, found it refused (")
        assert outside.agrees_on(["h2", "http/1.1"]) == ""


def test_a_refusal_that_is_not_the_server_s_proves_nothing() -> None:
    nobody = Outside("127.0.0.1", NAME, NAME, _trust(AUTHORITY), https_port=1)
    [sentence] = judge.refused("TLS 1.1", nobody.speaks(ssl.TLSVersion.TLSv1_1))
    assert "it could not be tried: Connection refused" in sentence


@pytest.mark.parametrize(
    ("leaf", "part"),
    [
        (new_leaf(AUTHORITY, ["other.example.com"], NOW), "Hostname mismatch"),
        (new_leaf(new_authority("else", NOW), [NAME], NOW), "unable to get local issuer"),
        (new_leaf(AUTHORITY, [NAME], NOW - timedelta(days=400)), "certificate has expired"),
    ],
)
def test_a_certificate_that_does_not_hold_is_named(tmp_path: Path, leaf: Pair, part: str) -> None:
    with _serving(tmp_path, leaf, _modern) as outside:
        [sentence] = judge.verified(outside.handshake())
        assert part in sentence
        with pytest.raises(OperatorError, match="a certificate that does not hold"):
            outside.ask("/")


def test_paths_travel_as_they_stand(modern: Outside) -> None:
    assert modern.ask("/static/../x%2f").body == f"{NAME} /static/../x%2f".encode()
    assert modern.ask("/", host="other").body == b"other /"


def test_a_name_means_an_address_only_within() -> None:
    genuine = socket.getaddrinfo
    with resolving(NAME, "127.0.0.9"):
        assert socket.getaddrinfo(NAME, 443)[0][4][0] == "127.0.0.9"
        assert socket.getaddrinfo("127.0.0.1", 443)[0][4][0] == "127.0.0.1"
    assert socket.getaddrinfo is genuine


def test_the_name_and_the_time_left_are_judged() -> None:
    assert not [*judge.names(LEAF.leaf, NAME)]
    assert [*judge.names(LEAF.leaf, "other.example.com")] == [
        f"name in the certificate: expected other.example.com, found {NAME}"
    ]
    assert not [*judge.lasts(LEAF.leaf, NOW)]
    assert [*judge.lasts(LEAF.leaf, NOW + timedelta(days=360))] == [
        "time left of the certificate: expected at least 14 days, found 4 days"
    ]
    assert len([*judge.lasts(LEAF.leaf, NOW + timedelta(days=500))]) == 1


def test_another_certificate_is_named() -> None:
    other = new_leaf(AUTHORITY, [NAME], NOW).leaf
    assert not [*judge.same_certificate(LEAF.leaf, LEAF.leaf, "ours")]
    [sentence] = judge.same_certificate(other, LEAF.leaf, "ours")
    assert sentence.endswith(f"found number {other.serial_number:x}")


WELL = {"status": "OK", "database_status": "OK", "filestore_status": "OK"}


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (500, WELL, "ping with server status: expected 200, found 500"),
        (0, WELL, "ping with server status: expected 200, found no answer within 3 s"),
        (200, WELL | {"status": "UNHEALTHY"}, "status of the ping: expected OK, found UNHEALTHY"),
        (
            200,
            WELL | {"database_status": "UNHEALTHY"},
            "database_status of the ping: expected OK, found UNHEALTHY",
        ),
        (
            200,
            {"status": "OK", "database_status": "OK"},
            "filestore_status of the ping: expected OK, found nothing",
        ),
        (
            200,
            WELL | {"root_status": True},
            "user of the server: expected an account of its own, found root (root_status)",
        ),
    ],
)
def test_a_server_that_is_not_well_is_named(
    status: int, body: dict[str, object], sentence: str
) -> None:
    assert [*judge.ping(status, body)] == [sentence]


def test_a_server_that_is_well_holds() -> None:
    assert not [*judge.ping(200, WELL)]
    assert not [*judge.ping(200, WELL | {"root_status": False})]


@pytest.mark.parametrize("header", ["", "max-age=31536000", "includeSubDomains"])
def test_a_short_hsts_is_named(header: str) -> None:
    answer = Answer(200, {"strict-transport-security": header} if header else {})
    [sentence] = judge.hsts(answer)
    assert sentence.endswith(f"found {header or 'no such header'}")


def test_hsts_of_two_years_holds() -> None:
    value = "max-age=63072000; includeSubDomains"
    assert not [*judge.hsts(Answer(200, {"strict-transport-security": value}))]


def test_a_version_in_the_header_is_named() -> None:
    assert not [*judge.anonymous(Answer(200, {"server": "nginx"}))]
    assert [*judge.anonymous(Answer(200, {"server": "nginx/1.22.1"}))] == [
        "header Server: expected no version, found nginx/1.22.1"
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(302, {"location": f"https://{NAME}/x"}),
        Answer(301, {"location": "https://elsewhere.example.com/x"}),
        Answer(301, {"location": f"http://{NAME}/x"}),
        Answer(200),
    ],
)
def test_another_redirect_is_named(answer: Answer) -> None:
    assert len([*judge.redirect(answer, f"https://{NAME}/x")]) == 1


def test_the_right_redirect_holds() -> None:
    answer = Answer(301, {"location": f"https://{NAME}/x"})
    assert not [*judge.redirect(answer, f"https://{NAME}/x")]


def test_another_status_is_named() -> None:
    assert not [*judge.status("a WebSocket from a foreign page", 403, Answer(403))]
    assert [*judge.status("a WebSocket from a foreign page", 403, Answer(101))] == [
        "a WebSocket from a foreign page: expected 403, found 101"
    ]


def test_a_websocket_needs_the_proof() -> None:
    assert not [*judge.upgraded(Answer(101), proven=True)]
    assert len([*judge.upgraded(Answer(101), proven=False)]) == 1
    assert len([*judge.upgraded(Answer(400), proven=False)]) == 1


FILES = ReleaseFiles("main.js", 3, 2, "i18n/en.json", hashlib.sha256(b"outside").hexdigest())
STATIC = {"content-encoding": "gzip", "cache-control": "max-age=31556926, public"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, STATIC, b"abc"),
        Answer(200, STATIC, b"live compressed"),
        Answer(200, {"cache-control": "max-age=31556926"}, b"abc"),
        Answer(200, STATIC | {"cache-control": "no-cache"}, b"abc"),
        Answer(200, STATIC | {"cache-control": "max-age=3600"}, b"abc"),
    ],
)
def test_a_static_file_served_badly_is_named(answer: Answer) -> None:
    assert len([*judge.static(answer, FILES)]) == 1


def test_a_static_file_served_well_holds() -> None:
    assert not [*judge.static(Answer(200, STATIC, b"abc"), FILES)]
    assert not [*judge.static(Answer(200, STATIC | {"content-encoding": "br"}, b"ab"), FILES, "br")]
    assert len([*judge.static(Answer(200, STATIC, b"abc"), FILES, "br")]) == 1


def test_a_file_from_outside_is_named() -> None:
    page = Answer(200, {}, b"<html>")
    assert not [*judge.stays_inside([("/static/../x", page)], FILES)]
    assert [*judge.stays_inside([("/static../x", Answer(200, {}, b"outside"))], FILES)] == [
        "/static../x: expected it refused, found i18n/en.json of the release"
    ]


def test_a_body_that_is_no_object_is_empty() -> None:
    assert Answer(200, {}, b"[]").json() == {}
    assert Answer(200, {}, b"<html>").json() == {}


def test_a_refused_handshake_tells_why() -> None:
    assert [*judge.verified(Handshake(accepted=False, error="silence for 15 s"))] == [
        "certificate: expected a chain that this site's clients trust, found silence for 15 s"
    ]
