"""A release that the command line names, in place of the one that the inventory states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mattermost_host.support.errors import OperatorError


@dataclass(frozen=True)
class To:
    """The release that a site is to be moved to."""

    version: str
    sha256: str | None = None
    """Digest of its tarball, where it is not in the table of releases."""

    def restated(self, description: Mapping[str, Any]) -> dict[str, Any]:
        """``description`` of a site with this release; how it is fetched stays as it is stated.

        Raises OperatorError where it states a file, which is one release.
        """
        server = description.get("mattermost")
        release = server.get("release") if isinstance(server, Mapping) else None
        if not isinstance(release, Mapping):
            release = {}
        if release.get("file"):
            raise OperatorError(
                "the inventory takes the release from a file, mattermost.release.file: state the "
                "file of the new release there, and leave --to out"
            )
        moved = {**release, "version": self.version}
        if release.get("version") != self.version:
            moved.pop("sha256", None)
        if self.sha256:
            moved["sha256"] = self.sha256
        others = server if isinstance(server, Mapping) else {}
        return {**description, "mattermost": {**others, "release": moved}}

    def options(self) -> tuple[str, ...]:
        """The same for the verification."""
        digest = (f"--to-sha256={self.sha256}",) if self.sha256 else ()
        return (f"--to={self.version}", *digest)


def what_to_write(stated: str | None, to: To) -> str:
    """What the inventory has to say after a move to ``to``; ``stated`` is its release now."""
    if stated is None:
        return (
            "The inventory states no release, so the host keeps this one: nothing is to be written."
        )
    if stated == to.version:
        return "The inventory states this release already."
    digest = f', "sha256": "{to.sha256}"' if to.sha256 else ""
    return (
        f"The inventory still states {stated}, which would be a downgrade. Write there: "
        f'"mattermost": {{"release": {{"version": "{to.version}"{digest}}}}}'
    )
