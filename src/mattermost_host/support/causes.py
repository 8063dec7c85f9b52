"""Why a connection failed: the root cause of a library's chained errors, in words."""

import socket
import ssl
from collections.abc import Iterator


def cause_of(error: BaseException) -> str:
    """The cause, without addresses or secrets; empty if none is known."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"a certificate that is not trusted: {cause.verify_message}"
        if isinstance(cause, TimeoutError) or type(cause).__name__.endswith("Timeout"):
            return "no answer in time"
        if isinstance(cause, socket.gaierror):
            return "the name does not resolve"
        if type(cause).__name__ == "ProxyError":
            return "the proxy of this machine refuses it"
        if isinstance(cause, OSError) and cause.strerror and cause.errno:
            return cause.strerror.lower()
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those it was raised from: cause, context, urllib3's reason, arguments."""
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        below = [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
        waiting += [cause for cause in below if isinstance(cause, BaseException)]
