"""A bucket is looked into before a run: each mistake has its own sentence, nothing is written."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.components import backup
from mattermost_host.engine import tunnel
from mattermost_host.facts.backups import BackupFacts
from mattermost_host.facts.file_text import FileText
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access
from mattermost_host.ops import backup_target
from mattermost_host.preflight import backup_bucket, backup_place
from mattermost_host.preflight.backup_held import PlaceRefused
from mattermost_host.preflight.finding import Finding, Inquiry
from mattermost_host.support import aws_signature
from tests.unit.examples import DEBIAN_12, ExampleSecrets, place
from tests.unit.ssh_server import ForwardingServer, SshSite, local_host

ACCESS = Access(SecretStr("S3-Access-Key"), SecretStr("S3-Secret-Key"))
LISTED = "<ListBucketResult><Key>chat/mattermost-host/x</Key></ListBucketResult>"
EMPTY = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
MISSING = (404, "<Error><Code>NoSuchKey</Code></Error>")


@dataclass
class Service:
    """What the service answers to a listing, and to a request for a file; what it was asked."""

    listing: tuple[int, str] = (200, EMPTY)
    file: tuple[int, str] = MISSING
    region: str = ""
    closes: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and signature's beginning."""


@cache
def authority() -> Pair:
    return new_authority("s3", datetime.now(UTC) - timedelta(days=2))


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            signed = (self.headers["authorization"] or "").partition("/")[0]
            service.asked.append((self.command, self.path, signed))
            status, text = service.listing if "list-type" in self.path else service.file
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            if service.region:
                self.send_header("x-amz-bucket-region", service.region)
            if service.closes:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def answering(
    service: Service, folder: Path, names: tuple[str, ...] = ("localhost",)
) -> Iterator[int]:
    """The port of a service on loopback, with TLS."""
    leaf = new_leaf(authority(), names, datetime.now(UTC))
    file = folder / "pair.pem"
    file.write_text(f"{leaf.certificate}{leaf.key.get_secret_value()}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(service)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def asked(
    port: int, folder: Path, *, host: Host | None = None, facts: HostFacts = DEBIAN_12, **more: Any
) -> Finding:
    file = folder / "authority.pem"
    file.write_text(authority().certificate)
    endpoint = f"https://localhost:{port}"
    told = {"to": "s3://backups/chat", "endpoint": endpoint, "ca_certificate": str(file), **more}
    settings = backup.Settings(**{key: value for key, value in told.items() if value})
    here = replace(
        place(),
        secrets=ExampleSecrets(backup_access=ACCESS, backup_key=SecretStr("Key")),
        site=replace(place().site, secrets_file="chat.secrets.toml"),
    )
    (inquiry,) = [one for one in backup.requires(settings, here) if isinstance(one, Inquiry)]
    found, *_ = inquiry.ask(host or local_host(), facts)
    assert "Secret" not in repr(found)
    return found


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("listing", [EMPTY, LISTED])
def test_a_bucket_that_opens(tmp_path: Path, listing: str, *, closes: bool) -> None:
    """It is only read, also where the service ends each connection."""
    service = Service((200, listing), closes=closes)
    with answering(service, tmp_path) as port:
        found = asked(port, tmp_path)
    assert (found.verdict, found.found) == ("ok", "s3://backups/chat opens")
    assert {(method, key) for method, _, key in service.asked} == {
        ("GET", "AWS4-HMAC-SHA256 Credential=S3-Access-Key")
    }
    of_repository = "/backups/chat/mattermost-host/database/"
    assert [path for _, path, _ in service.asked] == [
        "/backups/?list-type=2&max-keys=1&prefix=chat%2Fmattermost-host%2F",
        *([] if listing == EMPTY else [f"{of_repository}{one}" for one in backup_bucket.FILES]),
    ]


def test_it_is_reached_as_the_host_reaches_it(tmp_path: Path) -> None:
    site = SshSite(ForwardingServer())
    try:
        with answering(Service(), tmp_path) as port:
            assert asked(port, tmp_path, host=site.host).verdict == "ok"
    finally:
        site.close()


def test_where_sshd_opens_no_tunnel_it_is_only_noted(tmp_path: Path) -> None:
    site = SshSite(ForwardingServer(forbidden=True))
    try:
        found = asked(1, tmp_path, host=site.host)
    finally:
        site.close()
    assert found.verdict == "note"
    assert found.found.startswith("s3://backups/chat is not looked into before: sshd on the host")


def _error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>No.</Message></Error>"


@pytest.mark.parametrize(
    ("status", "text", "said", "to_do"),
    [
        (404, _error("NoSuchBucket"), "there is no bucket backups", "or correct backup.to."),
        (
            403,
            _error("InvalidAccessKeyId"),
            "the access key is not known",
            "Correct backup_s3_access_key in chat.secrets.toml.",
        ),
        (
            403,
            _error("SignatureDoesNotMatch"),
            "the secret key is not that of the access key",
            "Correct backup_s3_secret_key in chat.secrets.toml.",
        ),
        (
            403,
            _error("AccessDenied"),
            "the keys may not list the bucket backups",
            "or correct the keys in chat.secrets.toml.",
        ),
        (403, "", "the keys may not list the bucket backups", "Let its user list, read, write"),
        (
            400,
            _error("AuthorizationHeaderMalformed"),
            "the bucket backups is in another region (eu-1)",
            "Write it as backup.region",
        ),
        (
            403,
            _error("RequestTimeTooSkewed"),
            "the host's clock is too far from the service's",
            "Let both take their time",
        ),
        (
            405,
            _error("MethodNotAllowed"),
            "it refused (405 MethodNotAllowed: No.)",
            "See what the keys may do there",
        ),
        (200, "<html>", "it does not answer as S3 does (status 200)", "Correct backup.endpoint"),
        (502, "<html>", "it answers with status 502", "Let @local reach it"),
    ],
)
def test_what_a_service_refuses_has_its_own_sentence(
    status: int, text: str, said: str, to_do: str, tmp_path: Path
) -> None:
    with answering(Service((status, text), region="eu-1"), tmp_path) as port:
        found = asked(port, tmp_path)
    assert (found.name, found.verdict) == ("backup-place", "error")
    assert found.found == f"localhost:{port}: {said}"
    assert found.needed
    assert to_do in found.remedy


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    with answering(Service((200, LISTED), (403, _error("AccessDenied"))), tmp_path) as port:
        assert asked(port, tmp_path).verdict == "error"


def test_another_certificate_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an authority in the inventory those of every system count, then the host's own."""
    own: dict[FileText, str] = {}
    monkeypatch.setattr(backup_bucket, "answers_of", lambda host, questions: own)
    with answering(Service(), tmp_path) as port:
        found = asked(port, tmp_path, ca_certificate=None)
        assert (
            f"localhost:{port}: its certificate is not trusted (unable to get local" in found.found
        )
        assert found.remedy.endswith("authority of this service as backup.ca_certificate.")
        own[FileText(DEBIAN_12.family.authorities)] = authority().certificate
        assert asked(port, tmp_path, ca_certificate=None).verdict == "ok"
    with answering(Service(), tmp_path, ("other.example.com",)) as port:
        found = asked(port, tmp_path)
    assert "not trusted (Hostname mismatch" in found.found
    assert found.remedy == "Write as backup.endpoint the name that stands in its certificate."


def test_no_tls_and_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(Service())) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = asked(server.server_port, tmp_path)
        server.shutdown()
    assert "it does not speak TLS" in found.found
    found = asked(server.server_port, tmp_path)
    assert found.verdict == "error"
    assert (
        found.found == f"localhost:{server.server_port}: it cannot be reached: Connection refused"
    )
    assert found.remedy == (
        "Let @local reach it (name, route, firewall), or correct backup.endpoint."
    )
    monkeypatch.setattr(tunnel, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = asked(silent.getsockname()[1], tmp_path)
    assert found.found.endswith(": no answer within 10 s")


def test_a_site_that_backs_up_there_is_only_warned_of_a_service_that_is_away(
    tmp_path: Path,
) -> None:
    """A plan goes on and tells the rest. What is refused is an error there, too."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = tmp_path / "authority.pem"
    file.write_text(authority().certificate)
    settings = backup.Settings(
        to="s3://backups/chat", endpoint=f"https://localhost:{port}", ca_certificate=str(file)
    )
    target = backup_place.target(settings)
    installed = sha256(backup_target.environment(target, ACCESS).encode()).hexdigest()
    facts = replace(DEBIAN_12, backups=BackupFacts(settings=installed))
    found = asked(port, tmp_path, facts=facts)
    assert found.verdict == "warning"
    assert "Until it answers, a deploy stops" in found.remedy
    assert asked(port, tmp_path, facts=facts, region="eu-2").verdict == "error"


def test_amazons_buckets_are_asked_by_their_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[tuple[str, int]] = []

    @contextmanager
    def nowhere(host: Host, name: str, port: int) -> Iterator[socket.socket]:
        asked_for.append((name, port))
        raise tunnel.TunnelError("it cannot be reached")
        yield

    monkeypatch.setattr(backup_bucket, "connection_from", nowhere)
    endpoint = "https://s3.eu-central-1.amazonaws.com"
    target = backup_place.target(backup.Settings(to="s3://backups", endpoint=endpoint))
    with pytest.raises(PlaceRefused):
        backup_bucket.look(local_host(), DEBIAN_12, target, ACCESS, "")
    assert asked_for == [("backups.s3.eu-central-1.amazonaws.com", 443)]


def test_it_is_signed_by_the_hosts_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[datetime] = []
    signed = aws_signature.headers

    def seen(keys: Any, host: str, path: str, query: Any, moment: datetime) -> dict[str, str]:
        at.append(moment)
        return signed(keys, host, path, query, moment)

    monkeypatch.setattr(aws_signature, "headers", seen)
    with answering(Service(), tmp_path) as port:
        asked(port, tmp_path, facts=replace(DEBIAN_12, clock_offset_s=3600.0))
    assert 3590 < (at[0] - datetime.now(UTC)).total_seconds() <= 3600
