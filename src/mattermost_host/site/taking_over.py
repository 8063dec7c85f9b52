"""What a take-over moves, and where to, from the inventory and what the host says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from mattermost_host.components import mattermost, nginx, postgres
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import Family
from mattermost_host.ops.entries import Entry, File
from mattermost_host.ops.postgresql_service import Writable
from mattermost_host.ops.take_over import New, Old
from mattermost_host.preflight.adoption import Look
from mattermost_host.preflight.adoption_database import access_of
from mattermost_host.preflight.conflicts import VENDOR_PACKAGES
from mattermost_host.site.site import Site

ASIDE = (
    *("no-other-mattermost", "no-other-postgresql", "no-other-web-server", "ports-free"),
    "nginx-stream",
)
"""Checks that a server of somebody else fails by being there; a take-over judges it itself, and the
deploy after it brings NGINX's own stream."""


def packages(family: Family) -> list[str]:
    """What holds users back, and on hosts with SELinux what states its rules.

    Enterprise Linux has curl in any case: rpm needs it, as curl-minimal.
    """
    if family.package_manager == "apt":
        return ["curl", "nftables"]
    return ["nftables", *family.tools]


def old(one: Look) -> Old:
    """The server as it is."""
    return Old(_found(one), one.foreign.unit, proxied=one.secure is not None)


def _found(one: Look) -> Mapping[str, str]:
    """The variables of the program."""
    foreign, source, data = one.foreign, one.source, one.data
    files = sorted({each.file for each in one.served if not any(map(str.isspace, each.file))})
    packages = [name for name, _ in one.facts.packages if name in VENDOR_PACKAGES]
    return {
        "since": f"{datetime.now(UTC):%Y%m%d-%H%M%S}",
        "old_unit": foreign.unit,
        "old_enabled": "yes" if foreign.enabled else "no",
        "old_user": foreign.user,
        "old_home": foreign.home,
        "home_owner": foreign.home_owner,
        "home_mode": foreign.home_mode,
        "old_role": source.role,
        "old_database": source.database,
        "config_file": foreign.config_file,
        "config_in_database": "yes" if foreign.config_source else "no",
        "data_from": data.folder,
        "apart": "yes" if data.apart or data.mounted else "no",
        "nginx_files": " ".join(files),
        "vendor_packages": " ".join(packages),
    }


def in_advance(site: Site) -> tuple[list[Entry], File]:
    """What can be there before the unit is, and the unit."""
    return mattermost.in_advance(site.settings.mattermost, site.environment, site.licence)


def new(site: Site, facts: HostFacts, release: str) -> New:
    """Where it goes."""
    layout = postgres.cluster(site.settings.postgres, facts)
    *_, access = postgres.settings_files(layout, {}, (), Writable())
    # Until a deploy has given PostgreSQL our settings, it reads others.
    access = replace(access, path=access_of(layout))
    return New(release, in_advance(site)[1], access, nginx.SITE)
