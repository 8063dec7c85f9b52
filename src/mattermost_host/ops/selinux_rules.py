"""What our services need beyond the targeted policy.

The server needs little: systemd runs a program of type bin_t as unconfined_service_t, which is not
confined. PostgreSQL is where the policy expects it. NGINX is confined as httpd_t.
"""

from collections.abc import Iterator, Sequence

from pyinfra.api.operation import OperationMeta

from mattermost_host.ops import selinux
from mattermost_host.ops.release_state import RELEASES
from mattermost_host.ops.selinux import Allowed, Context

TO_WEB_PORTS = "httpd_can_network_relay"
"""Lets httpd_t connect to ports of web servers and caches only. httpd_can_network_connect, which
most guides recommend, allows every port of every host.
"""
WEB_PORT = "http_port_t"
OTHER_WEB_PORTS = (80, 81, 443, 488, 8008, 8009, 8443, 9000)
"""Ports that the policy of Enterprise Linux 9 already defines as web ports."""
CONTENT, CERTIFICATE, PROGRAM = "httpd_sys_content_t", "cert_t", "bin_t"


def for_server(name: str, state: str) -> OperationMeta:
    """Keep the server's rules; call it before its release and folders are put in place."""
    return selinux.allowed(name=name, wanted=of_server(state))


def for_proxy(
    upstreams: Sequence[str], certificate: str, challenges: str | None, *, name: str
) -> OperationMeta:
    """Keep NGINX's rules."""
    return selinux.allowed(name=name, wanted=of_proxy(upstreams, certificate, challenges))


def of_server(state: str) -> Allowed:
    """Rules for the releases' programs, the web application, and the plugins in ``state``.

    The server unpacks plugins itself; new files inherit the folder's type.
    """
    plugins = f"{state}/plugins"
    return Allowed(
        contexts=(
            Context(f"{RELEASES}/[^/]+/bin(/.*)?", PROGRAM),
            Context(f"{RELEASES}/[^/]+/client(/.*)?", CONTENT),
            Context(f"{plugins}(/.*)?", PROGRAM),
        ),
        labelled=(RELEASES, plugins),
    )


def of_proxy(upstreams: Sequence[str], certificate: str, challenges: str | None) -> Allowed:
    """Rules for the servers (``address:port``), and the folders of certificate and challenges."""
    # Our paths contain no characters that are special in a pattern.
    folders = {certificate.rpartition("/")[0]: CERTIFICATE}
    if challenges:
        folders[challenges] = CONTENT
    return Allowed(
        booleans=(TO_WEB_PORTS,),
        ports=tuple((port, WEB_PORT) for port in sorted(set(_ports(upstreams)))),
        contexts=tuple(Context(f"{folder}(/.*)?", kind) for folder, kind in folders.items()),
        labelled=tuple(folders),
    )


def _ports(upstreams: Sequence[str]) -> Iterator[int]:
    for upstream in upstreams:
        port = int(upstream.rpartition(":")[2])
        if port not in OTHER_WEB_PORTS:
            yield port
