"""NGINX: TLS, WebSockets, static files from the release, proxy for the server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field
from pyinfra.api import deploy as component
from pyinfra.api.operation import OperationMeta

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Place
from mattermost_host.knowledge import families
from mattermost_host.knowledge.families import Family
from mattermost_host.knowledge.proxy_headers import DROPPED_HEADERS
from mattermost_host.knowledge.sizing import NginxSizing
from mattermost_host.knowledge.surface import Port, Surface, Unit
from mattermost_host.knowledge.texts import STRICT, Network
from mattermost_host.ops import account, files, hold, packages, probe, running, what_was_read
from mattermost_host.ops.entries import Absent, Alone, Directory, Entry, File
from mattermost_host.ops.files import Check
from mattermost_host.ops.hold import Hold
from mattermost_host.ops.selinux_rules import for_proxy
from mattermost_host.ops.streams import Wanted
from mattermost_host.preflight import conflicts, dnf, hardening, together
from mattermost_host.preflight.dropped_ports import ports_not_dropped
from mattermost_host.preflight.finding import Need
from mattermost_host.preflight.url_port import port_of_users
from mattermost_host.support.templates import render

UNIT = "nginx.service"
FOLDER = "/etc/nginx"
MAIN = f"{FOLDER}/nginx.conf"
SITE = f"{FOLDER}/conf.d/mattermost.conf"
DROP_IN_FOLDER = f"/etc/systemd/system/{UNIT}.d"
DROP_IN = f"{DROP_IN_FOLDER}/mattermost-host.conf"
HTTP2_DIRECTIVE_SINCE = (1, 25, 1)


@dataclass(frozen=True)
class LoginLimit:
    """Limits for log-ins; docs/architecture.md has the measurements."""

    site_rate: int = 3
    """Requests a second of all clients. An idle server can do 6 to 7, a busy one half of that."""
    site_burst: int = 10
    """Requests that wait, at most 3.4 s: apps give up after 5 s."""
    waiting: int = 14
    """Requests at the server or waiting; a slower server gets no more than these."""
    client_rate: int = 2
    client_burst: int = 30
    """For each address, such as an office's: 30 at once and 120 a minute."""
    retry_after: int = 5


LOGINS = LoginLimit()
AWAY_S = 10
"""After which a client that was told that the server is away tries again."""
PROBE = probe.asking(80)
UPLOAD_OVERHEAD_MB = 5
"""Bytes that a multipart upload needs besides the file."""


class Settings(BaseModel):
    """The reverse proxy."""

    model_config = STRICT

    trusted_proxies: list[Network] = Field(
        default=[],
        description=(
            "Networks of load balancers in front of this proxy. Only from these is the client's "
            "address taken out of X-Forwarded-For."
        ),
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The ports for the clients, and the unit."""
    return Surface(
        units=(Unit(UNIT, max_exposure=3.0, probe=PROBE),),
        ports=(
            Port(80, "redirect to HTTPS, certificate challenges", "world", process="nginx"),
            Port(443, "HTTPS and WebSockets of all clients", "world", process="nginx"),
        ),
    )


@dataclass(frozen=True)
class Serving:
    """What is served, and where it comes from."""

    server_name: str
    authority: str
    """The name as users type it, with the port if that is not 443."""
    upstreams: Sequence[str]
    """``address:port`` of each server."""
    certificate: str
    key: str
    max_file_size_mb: int
    static_folder: str | None
    """The web application's folder, if the release is on this host."""
    acme_folder: str | None
    """Where the ACME client puts the answers to challenges."""


@component("NGINX")
def deploy(
    settings: Settings,
    serving: Serving,
    *,
    family: Family,
    sizing: NginxSizing,
    before_start: Sequence[str],
    held: Hold | None,
    nginx_version: str,
    streams: Wanted,
    brotli_module: str | None,
    ipv6: bool,
    fips: bool,
    pair: OperationMeta,  # wrote the key
) -> None:
    """Serve over TLS. ``before_start`` makes the unit wait, ``held`` its users at a restart."""
    # Before the package, so that neither a preset nor a reboot starts NGINX with its default site.
    service = files.present(
        name="systemd sandbox and limits are in place",
        entries=list(_unit_files(family.nginx, sizing, before_start)),
    )
    brotli = [brotli_module] if brotli_module else []
    wanted, manager = [*family.nginx.packages, *brotli], family.package_manager
    packages.installed(name="NGINX is installed", packages=wanted, manager=manager, streams=streams)
    _confine(family, serving)
    site = site_configuration(settings, serving, nginx_version, ipv6=ipv6, brotli=bool(brotli))
    written = files.present(
        name="the tested configuration is in place",
        entries=[*_main_files(sizing, family.nginx, fips=fips), File(SITE, site)],
        check=Check(f'nginx -t -q -c "$stage{MAIN}"', tree=FOLDER),
    )
    running.running(
        name="NGINX is running",
        unit=UNIT,
        restart_on=read_at_start(family.nginx),
        reload_on=[*_read_at_reload(family.nginx), serving.certificate, serving.key],
        after=[service, written, pair],
        probe=PROBE,
        hold=held,
    )


def _unit_files(
    layout: families.Nginx, sizing: NginxSizing, before_start: Sequence[str]
) -> Iterator[Entry]:
    yield Directory(DROP_IN_FOLDER)
    yield Alone(DROP_IN_FOLDER, (Path(DROP_IN).name,))
    note = what_was_read.noted_at_start(read_at_start(layout))
    ours_first = f"AssertPathExists={SITE}"
    yield File(DROP_IN, service_configuration(sizing, (ours_first, *before_start), note))


def read_at_start(layout: families.Nginx) -> list[str]:
    """What the process reads at start only: the unit's files and the system-wide crypto policy."""
    return [DROP_IN_FOLDER, *layout.tls_policy]


def _read_at_reload(layout: families.Nginx) -> Iterator[str]:
    yield from (MAIN, SITE, hold.FOLDER)
    if layout.default_site:
        yield f"{FOLDER}/{layout.default_site}"


def _confine(family: Family, serving: Serving) -> None:
    account.unprivileged(name="the account is unprivileged", user=family.nginx.user)
    if family.selinux:
        way = serving.upstreams, serving.certificate, serving.acme_folder
        for_proxy(*way, name="SELinux lets it connect to the server")


def _main_files(sizing: NginxSizing, layout: families.Nginx, *, fips: bool) -> Iterator[Entry]:
    yield File(MAIN, main_configuration(sizing, layout, fips=fips))
    yield Alone(hold.FOLDER)
    if layout.default_site:
        yield Absent(f"{FOLDER}/{layout.default_site}")


def service_configuration(sizing: NginxSizing, before_start: Sequence[str], note: str) -> str:
    """The drop-in of its unit."""
    return render(
        "nginx/service.conf.j2",
        open_files=sizing.open_files,
        before_start=before_start,
        note=note,
    )


def main_configuration(sizing: NginxSizing, layout: families.Nginx, *, fips: bool = False) -> str:
    """nginx.conf."""
    return render(
        "nginx/nginx.conf.j2",
        open_files=sizing.open_files,
        connections=sizing.worker_connections,
        layout=layout,
        fips=fips,
    )


def site_configuration(
    settings: Settings,
    serving: Serving,
    nginx_version: str,
    *,
    ipv6: bool,
    brotli: bool,
    logins: LoginLimit = LOGINS,
) -> str:
    """The site's configuration: redirect, TLS, WebSockets, uploads, static files."""
    return render(
        "nginx/site.conf.j2",
        name=serving.server_name,
        authority=serving.authority,
        upstreams=serving.upstreams,
        certificate=serving.certificate,
        key=serving.key,
        body_mb=serving.max_file_size_mb + UPLOAD_OVERHEAD_MB,
        static_folder=serving.static_folder,
        acme_folder=serving.acme_folder,
        trusted_proxies=settings.trusted_proxies,
        dropped_headers=DROPPED_HEADERS,
        logins=logins,
        away_s=AWAY_S,
        websockets_from=hold.websockets_from(serving.upstreams),
        hold_folder=hold.FOLDER,
        held_group=hold.GROUP,
        held_tries=hold.TRIES,
        http2_directive=version_tuple(nginx_version) >= HTTP2_DIRECTIVE_SINCE,
        ipv6=ipv6,
        brotli=brotli,
    )


def version(facts: HostFacts) -> str:
    """The installed version, or the one that will be installed."""
    installed, candidates = dict(facts.packages), dict(facts.candidates)
    return installed.get("nginx") or candidates.get("nginx") or facts.platform.nginx


def streams(facts: HostFacts) -> Wanted:
    """The module stream that it comes from, if the distribution has any."""
    stream = facts.platform.nginx_stream
    return {"nginx": stream} if stream else {}


def brotli_module(facts: HostFacts) -> str | None:
    """The package with the brotli module, which fits the distribution's own NGINX only."""
    if version_tuple(version(facts)) != version_tuple(facts.platform.nginx):
        return None
    return facts.platform.brotli_module or None


def version_tuple(version: str) -> tuple[int, ...]:
    """``1.22.1-9+deb12u2`` as (1, 22, 1)."""
    upstream = version.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0]
    return tuple(int(part) for part in upstream.split(".") if part.isdigit())


def requires(settings: Settings, place: Place) -> list[Need]:
    """Free ports, and a name that resolves to this host."""
    return [
        conflicts.ports_free(surface(settings, place).ports),
        ports_not_dropped(surface(settings, place).ports),
        # A host with the server, too, has a HAProxy that leads to the database.
        conflicts.no_other_web_server(*(["haproxy"] if place.having("etcd") else [])),
        dnf.module_stream("nginx", "nginx", lambda facts: streams(facts).get("nginx")),
        together.name_resolution(place.site.url),
        port_of_users(place.site.url),
        hardening.crypto_policy(),
    ]
