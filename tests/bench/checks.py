"""The preflight and the verification by themselves: round trips and seconds for one host."""

from tests.bench import sites
from tests.bench.measure import in_turns, say
from tests.bench.place import Place, counted
from tests.bench.report import Bar, Figure, Outcome

COMMANDS = ("preflight", "verify")


def measure(place: Place) -> Outcome:
    """Run both on the deployed host, and count what they send there."""
    host, inventory = place.deployed, str(place.inventory)
    counts: dict[str, list[int]] = {name: [] for name in COMMANDS}
    say("preflight and verify, in turns")
    taken = in_turns(
        {
            "preflight": (
                place.times,
                counted(
                    host,
                    lambda: sites.mattermost_host("preflight", inventory),
                    counts["preflight"],
                ),
            ),
            "verify": (
                place.times,
                counted(host, lambda: sites.mattermost_host("verify", inventory), counts["verify"]),
            ),
        }
    )
    figures = []
    for name in COMMANDS:
        trips, seconds = max(counts[name]), taken[name].seconds
        figures += [
            Figure(f"`{name}`", "round trips a host", 1, trips, at_least=False, unit=""),
            Figure(f"`{name}`", "seconds a host", 5, seconds, at_least=False, unit=" s"),
        ]
    return Outcome(
        title="Preflight and verification",
        figures=figures,
        bars=[Bar(f"`mattermost-host {name}`", taken[name].seconds, True) for name in COMMANDS],
        notes=[
            f"Best of {place.times} runs in turns, without the journey. Round trips are the "
            "commands that sshd of the host wrote down; the verification also asks ports, TLS "
            "and pages from outside, as a user would."
        ],
    )
