"""Special files in the server's own folders: links, pipes, devices."""

from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.entries import KINDS
from mattermost_host.preflight.finding import Finding, Requirement

SHOWN = 5


def only_files() -> Requirement:
    """No link, pipe or device in the server's own folders."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "files and folders only, where the server keeps uploads, plugins and logs"
        if not facts.odd_files:
            yield Finding("odd-files", "ok", "files and folders only", needed)
            return
        parts = (line.partition(" ") for line in facts.odd_files[:SHOWN])
        found = [f"{path} is a {KINDS.get(kind, 'special file')}" for kind, _, path in parts]
        more = len(facts.odd_files) - len(found)
        yield Finding(
            "odd-files",
            "warning",
            "; ".join(found) + (f"; and {more} more" if more else ""),
            needed,
            "The server makes none: it follows a link to wherever that leads, and waits for ever "
            "for a pipe. Move it away; another disk is to be mounted, not linked to. It is left as "
            "it is.",
        )

    return Requirement("odd-files", check, "No link, pipe or device among the files of the server.")
