"""What is already on a host and conflicts with ours: ports, services, another Mattermost."""

from collections.abc import Callable, Iterator, Sequence

from mattermost_host.facts.database import last_move
from mattermost_host.facts.foreign import of_others
from mattermost_host.facts.host import FIREWALLS, WEB_SERVERS, HostFacts, Listener
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.knowledge.postgresql_versions import OLDEST
from mattermost_host.knowledge.surface import Port
from mattermost_host.ops.first_boot import LIMIT_S as FIRST_BOOT_LIMIT_S
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.preflight.host import unreadable

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
LOOPBACK = ("127.0.0.1", "::1")
VENDOR_PACKAGES = ("mattermost", "mattermost-omnibus")


def ports_free(ports: Sequence[Port]) -> Requirement:
    """Only our own services listen on ``ports``; sshd may, too."""
    ours = [port for port in ports if port.process != "sshd"]

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = ", ".join(f"{port.number}/{port.protocol}" for port in ours)
        if "listeners" in facts.unread:
            yield unreadable("ports-free", "which process listens on which port", needed)
            return
        taken = list(dict.fromkeys(_taken(ours, facts)))
        for port, process in taken:
            yield Finding(
                "ports-free",
                "error",
                f"{process or 'an unknown process'} listens on {port.number}/{port.protocol}",
                f"the port for: {port.purpose}",
                "Stop and disable it, or move it to another port.",
            )
        if not taken:
            yield Finding("ports-free", "ok", "free, or used by the site", needed)

    return Requirement("ports-free", check, "No other service listens on the ports of the site.")


def _taken(ports: Sequence[Port], facts: HostFacts) -> Iterator[tuple[Port, str]]:
    for port in ports:
        for one in facts.listeners:
            ours = facts.managed and port.process in ("", one.process)
            if _collides(port, one) and not ours:
                yield port, one.process


def _collides(port: Port, listener: Listener) -> bool:
    if (port.number, port.protocol) != (listener.port, listener.protocol):
        return False
    if port.address:
        return listener.address in (*EVERY_ADDRESS, port.address)
    own = port.reachable_from == "loopback"
    return not own or listener.address in (*EVERY_ADDRESS, *LOOPBACK)


def no_other_web_server(*ours: str) -> Requirement:
    """No web server but our own NGINX; ``ours`` are units that the site has for something else."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        set_up = ours if facts.managed else ()
        others = [unit for unit in WEB_SERVERS if unit not in set_up]
        active = [unit for unit in facts.active_units if unit in others]
        if "nginx" in facts.active_units and not facts.managed:
            active.append("nginx, which this site's deploy did not set up")
        yield _judge(
            "no-other-web-server",
            f"running: {', '.join(active)}" if active else "",
            "no web server but the site's own NGINX",
            "Move its sites to another host and disable it; our NGINX takes ports 80 and 443.",
        )

    return _of_units("no-other-web-server", check, "No web server but our own NGINX.")


def no_other_postgresql(ours: Callable[[HostFacts], Cluster]) -> Requirement:
    """No PostgreSQL cluster but ours."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "no cluster but the site's own"
        there = [(version, name) for version, name, _ in facts.clusters]
        mine = ours(facts)
        expected = {mine.name, *_of_move(facts)} if facts.managed else set()
        others = [one for one in there if one not in expected]
        remedy = (
            "Use it as an external database (postgres.dsn), or remove it "
            f"({mine.removal}) if nothing needs its data."
        )
        if facts.managed and mine.name not in there:
            # The inventory asks for another cluster than before: don't suggest removing this one's
            # data.
            remedy = _as_it_was(facts, others) or remedy
        names = (f"{version}{' in ' if '/' in name else '/'}{name}" for version, name in others)
        found = f"PostgreSQL {', '.join(names)} on the host" if others else ""
        yield _judge("no-other-postgresql", found, needed, remedy)

    return Requirement("no-other-postgresql", check, "No PostgreSQL cluster but ours.")


def _of_move(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """The clusters between which the site's data was moved: another check judges these."""
    if move := last_move(facts):
        for major in (move.old, move.new):
            yield facts.family.cluster_of_pgdg(major).name


def _as_it_was(facts: HostFacts, others: Sequence[tuple[str, str]]) -> str | None:
    """The inventory's setting for such a cluster of the site; None if it can't be the site's."""
    for version, name in others:
        if not version.isdecimal() or int(version) < OLDEST:
            continue
        by_distribution = int(version) in facts.platform.postgresql_versions
        for pgdg, layout in ((False, facts.family.cluster), (True, facts.family.cluster_of_pgdg)):
            if (pgdg or by_distribution) and layout(int(version)).name == (version, name):
                stated = f"'version': {version}" + (", 'pgdg': True" if pgdg else "")
                return (
                    "It is what this site was set up with, and has its data. A deploy moves no "
                    f"data to another PostgreSQL: write postgres = {{{stated}}} into the "
                    f"inventory.{_by_dump(facts)}"
                )
    return None


def _by_dump(facts: HostFacts) -> str:
    """Where no command moves it."""
    if facts.family.package_manager == "apt":
        return ""
    return (
        " To get to the other version, take it there by a dump, as docs/operations.md says (Move "
        "to another PostgreSQL)."
    )


def no_other_firewall() -> Requirement:
    """No firewall that we did not set up, because two would undo each other's rules."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        by_firewalld = facts.family.firewall == "firewalld"
        others = set(FIREWALLS) - ({"firewalld"} if by_firewalld else set())
        active = [unit for unit in facts.active_units if unit in others]
        ours = (
            "firewalld, with the site's policies"
            if by_firewalld
            else "the site's own table in nftables"
        )
        yield _judge(
            "no-other-firewall",
            f"active: {', '.join(active)}" if active else "",
            f"no firewall but {ours}",
            "Disable it (systemctl disable --now, for ufw first 'ufw disable'), or write "
            "firewall = {'enabled': False} and open the site's ports there yourself.",
        )

    return _of_units(
        "no-other-firewall",
        check,
        "No other firewall is active: two would undo each other's rules.",
    )


def nothing_forwarded(allowed: bool) -> Requirement:
    """No other software forwards packets, which our firewall would drop, unless it is allowed."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        found = f"packets are forwarded to {', '.join(facts.forwarding)}"
        needed = "no forwarded packets, which the firewall would drop"
        if "forwarding" in facts.unread:
            yield unreadable("forwarding", "whether others forward packets", needed)
        elif allowed or not facts.forwarding:
            yield Finding("forwarding", "ok", found if facts.forwarding else "none", needed)
        else:
            yield Finding(
                "forwarding",
                "warning" if facts.managed else "error",
                found,
                needed,
                "The site's firewall drops what the host forwards, so containers, virtual machines "
                "or a VPN lose their network. Allow it with firewall = {'forward': True}, or move "
                "them to another host.",
            )

    return Requirement(
        "forwarding", check, "No containers or VPN that the firewall would cut off unasked."
    )


def no_other_mattermost() -> Requirement:
    """No Mattermost that somebody else installed."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        packages = [name for name, _ in facts.packages if name in VENDOR_PACKAGES]
        running = "mattermost" in facts.active_units and not facts.managed
        found = [f"the vendor's package {name}" for name in packages]
        if running:
            found.append("a running mattermost.service")
        there = of_others(facts)
        found += there.paths
        remedy = (
            "`mattermost-host adopt` writes the inventory for it, and `mattermost-host take-over` "
            "moves it over to the site. Or take it off the host."
        )
        if there.unfinished:
            found = [f"a take-over that was cut off at the step {there.step}"]
            remedy = "Run `mattermost-host take-over` with this inventory: it goes on, or back."
        needed = "no Mattermost but the site's own"
        yield _judge("no-other-mattermost", " and ".join(found), needed, remedy)

    return _of_units("no-other-mattermost", check, "No Mattermost that somebody else installed.")


def first_boot_is_over() -> Requirement:
    """cloud-init has ended; until then it may install packages, write our files, or reboot."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "a host whose first boot is over"
        if "first_boot" in facts.unread:
            yield unreadable("first-boot", "whether cloud-init is at work", needed)
        elif facts.first_boot:
            yield Finding(
                "first-boot",
                "warning",
                "cloud-init is still at work",
                needed,
                "Wait for it (`cloud-init status --wait` on the host) and check again: what it "
                "sets up may change these findings. Before it installs packages, a deploy waits "
                f"for it, at most {FIRST_BOOT_LIMIT_S // 60} minutes.",
            )
        else:
            yield Finding("first-boot", "ok", "over", needed)

    return Requirement("first-boot", check, "cloud-init is not at work any more.")


def no_certbot_of_snap() -> Requirement:
    """No certbot from a snap, if the distribution's is to be installed."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "no certbot but the distribution's package"
        if "snaps" in facts.unread:
            yield unreadable("certbot-of-snap", "which snaps there are", needed)
            return
        yield _judge(
            "certbot-of-snap",
            "certbot is there as a snap" if "certbot" in facts.snaps else "",
            needed,
            "The package would take its place as /usr/bin/certbot, and both would renew the same "
            "certificates. Remove it with `snap remove certbot`: its certificates stay in "
            "/etc/letsencrypt, and the package renews them from then on. Or keep it, and give the "
            'site\'s certificate as files: tls = {"mode": "files", …}.',
        )

    return Requirement(
        "certbot-of-snap", check, "With ACME: no certbot as a snap beside the package."
    )


def _of_units(
    name: str, check: Callable[[HostFacts], Iterator[Finding]], meaning: str
) -> Requirement:
    """A requirement that needs to know packages and services."""

    def asked(facts: HostFacts) -> Iterator[Finding]:
        findings = list(check(facts))
        blind = bool({"units", "packages"} & facts.unread)
        if blind and all(finding.verdict == "ok" for finding in findings):
            findings = [unreadable(name, "what is installed and runs", findings[0].needed)]
        yield from findings

    return Requirement(name, asked, meaning)


def _judge(name: str, wrong: str, needed: str, remedy: str) -> Finding:
    return Finding(
        name, "error" if wrong else "ok", wrong or "none", needed, remedy if wrong else ""
    )
