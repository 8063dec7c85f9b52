"""What an uninstall removes from a host, by the components' own knowledge, and what it keeps.

Whatever a component removes itself when it is switched off (firewall, backup) is not named again.
"""

from collections.abc import Collection, Iterator

from mattermost_host.components import base, mattermost, nginx, tls
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.clusters import REDHAT_SETTINGS, Cluster
from mattermost_host.knowledge.families import Family
from mattermost_host.ops import (
    apt,
    certbot,
    hold,
    postgresql_service,
    selinux_rules,
    unfinished,
)
from mattermost_host.ops.entries import Absent, Entry, File
from mattermost_host.ops.release_state import CURRENT, HOME, MANIFESTS, RELEASES, UPGRADE, UPLOADS
from mattermost_host.ops.selinux import Allowed
from mattermost_host.ops.state_files import STATE
from mattermost_host.site import deletion
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

LEFT_IF_EMPTY = (tls.PROGRAMS, tls.STATE, HOME, nginx.DROP_IN_FOLDER, REDHAT_SETTINGS)
"""Folders in which an operator, or what is kept, may have something.

`/etc/mattermost-host` stays in any case: by it the next deploy knows its own cluster.
"""
IN_ANY_CASE = (
    "The packages stay, NGINX and PostgreSQL stopped and not started at boot, NGINX with its own "
    "nginx.conf. Kernel parameters go back at the next boot. The firewall's rules are gone: "
    "nothing of the site listens any more."
)


def kept(deleted: Collection[str]) -> str:
    """What an operator reads at the end, by what was ``deleted``."""
    stays = {
        deletion.DATABASE: (
            "the database in its PostgreSQL (stopped), and /opt/mattermost/release, which says "
            "what release it belongs to"
        ),
        deletion.FILES: (
            "/var/lib/mattermost (configuration, uploads, plugins), /var/log/mattermost, and the "
            "account mattermost, which owns them"
        ),
        deletion.BACKUPS: "all backups",
    }
    left = [words for name, words in stays.items() if name not in deleted]
    gone = [name for name in stays if name in deleted]
    said = [f"Deleted for good: {', '.join(gone)}."] if gone else []
    said += [f"Kept: {'; '.join(left)}."] if left else []
    back = "brings the site back" if not gone else "makes the site anew of what was kept"
    return " ".join((*said, IN_ANY_CASE, f"A deploy {back if left else 'makes a new site'}."))


def refuse(facts: HostFacts) -> None:
    """Raises OperatorError for hosts that can't be left."""
    if found := [f"{one}. {one.kind.remedy}" for one in unfinished.on(facts)]:
        raise OperatorError(f"{' '.join(found)} Nothing was removed.")


def aside(site: Site, host_name: str) -> list[str]:
    """The checks without which a host can be left as well: all but that its system is known."""
    named = (name for one in site.requirements(host_name) for name in one.checks)
    return [name for name in named if name != "supported-platform"]


def of_server() -> tuple[str, ...]:
    """Root's files and folders of the server; the link first, which would lead nowhere."""
    unit = mattermost.UNIT_FILE
    release = (CURRENT, RELEASES, MANIFESTS, UPGRADE, f"{UPLOADS}*")
    return (unit, f"{unit}.d", *mattermost.SETTINGS, mattermost.CLEANING, *apt.KEPT_OUT, *release)


def of_proxy() -> tuple[str, ...]:
    """Root's files of NGINX but its main one, which the package has, too."""
    return (nginx.DROP_IN, nginx.SITE, hold.FOLDER)


def of_selinux(roles: Collection[str]) -> Allowed:
    """What the components of a host's roles needed beyond the policy."""
    needed = []
    if "proxy" in roles:
        server = ":".join(map(str, mattermost.LISTEN))
        needed.append(selinux_rules.of_proxy([server], tls.CERTIFICATE, tls.CHALLENGES))
    if "app" in roles:
        needed.append(selinux_rules.of_server(STATE))
    return Allowed.joined(needed)


def of_certificate(family: Family) -> Iterator[Entry]:
    """The pair that was served, and what certbot was told of it."""
    yield from map(Absent, (tls.FOLDER, tls.HOOK, tls.CHALLENGES))
    yield from certbot.nothing(family.certbot)


def of_database(layout: Cluster, facts: HostFacts) -> Iterator[Entry]:
    """Our parameters, and that Debian's program starts the cluster; its access rules stay.

    Where the packages have settings of their own in the data folder, ours are of no use.
    """
    _, parameters, access = postgresql_service.files_of(layout)
    yield Absent(parameters)
    if layout.setup:
        yield Absent(access)
    elif layout.name in [(version, name) for version, name, _ in facts.clusters]:
        user = postgresql_service.USER
        yield File(f"{layout.settings}/start.conf", "manual\n", "644", user, user)


def of_database_unit(layout: Cluster) -> tuple[str, ...]:
    """The drop-in of its unit."""
    return (f"{postgresql_service.files_of(layout)[0]}/{postgresql_service.OF_UNIT}",)


def of_host() -> tuple[str, ...]:
    """Kernel parameters, and the module that one of them needs."""
    return base.FILES
