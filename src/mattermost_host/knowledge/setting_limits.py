"""Invalid values of Mattermost's settings that have the right type.

Sources: ranges are from the server's own validation of its configuration (11.6); where it has none,
from what the operating system can do. Linux passes no variable longer than 128 KiB to a process.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from mattermost_host.knowledge.names import Refused, is_unprintable, mail_address

LONGEST_VARIABLE = 128 * 1024 - 1
"""Bytes of name, equals sign and value (MAX_ARG_STRLEN without the NUL)."""

PASSWORD_BYTES = (5, 72)
"""Of a user's password: the server's shortest minimum, and its longest."""
INT = (-1, 2**31 - 1)
WIDE = (-1, 2**53)
PORT = (1, 65_535)
CONNECTIONS = (-(2**31), 10_000)
"""start_blockers has the rule that it must be 1 or more."""
RANGES: tuple[tuple[str, tuple[int, int]], ...] = (
    (r"SqlSettings\.Max(Open|Idle)Conns", CONNECTIONS),
    (r"ClusterSettings\.MaxIdleConns(PerHost)?", (0, 10_000)),
    (r".*(Gossip|Streaming|Ldap|Websocket|WebsocketSecure)Port", PORT),
    (r"PasswordSettings\.MinimumLength", PASSWORD_BYTES),
    (r"(Service|Ldap)Settings\.MaximumLoginAttempts", (1, 1_000_000)),
    (r"TeamSettings\.Max\w+", (1, 2**31 - 1)),
    (r"RateLimitSettings\.(PerSec|MaxBurst|MemoryStoreSize)", (1, 2**31 - 1)),
    (r"EmailSettings\.EmailBatchingBufferSize", (1, 100_000)),
    (r"EmailSettings\.EmailBatchingInterval", (30, 86_400)),
    (r"LdapSettings\.(QueryTimeout|SyncIntervalMinutes)", (1, 2**31 - 1)),
    (r"ServiceSettings\.(Read|Write)Timeout", (1, 86_400)),
    (r"ServiceSettings\.MaximumURLLength", (1, 2**31 - 1)),
    (r".*(Bytes|Milliseconds|MilliSeconds|Timestamp|MaxFieldSize|MaxImageResolution)", WIDE),
)
"""Pattern of names -> lowest and highest value; the first match counts, else INT."""

MAIL = re.compile(
    r"EmailSettings\.(FeedbackEmail|ReplyToAddress)|SupportSettings\.(SupportEmail|ReportAProblemMail)"
    r"|MessageExportSettings\.GlobalRelaySettings\.EmailAddress"
)
URL = re.compile(r".*(URL|Url|Endpoint|Link)")
NUMBER_AS_TEXT = re.compile(r"EmailSettings\.SMTPPort|.*\.SMTPPort")
PLUGIN_SECRET = re.compile(
    r"(password|secret|token|apikey|api_key|encryptionkey|privatekey)$", re.I
)


def out_of_bounds(name: str, value: object) -> str | None:
    """What to write instead of a ``value`` of the right type; None if it may be right."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        lowest, highest = next((span for names, span in RANGES if re.fullmatch(names, name)), INT)
        return None if lowest <= value <= highest else f"it needs {lowest} to {highest}"
    return _wrong_text(name, value) if isinstance(value, str) else None


def unfit_for_a_variable(name: str, text: str) -> str | None:
    """Why ``text`` can't be the value of the environment variable ``name``; None if it can."""
    if any(is_unprintable(character) and character != "\t" for character in text):
        return "it needs a text without line breaks, NUL and other control characters"
    if len(f"{name}={text}".encode()) > LONGEST_VARIABLE:
        return f"it is too long: a variable holds {LONGEST_VARIABLE} bytes with its name"
    return None


def secret_inside(name: str, value: object) -> bool:
    """Whether the value of a public setting holds a secret: in a URL or a plugin's settings."""
    if isinstance(value, str):
        return _has_password(value)
    if isinstance(value, Mapping):
        return any(
            (bool(PLUGIN_SECRET.search(key)) and isinstance(inner, str) and inner != "")
            or secret_inside(name, inner)
            for key, inner in _pairs(value)
        )
    if isinstance(value, list | tuple):
        return any(secret_inside(name, inner) for inner in value)
    return False


def _pairs(table: Mapping[object, object]) -> Iterator[tuple[str, object]]:
    return ((str(key), value) for key, value in table.items())


def _wrong_text(name: str, text: str) -> str | None:
    if not text:
        return None
    if MAIL.fullmatch(name):
        try:
            mail_address(text)
        except Refused:
            return "it needs a mail address, name@example.com"
    if NUMBER_AS_TEXT.fullmatch(name) and not (text.isdecimal() and 1 <= int(text[:6]) <= PORT[1]):
        return 'it needs the number of a port in quotes, "587"'
    if URL.fullmatch(name) and re.search(r"\s", text):
        return "it needs an address without spaces"
    return None


def _has_password(text: str) -> bool:
    """Whether ``scheme://user:password@host`` is anywhere in the text."""
    for found in re.findall(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", text):
        try:
            if urlsplit(found).password:
                return True
        except ValueError:
            return True
    return False
