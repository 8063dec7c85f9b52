"""The proxy as users see it: asked from the control machine, by the site's name."""

import base64
import hashlib
import http.client
import json
import os
import socket
import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

TIMEOUT_S = 5
SILENT_TIMEOUT_S = 1
"""Time limit after the proxy did not answer once, so that a hanging server costs little."""
READ_AT_MOST = 16 * 1024 * 1024
WEBSOCKET = "/api/v4/websocket"
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The GUID of RFC 6455 for Sec-WebSocket-Accept."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response; names of headers are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it isn't one."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Handshake:
    """The result of a TLS handshake."""

    accepted: bool
    version: str = ""
    alpn: str = ""
    certificate: bytes = b""
    """The server's own certificate, DER."""
    refused_by_server: bool = False
    """Whether the server refused; otherwise it was not reached, or this machine could not try."""
    error: str = ""


@dataclass(frozen=True)
class Outside:
    """One proxy of a site. Each call makes a new connection and changes nothing."""

    address: str
    server_name: str
    authority: str
    trust: ssl.SSLContext
    http_port: int = 80
    https_port: int = 443
    silent: list[str] = field(default_factory=list, compare=False)
    """The paths that were not answered in time."""

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        host: str = "",
        plain: bool = False,
    ) -> Answer:
        """GET ``path`` unchanged, with dots. ``host``: sent instead of the site's name."""
        sent = {"Host": host or self.authority, "Connection": "close", **(headers or {})}
        connection = http.client.HTTPConnection(self.address)
        try:
            connection.sock = self._connect(self.http_port) if plain else self._secure(self.trust)
            connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read(READ_AT_MOST))
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError):
                self.silent.append(path)
            scheme = "http" if plain else "https"
            raise OperatorError(
                f"{scheme}://{self.authority}{path}: expected an answer from {self.address}, "
                f"found {_reason(error)}"
            ) from None
        finally:
            connection.close()

    def handshake(self, context: ssl.SSLContext | None = None) -> Handshake:
        """A TLS handshake with the site's name; verified, unless ``context`` differs."""
        try:
            with self._secure(context or self.trust) as connection:
                return Handshake(
                    accepted=True,
                    version=connection.version() or "",
                    alpn=connection.selected_alpn_protocol() or "",
                    certificate=connection.getpeercert(binary_form=True) or b"",
                )
        except (ssl.SSLError, OSError) as error:
            if isinstance(error, TimeoutError):
                self.silent.append("a handshake")
            said = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
            refused = said or isinstance(error, ConnectionResetError)
            return Handshake(accepted=False, refused_by_server=refused, error=_reason(error))

    def speaks(self, version: ssl.TLSVersion) -> Handshake:
        """Try this version of TLS only, without verifying the certificate."""
        context = _lenient()
        with warnings.catch_warnings():
            # Python warns that TLS 1.1 is deprecated; we check that it is refused.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = version
            context.maximum_version = version
        return self.handshake(context)

    def agrees_on(self, protocols: list[str]) -> str:
        """The application protocol that the proxy selects from these (ALPN)."""
        context = _lenient()
        context.set_alpn_protocols(protocols)
        return self.handshake(context).alpn

    def websocket(self, origin: str) -> tuple[Answer, bool]:
        """Ask for a WebSocket as a browser on ``origin`` does; tells if the accept key is right."""
        key = base64.b64encode(os.urandom(16)).decode()
        answer = self.ask(
            WEBSOCKET,
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key,
                "Origin": origin,
            },
        )
        digest = hashlib.sha1(f"{key}{WEBSOCKET_GUID}".encode(), usedforsecurity=False).digest()
        proof = base64.b64encode(digest).decode()
        return answer, answer.headers.get("sec-websocket-accept") == proof

    @property
    def _timeout(self) -> int:
        return SILENT_TIMEOUT_S if self.silent else TIMEOUT_S

    def _connect(self, port: int) -> socket.socket:
        return socket.create_connection((self.address, port), self._timeout)

    def _secure(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        return context.wrap_socket(self._connect(self.https_port), server_hostname=self.server_name)


def outside(site: Site, address: str) -> Outside:
    """The proxy of ``site`` at ``address``, trusted by the site's kind of certificate."""
    return Outside(address, site.settings.name, site.settings.authority, trust(site))


def authorities(site: Site) -> list[str]:
    """The CA certificates (PEM) that may have issued the site's certificate.

    The internal authority only; with files, the file's certificates or a public authority; with
    ACME a public authority, or those in the private server's ``ca_bundle``.
    """
    tls = site.settings.tls
    if tls.mode == "internal-ca":
        return [site.secrets.authority or ""]
    own = tls.certificate if tls.mode == "files" else tls.ca_bundle
    files = [Path(file) for file in (DEFAULT_CA_BUNDLE_PATH, own) if file]
    return [file.read_text(encoding="ascii", errors="ignore") for file in files]


def trust(site: Site) -> ssl.SSLContext:
    """A TLS context that trusts the site's authorities and verifies the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for authority in authorities(site):
        context.load_verify_locations(cadata=authority)
    if site.settings.tls.mode == "files":
        # The file may end with an intermediate whose root is only known to users' machines.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@contextmanager
def resolving(name: str, address: str) -> Iterator[None]:
    """In this context ``name`` resolves to ``address`` in this process."""
    genuine = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        return genuine(address if host in {name, name.encode()} else host, *arguments, **named)

    with patch("socket.getaddrinfo", resolve):
        yield


def _lenient() -> ssl.SSLContext:
    """A TLS context that accepts anything, so that a refusal is the server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"a certificate that does not hold: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "silence"
    return str(error).rpartition("] ")[2] or type(error).__name__
