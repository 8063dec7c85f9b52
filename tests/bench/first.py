"""The first run, from a bare host to a verified one, against a plain shell script."""

import json
from collections.abc import Callable
from dataclasses import replace

from mattermost_host.components.mattermost import LOCAL_SOCKET
from mattermost_host.site.site import Site
from tests.bench import shell, sites
from tests.bench.measure import Ran, in_turns, run, say
from tests.bench.place import Place
from tests.bench.report import Bar, Figure, Outcome
from tests.lab import release
from tests.lab.hosts import LabHost

SCRIPT = "a plain shell script"
DEPLOY = "`deploys/site.py`"
VERIFIED = "`deploys/site.py`, then `mattermost-host verify`"


def measure(place: Place) -> Outcome:
    """Both on fresh hosts, one after the other, each host alone on the machine."""
    script = _script(place)
    deploys: list[float] = []
    say("first runs on fresh hosts, in turns")
    taken = in_turns(
        {
            SCRIPT: (place.slow_times, lambda: _on_fresh_host(place, _installing(place, script))),
            VERIFIED: (place.slow_times, lambda: _on_fresh_host(place, _ours(place, deploys))),
        }
    )
    plain, ours = taken[SCRIPT].seconds, taken[VERIFIED].seconds
    return Outcome(
        title="The first run",
        figures=[
            Figure("first run, bare host to verified", SCRIPT, 1.25, ours / plain, at_least=False)
        ],
        bars=[Bar(VERIFIED, ours, True), Bar(DEPLOY, min(deploys), True), Bar(SCRIPT, plain)],
        notes=[
            f"Best of {place.slow_times} runs in turns, each on a host that has just booted. The "
            "packages' files are in the hosts' caches, their lists come over the network. The "
            "script is made of the same items in the same order; it installs all packages at "
            "once, looks at nothing, and ends when the ping answers through TLS."
        ],
    )


def _script(place: Place) -> str:
    items = place.items
    site = Site.current()
    user = {
        "username": site.settings.mattermost.administrator.username,
        "email": site.administrator_email,
        "password": site.secrets.admin_password.get_secret_value(),
    }
    return shell.script(items, LOCAL_SOCKET, json.dumps(user), site.settings.url)


def _on_fresh_host(place: Place, work: Callable[[LabHost], Ran]) -> Ran:
    host = place.lab.up("fresh")
    place.lab.resolve(sites.NAME, host)
    try:
        return work(host)
    finally:
        place.lab.down(host)
        place.lab.resolve(sites.NAME, place.deployed)


def _installing(place: Place, script: str) -> Callable[[LabHost], Ran]:
    def install(host: LabHost) -> Ran:
        copied = run(place.scp(host, release.standin(), shell.TARBALL))
        done = run([*host.ssh(), "--", "sh -s"], stdin=script)
        return replace(done, seconds=copied.seconds + done.seconds)

    return install


def _ours(place: Place, deploys: list[float]) -> Callable[[LabHost], Ran]:
    def deploy(host: LabHost) -> Ran:
        inventory = place.site.inventory([host])
        deployed = sites.deploy(inventory)
        verified = sites.mattermost_host("verify", str(inventory))
        deploys.append(deployed.seconds)
        return replace(verified, seconds=deployed.seconds + verified.seconds)

    return deploy
