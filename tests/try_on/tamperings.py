"""What somebody could do to a site by hand: chosen for a host by its site and its facts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from mattermost_host.components import firewall, mattermost, nginx, postgres, tls
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import FirewallEngine
from mattermost_host.ops import firewalld, postgresql_service, selinux_rules
from mattermost_host.site.site import Site

COUNT = 10
"""On every host; some have more."""
BY_HAND = "# by hand"
A_PARAMETER = "a kernel parameter"

BY_HAND_IN: Mapping[FirewallEngine, tuple[str, str]] = {
    "nftables": (
        f"nft add rule {firewall.TABLE} input tcp dport 5432 accept",
        f"table {firewall.TABLE}",
    ),
    "firewalld": (
        f"firewall-cmd --quiet --policy={firewalld.POLICY} --add-port=5432/tcp",
        firewalld.OPENS,
    ),
}
"""A rule beside ours, and what names it in a plan."""


@dataclass(frozen=True)
class Tampering:
    """Shell that does it, as root, and the words by which a plan has to name it."""

    what: str
    shell: str
    names: tuple[str, ...]


def chosen(site: Site, facts: HostFacts) -> list[Tampering]:
    """``COUNT`` that every host has a place for, and those of what only this host's family has."""
    return [*islice(_every(site, facts), COUNT), *_of_family(site, facts)]


def drift(site: Site, facts: HostFacts) -> Tampering:
    """One that is put right without a restart or a reload."""
    return next(one for one in _every(site, facts) if one.what == A_PARAMETER)


def _every(site: Site, facts: HostFacts) -> Iterator[Tampering]:
    yield from _of_server()
    yield from _of_proxy()
    yield from _of_database(site, facts)
    yield from _of_host(site, facts)


def _of_server() -> Iterator[Tampering]:
    unit, environment = mattermost.UNIT, mattermost.ENVIRONMENT_FILE
    yield Tampering(
        "a setting of the server",
        f"echo '{BY_HAND}' >>{environment}",
        (environment,),
    )
    yield Tampering("a server that is stopped", f"systemctl stop {unit}", (f"{unit} does not run",))
    folder = f"{mattermost.UNIT_FILE}.d"
    yield Tampering(
        "a drop-in for the server",
        f"mkdir -p {folder}; printf '[Service]\\nNice=1\\n' >{folder}/by-hand.conf",
        (f"{unit}.d holds by-hand.conf",),
    )


def _of_proxy() -> Iterator[Tampering]:
    yield Tampering("a readable key", f"chmod 644 {tls.KEY}", (tls.KEY,))
    yield Tampering(
        "the proxy's configuration",
        f"echo '{BY_HAND}' >>{nginx.SITE}; systemctl reload {nginx.UNIT}",
        (nginx.SITE,),
    )
    yield Tampering(
        "a proxy that does not start at boot",
        f"systemctl disable {nginx.UNIT}",
        (nginx.UNIT, "does not start at boot"),
    )


def _of_database(site: Site, facts: HostFacts) -> Iterator[Tampering]:
    layout = postgres.cluster(site.settings.postgres, facts)
    _, _, access = postgresql_service.files_of(layout)
    psql = postgres.client(layout).command()
    yield Tampering(
        "the database's access rules",
        f"echo 'host all all all trust' >>{access}",
        (access,),
    )
    yield Tampering(
        "a right in the database",
        f"{psql} -d postgres -c 'alter role {postgres.NAME} createdb'",
        (f"role {postgres.NAME}",),
    )


def _of_host(site: Site, facts: HostFacts) -> Iterator[Tampering]:
    if site.settings.firewall.enabled:
        shell, name = BY_HAND_IN[facts.family.firewall]
        yield Tampering("a port that is opened at run time", shell, (name,))
    yield Tampering(
        A_PARAMETER,
        "sysctl -qw net.core.somaxconn=128",
        ("net.core.somaxconn is 128",),
    )
    yield Tampering(
        "a shell for the server's account",
        f"usermod --shell /bin/bash {mattermost.USER}",
        (f"the account {mattermost.USER} has shell /bin/bash",),
    )


def _of_family(site: Site, facts: HostFacts) -> Iterator[Tampering]:
    """SELinux, firewalld's own files, and module streams, where the host has them."""
    if facts.family.selinux and facts.selinux != "disabled":
        pattern = f"{tls.CERTIFICATE.rpartition('/')[0]}(/.*)?"
        yield Tampering(
            "a rule of SELinux that is removed",
            f"semanage fcontext -d '{pattern}'",
            (f"{pattern} has no rule of SELinux for {selinux_rules.CERTIFICATE}",),
        )
        boolean = selinux_rules.TO_WEB_PORTS
        yield Tampering(
            "a boolean of SELinux that is off",
            f"setsebool -P {boolean} off",
            (f"SELinux's boolean {boolean} is off",),
        )
    if site.settings.firewall.enabled and facts.family.firewall == "firewalld":
        yield Tampering(
            "a port that is opened for good, in a zone",
            "firewall-cmd --quiet --permanent --add-port=5432/tcp",
            ("/etc/firewalld/zones/", "changed since firewalld loaded it"),
        )
    for module, stream in nginx.streams(facts).items():
        yield Tampering(
            f"the module stream of {module}",
            f"dnf -y -q module reset {module}",
            (f"the module {module} of dnf is not fixed to its stream {stream}",),
        )
