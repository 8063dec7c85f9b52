"""Where a site's database is to be moved, from its inventory and what its host says."""

from mattermost_host.components import backup, firewall, postgres
from mattermost_host.facts.database import DONE, last_move, own_major
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops import backup_files
from mattermost_host.ops.database_state import Client
from mattermost_host.ops.postgresql_move import Backups, Target
from mattermost_host.ops.postgresql_move_state import AskMove
from mattermost_host.ops.postgresql_service import Writable
from mattermost_host.site.site import Site


def side_by_side(settings: postgres.Settings, facts: HostFacts) -> bool:
    """Whether the packages that the site takes leave room for another major version."""
    return settings.pgdg or facts.family.cluster is facts.family.cluster_of_pgdg


def of(site: Site, facts: HostFacts, host_name: str, *, back: bool = False) -> Target | None:
    """Where the site's database is to be moved; None where it is there, or nowhere yet.

    With ``back`` where it was moved last, which is to be taken back.
    """
    settings, last = site.settings.postgres, last_move(facts)
    old, new = own_major(facts), postgres.newest(settings, facts)
    if last and (last.unfinished or (back and last.step == DONE)):
        old, new = last.old, last.new
    if old is None or old >= new:
        return None
    before, after = (postgres.layout_of(settings, facts, one) for one in (old, new))
    return Target(
        question=AskMove(postgres.NAME, _client(before), before, after),
        client=_client(after),
        settings=postgres.settings_files(
            after,
            site.postgres_parameters(host_name, facts),
            firewall.before_start(site.settings.firewall),
            Writable(tuple(settings.folders), backup.archive(site.settings.backup)),
        ),
        backups=_backups(site),
        pgdg=settings.pgdg,
    )


def _client(layout: Cluster) -> Client:
    return Client(postgres.PORT, f"{layout.programs}/psql")


def _backups(site: Site) -> Backups | None:
    """What follows the database when it is moved; None where nothing is backed up."""
    if site.settings.backup.to is None:
        return None
    return Backups(
        question=backup.QUESTION,
        timer=backup_files.TIMER,
        services=f"'{backup_files.ALL_SERVICES}'",
    )
