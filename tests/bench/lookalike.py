"""A run that changes nothing on the look-alike of Enterprise Linux, against one on Debian."""

from functools import partial

from tests.bench import sites
from tests.bench.measure import in_turns, say
from tests.bench.place import Place, counted
from tests.bench.report import Bar, Figure, Outcome
from tests.bench.sites import BenchSite
from tests.lab import commands, release

DEBIAN, EL = "Debian 12", "the look-alike of Enterprise Linux 9"
WORK = f"no-change run on {EL}"


def measure(place: Place) -> Outcome:
    """Deploy to both, then run them in turns."""
    debian, of_debian = place.deployed, place.inventory
    say("deploying the look-alike")
    look_alike = place.lab.up("el", suite="el9")
    commands.count(look_alike)
    site = BenchSite(place.lab, place.folder / "site-el", release.standin())
    # Its PostgreSQL is Debian's 15, whatever its packages say.
    site.description["postgres"] = {"version": 15}
    of_el = site.inventory([look_alike])
    sites.deploy(of_el)
    counts: dict[str, list[int]] = {DEBIAN: [], EL: []}
    works = {
        DEBIAN: counted(debian, partial(sites.unchanged, of_debian), counts[DEBIAN]),
        EL: counted(look_alike, partial(sites.unchanged, of_el), counts[EL]),
    }
    try:
        taken = in_turns({name: (place.times, work) for name, work in works.items()})
    finally:
        place.lab.down(look_alike)
    sent = {name: max(numbers) for name, numbers in counts.items()}
    return Outcome(
        title=f"A run that changes nothing on {EL}",
        figures=[
            Figure(WORK, f"commands on {DEBIAN}", 1, sent[EL] / sent[DEBIAN], at_least=False),
            Figure(
                WORK, f"seconds on {DEBIAN}", 2, taken[EL].seconds / taken[DEBIAN].seconds, False
            ),
        ],
        bars=[Bar(name, one.seconds, True) for name, one in taken.items()],
        notes=[
            f"Best of {place.times} runs in turns. Commands that sshd wrote down in one run: "
            + ", ".join(f"{number} on {name}" for name, number in sent.items())
            + ".",
        ],
    )
