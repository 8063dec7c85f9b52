"""Which PostgreSQL cluster on a host is the site's, and how far a move to another one came."""

from dataclasses import dataclass

from mattermost_host.facts.host import HostFacts

PREPARES, STOPS, MOVES, SWITCHES, STARTS = "prepares", "stops", "moves", "switches", "starts"
GOING_BACK, BACK, STUCK, DONE = "going-back", "back", "stuck", "done"
"""Steps of the journal; the program of a move writes each before it begins."""
UNFINISHED = (STOPS, MOVES, SWITCHES, STARTS, GOING_BACK, STUCK)
"""Those at which a move that was cut off, or could not end, leaves something to be done."""
SWITCHED = (SWITCHES, STARTS, DONE)
"""Those at which the newer cluster has the data."""


@dataclass(frozen=True)
class Move:
    """The last move of the database from one major version to another."""

    step: str
    old: int
    new: int
    since: str = ""
    """When users came to the newer one, in milliseconds."""

    @property
    def unfinished(self) -> bool:
        """Whether it was cut off, or could not go back."""
        return self.step in UNFINISHED

    @property
    def switched(self) -> bool:
        """Whether the newer one has the data."""
        return self.step in SWITCHED


def last_move(facts: HostFacts) -> Move | None:
    """What its journal says; None where there was none."""
    said = dict(facts.database_move)
    try:
        return Move(said["step"], int(said["old"]), int(said["new"]), said.get("since", ""))
    except (KeyError, ValueError):
        return None


def own_major(facts: HostFacts) -> int | None:
    """The major version of the cluster that a deploy set up for the site; None where none is told.

    Only of packages whose clusters of several versions stand side by side. Its unit or its
    settings have our drop-in, which a move takes from the old one.
    """
    there = [(version, name) for version, name, _ in facts.clusters if version.isdecimal()]
    layouts = {int(version): facts.family.cluster_of_pgdg(int(version)) for version, _ in there}
    ours = [
        major
        for major, layout in layouts.items()
        if layout.name in there and layout.unit in facts.database_units
    ]
    move = last_move(facts)
    if len(ours) > 1 and move:
        return move.new if move.switched else move.old
    return max(ours, default=None)
