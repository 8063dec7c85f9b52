"""The release that the trial and the tests deploy."""

import os
import platform
import sys
from pathlib import Path

import requests

from mattermost_host.knowledge import releases
from mattermost_host.knowledge.releases import Architecture
from tests.lab import places
from tests.lab.shell import run

VARIABLE = "MATTERMOST_RELEASE"
_ARCHITECTURES: dict[str, Architecture] = {"x86_64": "amd64", "aarch64": "arm64"}
_BUILD = Path(__file__).parents[1] / "standin" / "build.py"


def named() -> str | None:
    """Path or address of the tarball that the user named; None where there is none."""
    return os.environ.get(VARIABLE) or None


def standin() -> Path:
    """The stand-in server's tarball, built now; the same source gives the same bytes."""
    folder = places.cache() / "releases"
    return Path(run([sys.executable, str(_BUILD), str(folder)]).stdout.strip())


def official() -> str:
    """Address of the release that a site gets unless it names another."""
    version = releases.default()
    return releases.official_url(version, "enterprise", _ARCHITECTURES[platform.machine()])


def unreachable(url: str) -> str | None:
    """Why `url` can't be fetched, in a few words; None where it can."""
    try:
        answer = requests.head(url, timeout=5, allow_redirects=True)
    except requests.Timeout:
        return f"{url} did not answer within 5 s"
    except requests.RequestException:
        return f"no connection to {url}"
    return None if answer.ok else f"{url} answers {answer.status_code}"
