"""A run that changes nothing on 1, 10 and 30 hosts, and the control machine's memory."""

from collections.abc import Callable

from tests.bench import clones, sites
from tests.bench.measure import Ran, in_turns, say
from tests.bench.place import Place
from tests.bench.report import Bar, Figure, Outcome

GOALS = {10: 2.0, 30: 4.0}
"""Number of hosts -> how many times as long as one host it may take."""
MEMORY_MB = 200


def measure(place: Place) -> Outcome:
    """Boot copies of the deployed host and deploy to them."""
    model = place.deployed
    say("copying the deployed host")
    with clones.room_for_many(), clones.image_of(place.lab, model, place.scratch("root")) as root:
        most = max(GOALS)
        names = [f"copy{number}" for number in range(most)]
        hosts = clones.up(place.lab, names, root)
        try:
            inventories = {count: place.site.inventory(hosts[:count]) for count in (1, *GOALS)}
            sites.deploy(inventories[most])
            works: dict[str, tuple[int, Callable[[], Ran]]] = {
                f"{count} hosts" if count > 1 else "1 host": (
                    place.times,
                    lambda inventory=inventory: sites.unchanged(inventory),  # type: ignore[misc]
                )
                for count, inventory in inventories.items()
            }
            taken = in_turns(works)
        finally:
            for host in hosts:
                place.lab.down(host)
    one = taken["1 host"].seconds
    work = "no-change run, {} hosts"
    figures = [
        Figure(work.format(count), "1 host", goal, taken[f"{count} hosts"].seconds / one, False)
        for count, goal in GOALS.items()
    ]
    memory = taken[f"{most} hosts"].memory_mb
    figures.append(Figure(work.format(most), "memory", MEMORY_MB, memory, False, " MB"))
    return Outcome(
        title="A run that changes nothing, many hosts",
        figures=figures,
        bars=[Bar(name, one.seconds, True) for name, one in taken.items()],
        notes=[
            f"Best of {place.times} runs in turns. Each host is whole, in all roles, a copy of "
            "one that was deployed. Hosts and control machine share the processors, so much of "
            "this time is the hosts' own work, which real hosts do side by side.",
            "Processor time and memory of the control machine: "
            + ", ".join(
                f"{name} {one.cpu:.1f} s and {one.memory_mb:.0f} MB" for name, one in taken.items()
            )
            + ".",
        ],
    )
