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

RELOADS = {
    "/etc/mattermost-host/tls": NGINX,
    "/etc/nginx": NGINX,
    "/etc/postgresql": POSTGRES,
}
"""Who is reloaded for a file, by the beginning of its path."""


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
    reloads = {unit for path in mine for at, unit in RELOADS.items() if path.startswith(at)}
    # No process has read what was done, so none is restarted for its repair.
    heals(deployment, tampering(shell, mine, reloads=reloads))


def test_what_a_process_has_read_is_a_reason_to_restart_it(deployment: Deployment) -> None:
    """The counterpart: the same edits, and then a restart of each."""
    paths = ["/etc/mattermost-host/mattermost.env", f"/etc/systemd/system/{NGINX}.d/*.conf"]
    edited = "; ".join(f"for each in {path}; do echo '# by hand' >>$each; done" for path in paths)
    shell = f"{edited}; systemctl daemon-reload; systemctl restart {MATTERMOST} {NGINX}"
    before = deployment.started(POSTGRES, MATTERMOST, NGINX)
    heals(deployment, tampering(shell, {paths[0], NGINX}, MATTERMOST, NGINX))
    after = deployment.started(POSTGRES, MATTERMOST, NGINX)
    assert before[POSTGRES] == after[POSTGRES]


def test_a_drop_in_that_no_process_has_read_goes_without_a_restart(deployment: Deployment) -> None:
    folder = f"/etc/systemd/system/{NGINX}.d"
    write = f"printf '[Service]\\nNice=1\\n' >{folder}/by-hand.conf"
    for shell in (write, f"{write}; systemctl daemon-reload"):
        heals(deployment, tampering(shell, {f"{NGINX}.d holds by-hand.conf"}))
