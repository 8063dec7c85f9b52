"""The way back after a move of the database: the older PostgreSQL, where nobody wrote since.

pyinfra inventories/single.py deploys/rollback_postgresql.py
Afterwards deploy the site once: what goes with the older one follows.
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.facts.database import last_move
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import postgresql_move
from mattermost_host.preflight import run as preflight
from mattermost_host.preflight import upgrade_postgresql as adviser
from mattermost_host.preflight.backup_held import OWNER
from mattermost_host.preflight.postgresql import MOVE
from mattermost_host.site import complete_hosts, moves, ways
from mattermost_host.site.site import Site


def deploy(site: Site, facts: HostFacts, roles: tuple[str, ...]) -> None:
    """The steps on the host that has the database."""
    adviser.refuse(
        local_database=site.settings.postgres.local,
        side_by_side=moves.side_by_side(site.settings.postgres, facts),
        clusters=facts.clusters,
        roles=roles,
        hosts=len(site.hosts),
    )
    target = moves.of(site, facts, host.name, back=True)
    if target is None:
        return
    postgresql_move.taken_back(
        name=f"the database is PostgreSQL {target.question.old}",
        target=target,
        last=last_move(facts),
        ways=ways.of(site, facts),
    )


with sentences():
    site = Site.current()
    complete_hosts.refuse(site)
    facts = preflight.require(site, aside=[MOVE, OWNER])
    if host.name in facts:
        deploy(site, facts[host.name], site.roles(host.name))
