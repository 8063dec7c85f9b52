"""A port in the site's URL that differs from the one that the proxy listens on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.names import HTTPS_PORT
from mattermost_host.preflight.finding import Finding, Requirement


def port_of_users(url: str) -> Requirement:
    """Users connect to the port that NGINX listens on."""
    port = urlsplit(url).port or HTTPS_PORT

    def check(_: HostFacts) -> Iterator[Finding]:
        if port == HTTPS_PORT:
            yield Finding("url-port", "ok", f"port {port}")
            return
        yield Finding(
            "url-port",
            "warning",
            f"users connect to port {port}, and NGINX listens on {HTTPS_PORT}",
            f"something before this host that forwards port {port} to its port {HTTPS_PORT}",
            f"Have the router or load balancer forward port {port} to port {HTTPS_PORT} of this "
            f"host, or leave the port out of the URL. Skip this check where it does already.",
        )

    return Requirement("url-port", check, "Users connect to port 443, or their port leads to it.")
