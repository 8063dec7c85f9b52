"""Commands that take each host for a whole server are refused where a database is on several."""

from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError


def refuse(site: Site) -> None:
    """Raise OperatorError if the site's database is on several hosts."""
    if site.clustered:
        raise OperatorError(
            "This command works on hosts that have app, db and proxy, and the database of this "
            "site is on several hosts (etcd in the inventory). deploys/site.py, plan, apply, "
            "verify and drift work there; docs/high-availability.md says how to do the rest."
        )
