"""A run that changes nothing on 1, 10 and 30 hosts, and the control machine's memory."""

from collections.abc import Callable, Sequence
from functools import partial

from tests.bench import clones, sites
from tests.bench.measure import Ran, Taken, in_turns, say
from tests.bench.place import Place
from tests.bench.report import Bar, Figure, Outcome
from tests.lab.hosts import LabHost

GOALS = {10: 2.0, 30: 4.0}
"""Number of hosts -> how many times as long as one host it may take."""
MEMORY_MB = 200


def measure(place: Place) -> Outcome:
    """Boot copies of the deployed host and deploy to them."""
    model = place.deployed
    say("copying the deployed host")
    with clones.image_of(place.lab, model, place.scratch("root")) as root:
        hosts = clones.up(place.lab, [f"copy{number}" for number in range(max(GOALS))], root)
        try:
            taken = in_turns(_works(place, hosts))
        finally:
            for host in hosts:
                place.lab.down(host)
    return _outcome(place, taken)


def _works(place: Place, hosts: Sequence[LabHost]) -> dict[str, tuple[int, Callable[[], Ran]]]:
    """A run on the first hosts, on more, and on all; those have been deployed to before."""
    sites.deploy(place.site.inventory(hosts))
    return {
        _name(count): (
            place.times,
            partial(sites.unchanged, place.site.inventory(hosts[:count])),
        )
        for count in (1, *GOALS)
    }


def _name(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _outcome(place: Place, taken: dict[str, Taken]) -> Outcome:
    one = taken[_name(1)].seconds
    figures = [
        Figure(
            f"no-change run, {_name(count)}",
            "1 host",
            goal,
            taken[_name(count)].seconds / one,
            False,
        )
        for count, goal in GOALS.items()
    ]
    most = _name(max(GOALS))
    memory = taken[most].memory_mb
    figures.append(Figure(f"no-change run, {most}", "memory", MEMORY_MB, memory, False, " MB"))
    used = [f"{name} {one.cpu:.1f} s and {one.memory_mb:.0f} MB" for name, one in taken.items()]
    hosts_cpu = (taken[most].machine_cpu - taken[most].cpu) / max(GOALS)
    return Outcome(
        title="A run that changes nothing, many hosts",
        figures=figures,
        bars=[Bar(name, one.seconds, True) for name, one in taken.items()],
        notes=[
            f"Best of {place.times} runs in turns. Each host is whole, in all roles, a copy of "
            "one that was deployed. Hosts and control machine share the processors, so much of "
            "this time is the hosts' own work, which real hosts do side by side.",
            f"Processor time and memory of the control machine: {', '.join(used)}.",
            f"Where the time goes: with {most} the processors of this machine, control machine "
            f"and hosts together, were at work for {taken[most].machine_cpu:.1f} s, of which each "
            f"host took {hosts_cpu:.2f} for its ssh session and its answers. Hosts with "
            "processors of their own leave the control machine's part.",
        ],
    )
