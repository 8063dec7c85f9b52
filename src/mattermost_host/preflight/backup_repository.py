"""A place of backups elsewhere, before anything is changed: that it opens, and whose it is."""

from collections.abc import Callable, Mapping
from hashlib import sha256

from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.engine.tunnel import NotAsked
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access, Bucket
from mattermost_host.ops import backup_target
from mattermost_host.ops.backup_target import Target
from mattermost_host.preflight import backup_owner
from mattermost_host.preflight.backup_held import OWNER, PLACE, Held, PlaceRefused
from mattermost_host.preflight.backup_owner import MEANING
from mattermost_host.preflight.finding import Finding, Inquiry

PLACE_CHECKS: Mapping[str, str] = {
    PLACE: "The bucket, or the other host, that backups go to answers and opens.",
    OWNER: MEANING,
}
"""All checks of a place elsewhere; if the first is skipped, nothing is asked."""
Look = Callable[[Host, HostFacts, Target, Access, str], Held]


def inquiry(
    target: Target, access: Access, key: SecretStr, secrets_file: str, *, clustered: bool
) -> Inquiry:
    """What a place elsewhere must be: asked through the host, which reaches it later.

    ``clustered`` where the database is on several hosts.
    """
    judged = backup_owner.judged_of_member if clustered else backup_owner.judged

    def ask(host: Host, facts: HostFacts) -> list[Finding]:
        try:
            held = _look(target)(host, facts, target, access, secrets_file)
        except NotAsked as error:
            return [Finding(PLACE, "note", f"{target.place} is not looked into before: {error}")]
        except PlaceRefused as error:
            wanted = sha256(backup_target.environment(target, access).encode()).hexdigest()
            backs_up_there = error.away and facts.backups.settings == wanted
            return [_refused(error, backs_up_there=backs_up_there)]
        owner = judged(held, facts.backups, key, secrets_file)
        return [Finding(PLACE, "ok", f"{target.place} opens"), owner]

    return Inquiry(PLACE_CHECKS, ask)


def _refused(error: PlaceRefused, *, backs_up_there: bool) -> Finding:
    if backs_up_there:
        # A plan goes on and tells the rest; what waits there is told by "the database is archived".
        remedy = f"{error.remedy} Until it answers, a deploy stops before the server's own part."
        return Finding(PLACE, "warning", error.found, error.needed, remedy)
    return Finding(PLACE, "error", error.found, error.needed, error.remedy)


def _look(target: Target) -> Look:
    # Only a site that backs up there needs what speaks with it.
    if isinstance(target.place, Bucket):
        from mattermost_host.preflight import backup_bucket  # noqa: PLC0415

        return backup_bucket.look
    from mattermost_host.preflight import backup_other_host  # noqa: PLC0415

    return backup_other_host.look
