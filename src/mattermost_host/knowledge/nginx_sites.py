"""Which sites an NGINX serves, out of what ``nginx -T`` prints."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FILE = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
WORDS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{};]|#[^\n]*|(?:\\.|[^\s{};\"'])+")


@dataclass(frozen=True)
class Served:
    """A ``server`` block."""

    file: str
    names: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    passes: tuple[str, ...] = ()
    """Where it passes requests on: ``http://backend``."""


def sites(text: str) -> tuple[Served, ...]:
    """The ``server`` blocks of NGINX's whole configuration, in its order."""
    parts = FILE.split(text)[1:]
    return tuple(
        served
        for file, content in zip(parts[::2], parts[1::2], strict=True)
        for served in _blocks(file, content)
    )


def _blocks(file: str, content: str) -> Iterator[Served]:
    """A block that begins in a file ends there; ``stream`` has servers that serve no pages."""
    path: list[str] = []
    statement: list[str] = []
    found: dict[str, list[list[str]]] = {}
    for word in WORDS.findall(content):
        if word.startswith("#"):
            continue
        if word == "{":
            path.append(statement[0] if statement else "")
            if path[-1] == "server":
                found = {}
        elif word == "}" and path:
            if path.pop() == "server" and "stream" not in path and "upstream" not in path:
                yield _served(file, found)
        elif word == ";" and statement:
            found.setdefault(statement[0], []).append(statement[1:])
        else:
            statement.append(word.strip("\"'"))
            continue
        statement = []


def _served(file: str, found: dict[str, list[list[str]]]) -> Served:
    def first(name: str) -> str:
        return next((words[0] for words in found.get(name, ()) if words), "")

    names = [name for words in found.get("server_name", ()) for name in words]
    ports = [words[0].rpartition(":")[2] for words in found.get("listen", ()) if words]
    passes = [words[0] for words in found.get("proxy_pass", ()) if words]
    return Served(
        file,
        names=tuple(dict.fromkeys(names)),
        ports=tuple(dict.fromkeys(ports)),
        certificate=first("ssl_certificate"),
        key=first("ssl_certificate_key"),
        passes=tuple(dict.fromkeys(passes)),
    )


def of_site(served: Sequence[Served], name: str) -> tuple[Served, ...]:
    """Those that serve ``name``, or else pass everything on to the server's port on this host."""
    named = tuple(one for one in served if name in one.names)
    return named or tuple(
        one for one in served if one.passes and any("8065" in to for to in one.passes)
    )
