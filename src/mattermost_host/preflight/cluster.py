"""What a database on several hosts needs of each of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import WITH_NEEDS_OF_PATRONI_4, WITH_PATRONI_4
from mattermost_host.knowledge.surface import Port
from mattermost_host.preflight.finding import Finding, Requirement, SiteRequirement
from mattermost_host.preflight.host import executable_opt, unreadable
from mattermost_host.support.addresses import in_url

PATRONI = "a distribution with Patroni 4, or with all that Patroni 4 from PyPI needs"


def has_packages(engine: str, known: Callable[[HostFacts], bool], needed: str = "") -> Requirement:
    """The distribution has the engine in a version that is safe."""
    name = f"{engine.lower()}-packages"
    needed = needed or f"a distribution whose packages of {engine} are known to be safe"

    def check(facts: HostFacts) -> Iterator[Finding]:
        found = f"{facts.platform.name} {facts.release}"
        if known(facts):
            yield Finding(name, "ok", found, needed)
        else:
            remedy = (
                "Use Debian 12 or 13 on the hosts of db and etcd, or leave out etcd and run "
                "PostgreSQL on one host, or state a database that you run yourself (postgres.dsn)."
            )
            yield Finding(name, "error", found, needed, remedy)

    return Requirement(name, check, f"The distribution has {engine} in a version that is safe.")


def patroni() -> list[Requirement]:
    """A Patroni that loses nothing: the distribution's own, or that of PyPI in /opt."""
    return [
        has_packages(
            "Patroni", lambda facts: packages_patroni(facts) or packages_its_needs(facts), PATRONI
        ),
        executable_opt().where(packages_its_needs),
    ]


def packages_patroni(facts: HostFacts) -> bool:
    """Whether the distribution's own Patroni loses nothing; see knowledge/patroni.py."""
    return (facts.distribution, facts.release) in WITH_PATRONI_4


def packages_its_needs(facts: HostFacts) -> bool:
    """Whether Patroni 4 from PyPI is put on its packages."""
    return (facts.distribution, facts.release) in WITH_NEEDS_OF_PATRONI_4


def no_other_haproxy(ours: Sequence[Port]) -> Requirement:
    """No HAProxy that does something else: the unit is one, and it gets our configuration."""
    name = "no-other-haproxy"
    own = {(port.address, port.number) for port in ours}

    def check(facts: HostFacts) -> Iterator[Finding]:
        needed = "no HAProxy but the site's own"
        if "listeners" in facts.unread:
            yield unreadable(name, "whether a HAProxy is at work", needed)
            return
        others = [
            f"{in_url(one.address)}:{one.port}"
            for one in facts.listeners
            if one.process == "haproxy" and not (facts.managed and (one.address, one.port) in own)
        ]
        if not others:
            yield Finding(name, "ok", "none", needed)
            return
        remedy = (
            "A deploy starts haproxy.service with the site's configuration, which would end what "
            "is served there. Move that to another host and disable it."
        )
        yield Finding(name, "error", f"HAProxy listens on {', '.join(others)}", needed, remedy)

    return Requirement(name, check, "No HAProxy that leads anywhere but to the site's database.")


def one_distribution() -> SiteRequirement:
    """The hosts of the database run the same release of the same distribution."""
    name = "one-distribution"

    def check(facts: Mapping[str, HostFacts]) -> Iterator[tuple[str, Finding]]:
        needed = "the same distribution and release on all hosts of db"
        kinds = {host: f"{one.platform.name} {one.release}" for host, one in facts.items()}
        first = next(iter(kinds.values()), "")
        for host, kind in kinds.items():
            if kind == first:
                yield host, Finding(name, "ok", kind, needed)
            else:
                remedy = (
                    "Install the same release on all of them: replicas have the leader's files, "
                    "whose order another C library sorts in another way."
                )
                yield host, Finding(name, "error", f"{kind}, others {first}", needed, remedy)

    return SiteRequirement(name, check, "All hosts of the database run the same distribution.")
