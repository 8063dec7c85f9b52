"""What the stand-in's tarball holds besides its program: pages, scripts, and the other folders."""

import hashlib
import json
import random
from collections.abc import Iterator

_WORDS = ("channel", "draft", "emoji", "post", "react", "render", "reply", "socket", "team", "user")
_LANGUAGES = ("de", "en", "es", "fr", "ja", "pt-BR", "zh-CN")
_TEMPLATES = ("welcome_body", "reset_body", "invite_body", "verify_body", "notification")
_SCRIPT = '#!/usr/bin/python3 -IB\n"""{what} of the stand-in server, which is no Mattermost."""\n'
_START = """import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
try:
    from mattermost_standin.{room} import main
except ModuleNotFoundError as error:
    sys.exit(
        f"Error: this stand-in server needs the whole Python 3 (package python3, not only "
        f"python3-minimal): there is no module {{error.name}}"
    )
sys.exit(main(sys.argv[1:]))
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Mattermost stand-in {version}</title>
{links}
</head>
<body>
<div id="root">
<h1>This is a stand-in</h1>
<p>This host serves the stand-in server {version}-standin of a test. It is no Mattermost.</p>
</div>
</body>
</html>
"""
_NOTICE = """This is the stand-in server of the tests of mattermost-host. It holds no Mattermost.
The libraries in lib/ carry their own licences in their .dist-info folders.
"""


def programs() -> Iterator[tuple[str, bytes]]:
    """The two commands in bin/."""
    yield "bin/mattermost", (_SCRIPT.format(what="Server") + _START.format(room="main")).encode()
    yield "bin/mmctl", (_SCRIPT.format(what="Client") + _START.format(room="mmctl")).encode()


def files(version: str) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every other file of our own, always the same for one version."""
    static = list(_static())
    yield from static
    yield "client/root.html", _page(version, [name for name, _ in static])
    for language in _LANGUAGES:
        yield f"i18n/{language}.json", _json([{"id": "model.ok", "translation": "OK"}])
    for template in _TEMPLATES:
        yield f"templates/{template}.html", f"<p>{template}</p>\n".encode()
    yield "fonts/README.md", b"The stand-in draws no avatars with letters, so it needs no fonts.\n"
    yield "prepackaged_plugins/README.md", b"The stand-in runs no plugins.\n"
    yield "config/README.md", b"config.json is rewritten at each start.\n"
    yield "manifest.txt", f"{version}-standin\n".encode()
    yield "NOTICE.txt", _NOTICE.encode()
    yield "README.md", f"# Stand-in {version}\n\n{_NOTICE}".encode()


def _page(version: str, names: list[str]) -> bytes:
    main = sorted(name for name in names if name.startswith("client/main."))
    links = [
        f'<script defer src="/{name.replace("client", "static", 1)}"></script>' for name in main
    ]
    return _PAGE.format(version=version, links="\n".join(links)).encode()


def _static() -> Iterator[tuple[str, bytes]]:
    """Scripts and styles of the sizes that a browser loads, named after their content."""
    dice = random.Random("static")
    sizes = [2_000_000, 50_000, *(dice.randrange(2_000, 90_000) for _ in range(29))]
    for number, size in enumerate(sizes):
        stem = "main" if number == 0 else str(100 + number * 37)
        yield _named(f"client/{stem}", "js", _script(dice, size))
    for number in range(6):
        size = dice.randrange(1_000, 40_000)
        yield _named(f"client/{200 + number * 41}", "css", _style(dice, size))
    yield _named("client/files/icon", "svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>\n')
    yield "client/manifest.json", _json({"name": "Mattermost stand-in", "display": "standalone"})


def _named(stem: str, ending: str, data: bytes) -> tuple[str, bytes]:
    digest = hashlib.sha256(data).hexdigest()[:20]
    return f"{stem}.{digest}.{ending}", data


def _script(dice: random.Random, size: int) -> bytes:
    lines = []
    length = 0
    while length < size:
        name = "_".join(dice.choices(_WORDS, k=3))
        lines.append(f"function {name}_{dice.randrange(10**6)}(a,b){{return a?{length}:b}}")
        length += len(lines[-1]) + 1
    return ("\n".join(lines) + "\n").encode()[:size]


def _style(dice: random.Random, size: int) -> bytes:
    rule = "".join(f".{word}{{color:#{dice.randrange(0x1000000):06x}}}\n" for word in _WORDS)
    return (rule * (size // len(rule) + 1)).encode()[:size]


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
