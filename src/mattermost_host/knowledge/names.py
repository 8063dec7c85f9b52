"""Valid host names, site URLs and mail addresses, in canonical form.

RFC 1123 for host names; UTS 46, as in browsers, for names with other letters. Each function returns
the canonical form or raises Refused, which never repeats the text: it may hold a password.
"""

import re
import unicodedata
from ipaddress import IPv6Address, ip_address, ip_network
from os.path import normpath

import idna

EXAMPLE = "https://chat.example.com"
HTTPS_PORT = 443
LONGEST_NAME, LONGEST_LOCAL_PART, LONGEST_MAIL, LONGEST_LINE = 253, 64, 254, 4096
RESERVED_USERNAMES = ("all", "channel", "here", "matterbot", "system")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")

_PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
_OF_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|home|lib\w*|proc|root|run|sbin|sys|tmp|usr"
    r"|var/(cache|log|run|tmp|lib/(mattermost|mattermost-host)))(/.*)?|/var|/var/lib|/opt"
)


class Refused(ValueError):
    """An invalid text: what was found, and what is needed instead."""

    def __init__(self, found: str, needed: str):
        self.found, self.needed = found, needed
        super().__init__(f"{found}; {needed}")


def host_name(text: str) -> str:
    """A DNS name in lower case and punycode, or an IP address in its usual form."""
    address = _address(text)
    if address is not None:
        return address
    name = _punycode(text)
    labels = name.split(".")
    if name.endswith("."):
        raise Refused("a host name with a dot at its end", "leave the dot out")
    if not all(map(_LABEL.fullmatch, labels)) or len(name) > LONGEST_NAME:
        needed = "a host name is labels of letters, digits and hyphens, joined by dots"
        raise Refused("an invalid host name", needed)
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        raise Refused("an invalid IPv4 address", "it is four numbers from 0 to 255")
    return name


def in_url(name: str) -> str:
    """A host name as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{name}]" if ":" in name else name


def site_url(text: str) -> str:
    """A site's URL as browsers send it: ``https://chat.example.com``, without the default port."""
    scheme, separator, rest = text.partition("://")
    wanted = _suggested(rest if separator or "." not in text else text)
    if not text.isprintable() or " " in text:
        raise Refused("a URL with spaces or control characters", wanted)
    if not separator or scheme.lower() != "https":
        raise Refused("a URL without https://", f"{wanted}; users reach the site by TLS only")
    if "@" in rest:
        raise Refused("a URL with a user or password", f"{wanted}; users log in on the page")
    if re.fullmatch(r"[^/?#\\]*/", rest):
        raise Refused("a URL with a slash at the end", wanted)
    if re.search(r"[/?#\\]", rest):
        found = "a URL with a path, query or fragment"
        raise Refused(found, f"{wanted}; a site needs a host name of its own, without a path")
    return f"https://{_authority(rest, wanted)}"


def mail_address(text: str) -> str:
    """``name@example.com``, the domain in lower case and punycode."""
    local, _, domain = text.rpartition("@")
    needed = "write it like name@example.com"
    if not _LOCAL_PART.fullmatch(local) or len(local) > LONGEST_LOCAL_PART:
        raise Refused("an invalid mail address", needed)
    try:
        address = f"{local}@{host_name(domain)}"
    except Refused as error:
        raise Refused(f"a mail address with {error.found}", needed) from None
    if ":" in address or len(address) > LONGEST_MAIL:
        raise Refused("an invalid mail address", needed)
    return address


def https_url(text: str) -> str:
    """The https URL of a service, without characters that are special in shells or files."""
    found = re.fullmatch(r"https://([^/?#\s@\\]+)((?:/[A-Za-z0-9._~+:=@-]*)*)", text)
    if not found:
        needed = "write https://, a host name and a path, without user, password and query"
        raise Refused("an invalid https address", needed)
    return f"https://{_authority(found[1], 'write https:// and a host name')}{found[2]}"


def network(text: str) -> str:
    """An address or a network in CIDR notation, its host bits zero."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        needed = "write an address or a network, like 10.0.0.0/8 or fd00::/8"
        raise Refused("an invalid network", needed) from None


def data_folder(text: str) -> str:
    """A folder for a service's data: one word in a unit file, and outside of what is hidden from
    services or the system's or another service's."""
    plain = _PATH.fullmatch(text) and normpath(text) == text
    if not plain or _OF_SYSTEM.fullmatch(text):
        needed = (
            "write the full path of one for data, such as /srv/tablespaces, of letters, digits, "
            "points, hyphens and underscores, and outside of /home and the system's own folders"
        )
        raise Refused("an invalid folder", needed)
    return text


def username(text: str) -> str:
    """A username that Mattermost accepts."""
    if not re.fullmatch(r"[a-z][a-z0-9._-]{2,21}", text):
        needed = "3 to 22 of a-z, 0-9, and . _ -, the first a letter"
        raise Refused("an invalid username", needed)
    if text in RESERVED_USERNAMES:
        raise Refused("a username that Mattermost reserves", "choose another")
    return text


def version(text: str) -> str:
    """A version of Mattermost, ``11.7.9``."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){2}", text):
        raise Refused("an invalid version", "write three numbers, like 11.7.9")
    return text


def sha256(text: str) -> str:
    """A SHA-256 digest as sha256sum prints it."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Refused("an invalid SHA-256", "write 64 hexadecimal digits in lower case")
    return text


def one_line(text: str) -> str:
    """A single line of text that is safe in every file that we write."""
    if any(map(is_unprintable, text)):
        raise Refused("a text with control characters", "write it in one line, without them")
    if len(text.encode()) > LONGEST_LINE:
        raise Refused(f"a text of {len(text)} characters", f"it has at most {LONGEST_LINE} bytes")
    return text


def is_unprintable(character: str) -> bool:
    """Whether systemd refuses the character in a variable, or UTF-8 can't encode it."""
    code = ord(character)
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
    )


def is_public(name: str) -> bool:
    """Whether an ACME server can validate it: a full DNS name, not an IP address."""
    return _address(name) is None and "." in name


def _suggested(rest: str) -> str:
    """What to write, with the operator's own host name if that is valid."""
    authority = re.split(r"[/?#\\]", rest.rpartition("@")[2], maxsplit=1)[0].rstrip(".")
    try:
        return f'write "https://{_authority(authority, "")}"'
    except Refused:
        return f'write "{EXAMPLE}"'


def _authority(text: str, wanted: str) -> str:
    """Name and port; without the port if it is 443."""
    found = re.fullmatch(r"(\[[^][]*:[^][]*\]|[^][:]*)(?::([0-9]{1,5}))?", text)
    if not found:
        found_there = "an invalid port, or an IPv6 address without brackets"
        raise Refused(found_there, wanted)
    port = int(found[2] or HTTPS_PORT)
    if not 1 <= port <= 65535:
        raise Refused("a port that is not between 1 and 65535", wanted)
    try:
        name = in_url(host_name(found[1].strip("[]")))
    except Refused as error:
        raise Refused(f"a URL with {error.found}", f"{wanted}; {error.needed}") from None
    return name if port == HTTPS_PORT else f"{name}:{port}"


def _address(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise Refused("an IPv6 address with a zone", "leave out % and what follows it")
    if address.is_unspecified or address.is_multicast:
        raise Refused(
            "an address that is not a single machine's", "write the address that users reach"
        )
    return str(address)


def _punycode(text: str) -> str:
    if text.isascii() and "xn--" not in text.lower():
        return text.lower()
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode()
    except UnicodeError:
        needed = "it can't be encoded for DNS (punycode)"
        raise Refused("an invalid host name", needed) from None
