"""How this machine reaches its Debian mirror, for the roots of the test hosts."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Options that say how to reach a mirror; hooks and caches of this machine stay here.
_ACQUIRE = re.compile(r"^Acquire::(https?|ftp|Check-|Retries|Force|Languages|Allow)[^ ]* \"..*\";$")


class NoMirror(RuntimeError):
    """This machine's apt knows no Debian mirror."""


@dataclass(frozen=True)
class _Source:
    uri: str
    suites: tuple[str, ...]


def sources(suite: str, etc: Path = Path("/etc")) -> str:
    """sources.list lines of a Debian `suite`, from the mirrors that this machine's apt uses."""
    known = _one_line_sources(etc / "apt") + _deb822_sources(etc / "apt")
    codename = _codename(etc)
    archive = [s.uri for s in known if codename in s.suites]
    security = [s.uri for s in known if f"{codename}-security" in s.suites]
    if not archive:
        raise NoMirror(
            f"No Debian mirror for {codename} was found in /etc/apt/sources.list or "
            "/etc/apt/sources.list.d. The lab makes its hosts from this machine's mirror: "
            "run it on a Debian machine whose apt works."
        )
    signed = f"deb [signed-by={KEYRING}]"
    lines = [f"{signed} {archive[0]} {name} main" for name in (suite, f"{suite}-updates")]
    lines += [f"{signed} {uri} {suite}-security main" for uri in security[:1]]
    return "\n".join(lines) + "\n"


def options() -> str:
    """apt.conf lines: proxy, certificates and checks, as this machine needs them."""
    dump = run(["apt-config", "dump"]).stdout.splitlines()
    return "".join(f"{line}\n" for line in dump if _ACQUIRE.match(line))


def authentication() -> dict[str, str]:
    """Name and text of the files that hold this machine's logins to its mirrors."""
    found = [Path("/etc/apt/auth.conf"), *Path("/etc/apt/auth.conf.d").glob("*.conf")]
    return {f"lab-{path.name}": path.read_text() for path in found if path.is_file()}


def certificates() -> list[Path]:
    """Certificate authorities that were added to this machine by hand."""
    return sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))


def _codename(etc: Path) -> str:
    text = (etc / "os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.M)
    return found[1] if found else "an unknown release"


def _one_line_sources(apt: Path) -> list[_Source]:
    paths = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    text = "\n".join(path.read_text() for path in paths if path.is_file())
    lines = re.findall(r"^deb\s+(?:\[[^]]*]\s*)?(\S+)\s+(\S+)", text, re.M)
    return [_Source(uri, (suite,)) for uri, suite in lines]


def _deb822_sources(apt: Path) -> list[_Source]:
    found = []
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): value.split()
                for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n\s.+)*)", stanza, re.M)
            }
            enabled = fields.get("enabled", ["yes"])[0].lower() not in ("no", "false", "0")
            if enabled and "deb" in fields.get("types", []) and fields.get("uris"):
                found.append(_Source(fields["uris"][0], tuple(fields.get("suites", []))))
    return found
