"""The plan tells the truth of every file.

The catalogue is not written here: it is what the components themselves put in place.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.ops import files
from mattermost_host.ops.entries import Entry, File
from mattermost_host.plan import plan as planning
from mattermost_host.site.site import Site
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.truth import MATTERMOST, NGINX, POSTGRES, heals, tampering

MAY_RESTART = {
    "/etc/mattermost-host/mattermost": {MATTERMOST},
    "/etc/mattermost-host/tls": set(),
    "/etc/nginx": set(),
    "/etc/postgresql": {POSTGRES},
    "/etc/systemd/system/mattermost.service": {MATTERMOST},
    "/etc/systemd/system/nginx.service.d": {NGINX},
    "/etc/systemd/system/postgresql": {POSTGRES, MATTERMOST},
}
"""Whose restart a file is a reason for, by the beginning of its path; no other file is one."""


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    made = Deployment(lab, lab.up("truth-files"), tmp_path_factory.mktemp("truth-files"), release)
    made.deploy()
    yield made


def _managed(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> list[File]:
    """Every file that a deploy of the site puts in place, from its own preparation."""
    entries: list[Entry] = []
    present = files.present

    def noting(name: str, **arguments: Any) -> Any:
        entries.extend(arguments["entries"])
        return present(name=name, **arguments)

    monkeypatch.setattr(files, "present", noting)
    planning.make(Site.use(deployment.inventory))
    return [entry for entry in entries if isinstance(entry, File)]


TAMPER = {
    "content": "echo '# by hand' >> {path}",
    "mode": "chmod 0646 {path}",
    "owner": "chown games:games {path}",
    "deletion": "rm {path}",
}


@pytest.mark.parametrize("kind", TAMPER)
@pytest.mark.parametrize(
    "place",
    ["/etc/sysctl.d", "/etc/postgresql", "/etc/mattermost-host", "/etc/systemd", "/etc/nginx"],
)
def test_each_managed_file(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, place: str, kind: str
) -> None:
    every = _managed(deployment, monkeypatch)
    assert len(every) * len(TAMPER) >= 40, "the catalogue is smaller than it was promised"
    mine = [file.path for file in every if file.path.startswith(place)]
    assert mine, f"nothing of ours below {place}"
    shell = "; ".join(TAMPER[kind].format(path=shlex.quote(path)) for path in mine)
    allowed = {
        unit
        for path in mine
        for beginning, units in MAY_RESTART.items()
        if path.startswith(beginning)
        for unit in units
    }
    # Another mode or owner changes nothing of what a process has read.
    read = kind in {"content", "deletion"}
    heals(deployment, tampering(shell, mine, *(allowed if read else ())))
