"""A bucket of S3, looked into before a run as the host will reach it. Nothing is written.

The connection begins on the host, whose network and names count, and is spoken from here: a host
that is not set up yet has no program for it, and no secret has to be there.
"""

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from pyinfra.api import Host
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from mattermost_host.engine.questions import answers_of
from mattermost_host.engine.tunnel import SILENT, NotAsked, TunnelError, connection_from
from mattermost_host.facts.file_text import FileText
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access, Bucket
from mattermost_host.knowledge.names import HTTPS_PORT, in_url
from mattermost_host.ops.backup_target import AMAZON, Service, Target
from mattermost_host.ops.pgbackrest_state import MARK
from mattermost_host.preflight.backup_held import INFO, MOST_BYTES, Held, PlaceRefused, shown
from mattermost_host.support import aws_signature
from mattermost_host.support.aws_signature import Keys

FILES = (MARK, INFO)
ANSWERS = "a service of S3 that answers the host"
OPENS = "a bucket that its keys list, read, write and delete in"
LET_IT = (
    "Let its user list, read, write and delete in the bucket, or correct the keys in {secrets}."
)
REFUSALS: Mapping[str, tuple[str, str, str]] = {
    "NoSuchBucket": (
        "there is no bucket {bucket}",
        "a bucket that exists",
        "Create it, or correct backup.to.",
    ),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "XAdminUserNotFound"),
        ("the access key is not known", OPENS, "Correct backup_s3_access_key in {secrets}."),
    ),
    "SignatureDoesNotMatch": (
        "the secret key is not that of the access key",
        OPENS,
        "Correct backup_s3_secret_key in {secrets}.",
    ),
    "AccessDenied": ("the keys may not list the bucket {bucket}", OPENS, LET_IT),
    "RequestTimeTooSkewed": (
        "the host's clock is too far from the service's",
        "clocks that agree to a few minutes",
        "Let both take their time from a server of it.",
    ),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"),
        (
            "the bucket {bucket} is in another region{region}",
            "the bucket's region",
            "Write it as backup.region, and the service's address there as backup.endpoint.",
        ),
    ),
}
"""What the service calls it -> what was found, what is needed, what to do."""


class _Line(http.client.HTTPConnection):
    """Requests to a service over one connection, or over another where it ends that one."""

    def __init__(self, name: str, opened: Callable[[], socket.socket]) -> None:
        super().__init__(name)
        self._opened = opened

    def connect(self) -> None:
        self.sock = self._opened()


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    region: str
    """The bucket's, where the service names it."""

    def tag(self, name: str) -> str:
        """The content of an element of an error; empty if there is none."""
        found = re.search(f"<{name}>([^<]*)</{name}>", self.body.decode(errors="replace"))
        return shown(found[1]) if found else ""


@dataclass(frozen=True)
class _Way:
    """A bucket's service as a host reaches it."""

    host: Host
    facts: HostFacts
    bucket: Bucket
    service: Service
    keys: Keys
    secrets_file: str

    @property
    def of_its_own(self) -> bool:
        """Whether the bucket is part of the service's name, as both engines take it."""
        return self._endpoint[0].endswith(AMAZON)

    @property
    def _endpoint(self) -> tuple[str, int]:
        found = urlsplit(self.service.endpoint)
        return found.hostname or "", found.port or HTTPS_PORT

    @property
    def name(self) -> str:
        return f"{self.bucket.name}." * self.of_its_own + self._endpoint[0]

    @property
    def path(self) -> str:
        return "" if self.of_its_own else f"/{self.bucket.name}"

    @property
    def told(self) -> str:
        """Name and port, as a request and a sentence name them."""
        port = self._endpoint[1]
        return in_url(self.name) if port == HTTPS_PORT else f"{in_url(self.name)}:{port}"

    def held(self) -> Held:
        """What is there of ours, by a certificate that both engines will trust on the host.

        Without an authority in the inventory it is one that every distribution trusts (Mozilla's
        list), or one that the host's administrator added.
        """
        try:
            return self._held(_trusting(self.service.authorities))
        except ssl.SSLCertVerificationError:
            place = FileText(self.facts.family.authorities)
            own = "" if self.service.authorities else answers_of(self.host, [place]).get(place)
            if not own:
                raise
            return self._held(_trusting(own))

    def _held(self, context: ssl.SSLContext) -> Held:
        with ExitStack() as stack:

            def opened() -> socket.socket:
                line = connection_from(self.host, self.name, self._endpoint[1])
                tls = context.wrap_socket(stack.enter_context(line), server_hostname=self.name)
                return stack.enter_context(tls)

            return self._read(_Line(self.told, opened))

    def _read(self, line: _Line) -> Held:
        repository = self.bucket.database.lstrip("/")
        room = repository.removesuffix("database")
        listing = {"list-type": "2", "max-keys": "1", "prefix": room}
        listed = self._get(line, f"{self.path}/", listing)
        if listed.status != 200 or b"ListBucketResult" not in listed.body:
            raise self._refused(listed)
        if not listed.tag("Key"):
            return Held()
        paths = (f"{self.path}/{repository}/{one}" for one in FILES)
        mark, info = (self._file(self._get(line, one, {})) for one in paths)
        return Held(mark.decode(errors="replace").strip(), info)

    def _get(self, line: _Line, path: str, query: Mapping[str, str]) -> _Answer:
        # By the host's clock, as its own programs will ask.
        at = datetime.now(UTC) + timedelta(seconds=self.facts.clock_offset_s)
        said = aws_signature.headers(self.keys, self.told, path, query, at)
        line.request("GET", aws_signature.asked(path, query), headers=said)
        answer = line.getresponse()
        body = answer.read(MOST_BYTES)
        return _Answer(answer.status, body, answer.getheader("x-amz-bucket-region") or "")

    def _file(self, answer: _Answer) -> bytes:
        if answer.status in (200, 404):
            return answer.body if answer.status == 200 else b""
        raise self._refused(answer)

    def _refused(self, answer: _Answer) -> PlaceRefused:
        code = answer.tag("Code")
        if code not in REFUSALS and answer.status == 403:
            code = "AccessDenied"
        if sentences := REFUSALS.get(code):
            region = answer.region or answer.tag("Region")
            names = {
                "bucket": self.bucket.name,
                "region": f" ({region})" if region else "",
                "secrets": self.secrets_file,
            }
            found, needed, remedy = (one.format(**names) for one in sentences)
            return PlaceRefused(f"{self.told}: {found}", needed, remedy)
        if not code and answer.status >= 500:
            return self.unreached(f"it answers with status {answer.status}")
        if not code:
            return self.odd(f"status {answer.status}")
        found = f"{self.told}: it refused ({answer.status} {code}: {answer.tag('Message')})"
        remedy = "See what the keys may do there, and what the log of the service says."
        return PlaceRefused(shown(found), OPENS, remedy, away=answer.status >= 500)

    def odd(self, said: str) -> PlaceRefused:
        """The sentences of something else that answers there."""
        found = f"{self.told}: it does not answer as S3 does ({said})"
        remedy = "Correct backup.endpoint: the address of the service, not of its console."
        return PlaceRefused(found, ANSWERS, remedy)

    @property
    def _correct(self) -> str:
        return f"Let {self.host.name} reach it (name, route, firewall), or correct backup.endpoint."

    def unreached(self, why: str) -> PlaceRefused:
        """The sentences of a service that does not answer."""
        return PlaceRefused(f"{self.told}: {why}", ANSWERS, self._correct, away=True)

    def distrusted(self, error: ssl.SSLError) -> PlaceRefused:
        """The sentences of a service that somebody else could pose as."""
        if "timed out" in str(error):
            return self.unreached(SILENT)  # gevent's word for it
        if not isinstance(error, ssl.SSLCertVerificationError):
            found = f"{self.told}: it does not speak TLS ({shown(error.reason or str(error))})"
            return PlaceRefused(found, ANSWERS, "Correct backup.endpoint: its port is of https.")
        reason = shown(error.verify_message or str(error))
        found = f"{self.told}: its certificate is not trusted ({reason})"
        remedy = "Name the file with the authority of this service as backup.ca_certificate."
        if "mismatch" in reason:
            remedy = "Write as backup.endpoint the name that stands in its certificate."
        elif "expired" in reason or "not yet valid" in reason:
            remedy = "Let the service have a certificate that is valid now."
        return PlaceRefused(found, "a certificate that the host trusts", remedy)


def look(host: Host, facts: HostFacts, target: Target, access: Access, secrets_file: str) -> Held:
    """What the bucket holds of ours. Raises PlaceRefused, and NotAsked."""
    assert isinstance(target.place, Bucket) and target.service
    assert access.s3_access_key and access.s3_secret_key  # secrets of the component
    named = access.s3_access_key.get_secret_value()
    keys = Keys(named, access.s3_secret_key, target.service.region)
    way = _Way(host, facts, target.place, target.service, keys, secrets_file)
    try:
        return way.held()
    except NotAsked:
        raise
    except TunnelError as error:
        raise way.unreached(str(error)) from None
    except ssl.SSLError as error:
        raise way.distrusted(error) from None
    except TimeoutError:
        raise way.unreached(SILENT) from None
    except OSError as error:
        raise way.unreached(f"the connection broke off ({shown(str(error))})") from None
    except http.client.HTTPException as error:
        raise way.odd(shown(str(error)) or type(error).__name__) from None


def _trusting(authorities: str) -> ssl.SSLContext:
    """``authorities`` in PEM; empty: those that every distribution has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities:
        context.load_verify_locations(cadata=authorities)
    else:
        context.load_verify_locations(cafile=DEFAULT_CA_BUNDLE_PATH)
    return context
