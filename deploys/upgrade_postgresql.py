"""The database moved to the PostgreSQL that inventory and system lead to, or back by itself.

pyinfra inventories/single.py deploys/upgrade_postgresql.py
Afterwards deploy the site once: what goes with the newer one follows.
"""

from pyinfra import host

from mattermost_host.cli.sentences import sentences
from mattermost_host.facts.database import last_move
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import pgdg, postgresql_move
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
    target = moves.of(site, facts, host.name)
    if target is None:
        return
    adviser.advise(target, facts)
    if target.pgdg:
        pgdg.known(facts.family, facts.platform, facts.architecture, target.question.new)
    postgresql_move.beside(
        name=f"PostgreSQL {target.question.new} is installed beside", after=target.question.after
    )
    postgresql_move.moved(
        name=f"the database is PostgreSQL {target.question.new}",
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
