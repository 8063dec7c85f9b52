"""Users held back while a service does not run: they wait for a moment and see no error.

NGINX keeps no idle connection to the server any more, slow requests get time to end, and the first
packets of new connections are dropped until the service is back; NGINX then tries again. Seen on
real servers: an idle connection that is used in the moment of a stop costs a post, so it comes
first.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mattermost_host.engine.shell import PROGRESS
from mattermost_host.ops.what_was_read import STAMPS
from mattermost_host.support.templates import render

FOLDER = f"{STAMPS}/hold"
"""What NGINX reads besides, while it is being held back; empty otherwise, and after each boot."""
WEBSOCKETS_FROM = "127.0.0.2"
"""Where NGINX's WebSockets to the server come from: they last, and nothing waits for their end."""
DRAIN_S = 120
"""For uploads and downloads that are under way."""
LONGEST_S = 75
"""That users wait for a planned restart; a server that takes longer is away, and NGINX says so."""
CONNECT_S = 2
"""That NGINX waits for a connection meanwhile, before it tries a new one: TCP by itself tries again
at growing distances. docs/architecture.md has the figures."""
TRIES = 60
"""Connections that NGINX tries for one request meanwhile, together longer than anybody waits."""
GROUP = "mattermost_held"
"""NGINX's name for the server meanwhile."""


@dataclass(frozen=True)
class Hold:
    """The server's address as NGINX connects to it, and NGINX itself."""

    address: tuple[str, int]
    proxy_user: str
    """Account of NGINX's workers."""
    proxy_unit: str = "nginx.service"

    def functions(self) -> str:
        """Shell: ``close_idle``, ``drain``, ``hold``, ``turn_away``, ``let_go``."""
        host, port = self.address
        return render(
            "upgrade/hold.sh.j2",
            proxy_unit=self.proxy_unit,
            proxy_user=self.proxy_user,
            port=port,
            server=f"{_in_proc(host)}:{port:04X}",
            loopback=_in_proc(host),
            folder=FOLDER,
            status=f"http://{host}:{port}/api/v4/system/ping?get_server_status=true",
            connect_s=CONNECT_S,
            group=GROUP,
            stamps=STAMPS,
        )

    def functions_of_program(self, hold_s: int) -> str:
        """These, ``hold_back`` and ``let_in``: whoever comes after ``hold_s`` is turned away."""
        own = render("upgrade/users.sh.j2", drain_s=DRAIN_S, hold_s=hold_s)
        return f"{self.functions()}\n{own}"

    def around(self, unit: str, restart: Iterable[str]) -> Iterator[str]:
        """The lines of ``restart``, for `set -e`, while users of ``unit`` wait.

        Of NGINX itself its own users; of everything else those whom it lets through.
        """
        back = f"close_idle && drain {DRAIN_S} && hold {LONGEST_S}"
        wait = f"hold_front {LONGEST_S}" if unit == self.proxy_unit else back
        # Whoever asked for it may be gone, and what is said to nobody must not end it.
        yield "trap '' PIPE"
        yield f'say() {{ echo "{PROGRESS}$*" || :; }}'
        yield self.functions()
        yield "trap let_go EXIT"
        yield f"if proxy_runs; then {wait} || :; fi"
        yield from restart
        yield "wait_for_database || :"
        yield "let_go || :"
        yield "trap - EXIT"


def websockets_from(upstreams: Sequence[str]) -> str:
    """The address for NGINX's WebSockets; empty where a server is not on its host."""
    here = all(upstream.startswith("127.0.0.1:") for upstream in upstreams)
    return WEBSOCKETS_FROM if here else ""


def _in_proc(address: str) -> str:
    """An IPv4 address as /proc/net/tcp writes it on the processors that releases are for."""
    return socket.inet_aton(address)[::-1].hex().upper()
