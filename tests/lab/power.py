"""The power that goes at a certain place of a program: before one of the commands that it gives."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.deployment import QUIET, Deployment
from tests.lab.shell import wait_until

HERE = "/run/cut-here"
"""Only as long as this is there, the program stops at its place; it goes with the power."""
WAITS = f"touch {HERE}/reached; while :; do sleep 60; done"
STOPS = """#!/bin/sh
if [ -e {here} ]; then case "$*" in {at}) {does} ;; esac; fi
exec /usr/bin/{command} "$@"
"""


@dataclass(frozen=True)
class Cut:
    """Where a program loses its power: at STEP, before COMMAND does what it is given."""

    step: str
    command: str
    at: str
    """Pattern of the shell for the arguments."""
    first: str = ""
    """What is done there before the power goes."""

    def __str__(self) -> str:
        return f"{self.step}, {self.command} {self.at}"


def cut_off(site: Deployment, typed: Sequence[str], cut: Cut) -> str:
    """Type a command of ours, and take the host's power away there; what the command said."""
    host, shim = site.host, f"/usr/local/sbin/{cut.command}"
    does = f"{cut.first}; {WAITS}" if cut.first else WAITS
    text = STOPS.format(here=HERE, at=cut.at, does=does, command=cut.command)
    host.run(f"mkdir -p -m 777 {HERE}; cat >{shim}; chmod 755 {shim}", stdin=text)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        site.command(*typed), cwd=site.folder, env=QUIET, stdout=pipe, stderr=pipe, text=True
    ) as run:
        reached = f"test -e {HERE}/reached"
        wait_until(lambda: host.run(reached, check=False).returncode == 0, 300, str(cut))
        site.lab.crash(host)
        said = " ".join(" ".join(run.communicate(timeout=300)).split())
    site.lab.start(host)
    host.run(f"rm {shim}")
    print(said)
    assert run.returncode == 1
    assert "Traceback" not in said
    assert "broke off" in said
    assert "run the same command again, and it says where things stand" in said
    return said
