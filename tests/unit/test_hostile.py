"""Hostile values for every text of a site: refused, or written so that the real parsers read it.

The templates' variables, and what guarantees their form: names, URLs, networks and mail addresses
are judged by knowledge/names.py; numbers and words by their types; paths on the host are constants;
values of variables are quoted by process_environment; the schedule's words by drift/schedule.py.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components.mattermost import ENVIRONMENT_FILE
from mattermost_host.knowledge import process_environment
from mattermost_host.site.settings import describe
from tests.unit.parsers import needs

HOSTILE = (
    "x;return 200 pwned", "$host", "${IFS}", 'a"b', "a'b", "a b", "a\nb", "a\rb", "a\0b", "{", "}",
    "a\\", "`id`", "$(id)", "%h", "#x", "a\tb", "-oProxyCommand=id", "\u2028", "\ud800", "a,b",
)  # fmt: skip
REFUSED: dict[str, Any] = {
    "url": lambda text: {"url": f"https://{text}"},
    "url with a name before": lambda text: {"url": f"https://chat.example.com{text}"},
    "trusted_proxies": lambda text: {"nginx": {"trusted_proxies": [text]}},
    "ssh_from": lambda text: {"firewall": {"ssh_from": [text]}},
    "acme directory": lambda text: {"tls": {"directory": f"https://acme.example/{text}"}},
    "acme host": lambda text: {"tls": {"directory": f"https://{text}/directory"}},
    "acme email": lambda text: {"tls": {"email": f"ops@{text}"}},
    "administrator": lambda text: {"mattermost": {"administrator": {"username": text}}},
    "administrator's mail": lambda text: {"mattermost": {"administrator": {"email": text}}},
    "version": lambda text: {"mattermost": {"release": {"version": text}}},
    "sha256": lambda text: {"mattermost": {"release": {"sha256": text}}},
    "recipients": lambda text: {"drift": {"mail": {"recipients": [text]}}},
    "mail server": lambda text: {"drift": {"mail": {"server": text}}},
}
"""What goes into a configuration or a command as it is."""
HARMLESS_IN = {("acme directory", "-oProxyCommand=id")}
"""A path that begins with letters in front of it."""


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("key", REFUSED)
def test_it_is_refused(key: str, text: str) -> None:
    _, mistakes = describe({"url": "https://chat.example.com", "users": 50} | REFUSED[key](text))
    assert mistakes or (key, text) in HARMLESS_IN


def _as_systemd_reads(lines: str, folder: Path) -> str:
    """The value of A that systemd would hand to a process; empty where it refuses the line."""
    file = folder / "environment"
    file.write_text(lines, encoding="utf-8", errors="surrogateescape")
    # The shell reads what stands in double quotes, escaped so, as systemd does.
    command = [needs("sh"), "-c", '. "$1"; printf %s "$A"', "sh", str(file)]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_variable_arrives_as_it_was_written_or_is_refused(text: str, tmp_path: Path) -> None:
    assert ENVIRONMENT_FILE.startswith("/etc/")
    if list(process_environment.mistakes({"A": text})):
        return
    line = f"A={process_environment.quoted(text)}\n"
    assert _as_systemd_reads(line, tmp_path) == text
