"""How server, database and proxy are reached on their host by what moves the server."""

from mattermost_host.components import mattermost, postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.upgrade import Ways
from mattermost_host.site.site import Site


def of(site: Site, facts: HostFacts) -> Ways:
    """The ways on a host that runs all three."""
    return Ways(
        postgres.for_upgrade(site.settings.postgres, facts),
        programs=postgres.cluster(site.settings.postgres, facts).programs,
        local_socket=mattermost.LOCAL_SOCKET,
        ping=mattermost.PING,
        server_name=site.name,
        environment=mattermost.ENVIRONMENT_FILE,
        hold=_hold(facts),
    )


def hold(site: Site, host_name: str, facts: HostFacts) -> Hold | None:
    """Where users wait for what is restarted; None where the proxy is not on the host."""
    return _hold(facts) if "proxy" in site.roles(host_name) else None


def _hold(facts: HostFacts) -> Hold:
    return Hold(mattermost.LISTEN, facts.family.nginx.user)
