"""Whether a server on a host is somebody else's, and how far a take-over of it came."""

from dataclasses import dataclass

from mattermost_host.facts.host import HostFacts

UNFINISHED = ("stops", "moves", "starts", "going-back", "stuck")
"""Steps of a take-over's journal after which one that was cut off leaves something to be done."""
DONE = "done"


@dataclass(frozen=True)
class OfOthers:
    """What there is of a server that no deploy set up."""

    paths: tuple[str, ...] = ()
    """Where it shows."""
    step: str = ""
    """Of the journal; empty where nothing was ever taken over."""

    @property
    def unfinished(self) -> bool:
        """Whether a take-over was cut off, or could not go back."""
        return self.step in UNFINISHED

    @property
    def over(self) -> str:
        """What to say where a take-over has ended well; empty otherwise."""
        return "the server was taken over already" if self.step == DONE and not self.paths else ""


def of_others(facts: HostFacts) -> OfOthers:
    """What the host's facts say of it."""
    paths = tuple(value for name, value in facts.foreign if name == "path")
    return OfOthers(paths, dict(facts.foreign).get("step", ""))
