"""Listeners and signals: readiness is told to systemd, SIGTERM ends with 0, SIGHUP kills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mattermost_standin import FULL_VERSION, StartError, app
from mattermost_standin.api import Site
from mattermost_standin.log import log
from mattermost_standin.settings import Values
from mattermost_standin.sockets import Hub
from mattermost_standin.store import Store
from mattermost_standin.system import adopt, current, files_work

IDLE = 300  # seconds; ServiceSettings.IdleTimeout. A proxy has to let go of a connection before.
BACKLOG = 4096
PING = 60.0  # seconds between the server's pings, and for the client's answer
REMORSE = 5.0  # seconds that the real server takes to give up over a port in use
YOUNG = 20.0  # seconds after a start in which the real server may take long to stop
LINGERS = 15.0  # seconds that it then takes at most, with its listener closed
_GRACE = 1  # seconds for requests that are under way at a stop


class _Listener(uvicorn.Server):
    """One listening socket; signals are ours, not uvicorn's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(values: Values, store: Store, licence: tuple[str, str] | None) -> None:
    """Serve until SIGTERM; raises StartError where a listener can't be had."""
    site = Site(values, store, Hub(FULL_VERSION))
    await asyncio.to_thread(files_work, site)
    if licence:
        await asyncio.to_thread(adopt, site, *licence)
    _lift_file_limit()
    listeners = list(_listeners(values, site))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, listeners)
    gossip = await _gossip(values) if await asyncio.to_thread(current, site) else None
    tasks = [asyncio.ensure_future(server.serve([sock])) for server, sock in listeners]
    while not all(server.started for server, _ in listeners) and not any(t.done() for t in tasks):
        await asyncio.sleep(0.01)
    log.info("Server is listening on %s", values["ServiceSettings.ListenAddress"])
    notify("READY=1")
    ready = time.monotonic()
    await asyncio.gather(*tasks)
    await asyncio.sleep(lingering(time.monotonic() - ready))
    if gossip:
        gossip.close()
    if values["ServiceSettings.EnableLocalMode"]:
        Path(values["ServiceSettings.LocalModeSocketLocation"]).unlink(missing_ok=True)
    log.info("Server stopped")


def lingering(age: float) -> float:
    """Seconds that a server of this age goes on after its listeners are closed: long when young."""
    return min(LINGERS, max(0.0, YOUNG - age))


def _stop(listeners: list[tuple[_Listener, socket.socket]]) -> None:
    log.info("Stopping Server...")
    for server, _ in listeners:
        server.should_exit = True


def _listeners(values: Values, site: Site) -> Iterator[tuple[_Listener, socket.socket]]:
    address = values["ServiceSettings.ListenAddress"]
    yield _listener(app.build(site), values), bound(address, "ServiceSettings.ListenAddress")
    if values["ServiceSettings.EnableLocalMode"]:
        place = values["ServiceSettings.LocalModeSocketLocation"]
        yield _listener(app.build(site, local=True), None), _local_socket(place)
    if values["MetricsSettings.Enable"]:
        address = values["MetricsSettings.ListenAddress"]
        yield _listener(_metrics(site), None), bound(address, "MetricsSettings.ListenAddress")


def _listener(application: Starlette, tls: Values | None) -> _Listener:
    with_tls = bool(tls and tls["ServiceSettings.ConnectionSecurity"] == "TLS")
    return _Listener(
        uvicorn.Config(
            application,
            http="h11",
            ws="websockets",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws_ping_interval=PING,
            ws_ping_timeout=PING,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=IDLE,
            backlog=BACKLOG,
            ssl_certfile=tls["ServiceSettings.TLSCertFile"] if tls and with_tls else None,
            ssl_keyfile=tls["ServiceSettings.TLSKeyFile"] if tls and with_tls else None,
        )
    )


def bound(address: str, name: str) -> socket.socket:
    """A listening socket for HOST:PORT; an empty host is every address of both families."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        if not host and socket.has_dualstack_ipv6():
            family, dual = socket.AF_INET6, True
        else:
            family, dual = (socket.AF_INET6 if ":" in host else socket.AF_INET), False
        return socket.create_server(
            (host, int(port)), family=family, backlog=BACKLOG, dualstack_ipv6=dual
        )
    except (OSError, ValueError, OverflowError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "bad"
        log.error("Error starting server: listen tcp %s: bind: %s", address, why)
        time.sleep(REMORSE)
        raise StartError(f"{name}: can't listen on {address}: {why}") from None


def _local_socket(place: str) -> socket.socket:
    """The socket of local mode: 0600 from its first instant."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        Path(place).unlink(missing_ok=True)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        raise StartError(f"local mode: can't listen on {place}: {error.strerror}") from None
    finally:
        os.umask(before)
    return listener


def _metrics(site: Site) -> Starlette:
    """Metrics need a licence; the profiler is open to whoever reaches the port, without one too."""

    async def metrics(_: object) -> PlainTextResponse:
        if current(site) is None:
            return PlainTextResponse("404 page not found", 404)
        count = site.hub.count()
        return PlainTextResponse(
            "# TYPE mattermost_http_websockets_total gauge\n"
            f"mattermost_http_websockets_total {count}\n"
        )

    async def profiler(_: object) -> PlainTextResponse:
        return PlainTextResponse("Types of profiles available:\n")

    return Starlette(routes=[Route("/metrics", metrics), Route("/debug/pprof/", profiler)])


async def _gossip(values: Values) -> asyncio.AbstractServer | None:
    """The port of the cluster, which opens with a licence only; nothing is said on it."""
    if not values["ClusterSettings.Enable"]:
        return None
    host = values["ClusterSettings.BindAddress"]
    port = values["ClusterSettings.GossipPort"]
    listener = bound(f"{host}:{port}", "ClusterSettings.GossipPort")
    return await asyncio.start_server(lambda _, writer: writer.close(), sock=listener)


def _lift_file_limit() -> None:
    """As far as the hard limit allows; a sandbox may refuse even that."""
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def notify(state: str) -> None:
    """Tell systemd, where it asked for it with NOTIFY_SOCKET."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    if place.startswith("@"):
        place = "\0" + place[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.connect(place)
        notifier.sendall(state.encode())
