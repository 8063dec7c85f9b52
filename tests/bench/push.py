"""Pushing a large release to one host and to three at once, against scp."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.bench import sites
from tests.bench.measure import QUIET, Failed, Ran, in_turns, run, say
from tests.bench.place import Place
from tests.bench.report import Bar, Figure, Outcome
from tests.lab.hosts import LabHost

SIZE_MB = 500
GOAL = 0.8
DEPLOY = Path("tests/bench/push_deploy.py")
DESTINATION = "/root/pushed"


def measure(place: Place) -> Outcome:
    """Ours and scp in turns, on bare hosts."""
    file = place.scratch("release.bin")
    say(f"a file of {SIZE_MB} MB")
    run(["dd", "if=/dev/urandom", f"of={file}", "bs=1M", f"count={SIZE_MB}", "status=none"])
    hosts = [place.lab.up(f"pushed{number}") for number in range(3)]
    works = {}
    for count in (1, 3):
        some = hosts[:count]
        works[_ours(count)] = (place.times, partial(_pushed, place, some, file))
        works[_scp(count)] = (place.times, partial(_copied, place, some, file))
    try:
        taken = in_turns(works)
    finally:
        file.unlink()
        for host in hosts:
            place.lab.down(host)
    seconds = {name: one.seconds for name, one in taken.items()}
    return Outcome(
        title=f"Pushing a release of {SIZE_MB} MB",
        figures=[
            Figure(
                f"pushing {SIZE_MB} MB to {_hosts(count)}",
                "speed of `scp`",
                GOAL,
                seconds[_scp(count)] / seconds[_ours(count)],
                at_least=True,
            )
            for count in (1, 3)
        ],
        bars=[Bar(name, value, name.startswith("ours")) for name, value in seconds.items()],
        notes=[
            f"Best of {place.times} runs in turns, random bytes. Of ours the upload alone is "
            "timed, its own ssh connection included and pyinfra's start not; three at once are "
            "timed from the first beginning to the last end."
        ],
    )


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts at once"


def _ours(count: int) -> str:
    return f"ours, {_hosts(count)}"


def _scp(count: int) -> str:
    return f"`scp`, {_hosts(count)}"


def _pushed(place: Place, hosts: Sequence[LabHost], file: Path) -> Ran:
    times = place.folder / "times"
    times.write_text("")
    told = {"FILE": str(file), "DESTINATION": DESTINATION, "TIMES": str(times)}
    environment = {**QUIET, **{f"BENCH_{name}": value for name, value in told.items()}}
    inventory = place.site.inventory(hosts)
    done = sites.pyinfra(str(inventory), str(DEPLOY), env=environment)
    rows = [tuple(map(float, line.split())) for line in times.read_text().splitlines()]
    if len(rows) != len(hosts):
        raise Failed(f"{len(rows)} of {len(hosts)} hosts got the file:\n{done.output}")
    _arrived(hosts, file)
    seconds = max(end for _, end in rows) - min(start for start, _ in rows)
    return replace(done, seconds=seconds)


def _copied(place: Place, hosts: Sequence[LabHost], file: Path) -> Ran:
    start = time.monotonic()
    copies = [subprocess.Popen(place.scp(host, file, DESTINATION)) for host in hosts]
    statuses = [copy.wait() for copy in copies]
    if any(statuses):
        raise Failed("scp failed; what it said is above")
    seconds = time.monotonic() - start
    _arrived(hosts, file)
    return Ran(seconds, cpu=0, memory_mb=0, output="")


def _arrived(hosts: Sequence[LabHost], file: Path) -> None:
    """All of it is there; and away with it, so that the next one writes a new file."""
    for host in hosts:
        size = int(host.run(f"stat -c %s {DESTINATION}; rm {DESTINATION}").stdout)
        if size != file.stat().st_size:
            raise Failed(f"{host.name} got {size} bytes of {file.stat().st_size}")
