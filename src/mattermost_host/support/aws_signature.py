"""The signature of a request to a service of S3: version 4, as Amazon documents it; GET only."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

from pydantic import SecretStr

NOTHING = sha256(b"").hexdigest()
"""Of a body that is empty."""
SIGNED = "host;x-amz-content-sha256;x-amz-date"


@dataclass(frozen=True)
class Keys:
    """What opens a bucket."""

    access: str
    secret: SecretStr
    region: str


def asked(path: str, query: Mapping[str, str]) -> str:
    """Path and query of a request, in the one spelling that is signed."""
    named = "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in sorted(query.items()))
    return f"{quote(path, safe='/-_.~')}{named and '?'}{named}"


def headers(
    keys: Keys, host: str, path: str, query: Mapping[str, str], at: datetime
) -> dict[str, str]:
    """The headers of a GET; ``at`` is UTC, by the clock of whoever asks."""
    moment, scope = f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}/{keys.region}/s3/aws4_request"
    target, _, named = asked(path, query).partition("?")
    told = {"host": host, "x-amz-content-sha256": NOTHING, "x-amz-date": moment}
    lines = [f"{name}:{value}" for name, value in told.items()]
    request = "\n".join(["GET", target, named, *lines, "", SIGNED, NOTHING])
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret.get_secret_value()}".encode()
    for part in scope.split("/"):
        key = _of(key, part)
    proof = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={SIGNED}, "
        f"Signature={_of(key, text).hex()}"
    )
    return {**told, "authorization": proof}


def _of(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
