"""Checks of the release that a host should run: upgrade path, support, tarball."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import Place, installed_on
from mattermost_host.knowledge import mattermost_settings, releases, upgrade_paths
from mattermost_host.knowledge.releases import Architecture
from mattermost_host.knowledge.user_limits import user_limit
from mattermost_host.preflight.finding import Finding, Requirement, Verdict
from mattermost_host.releases.choice import ReleaseSettings, stated_version, version_of
from mattermost_host.releases.installed import Installed
from mattermost_host.support.addresses import without_secrets

NAMED_ARCHITECTURE = re.compile(r"linux-(amd64|arm64)")
STATE = "`mattermost.release.version`"
QUESTIONS = {"releases", "current_release", "noted_release"}


@dataclass(frozen=True)
class _Case:
    """The inventory's release, and what a host has."""

    settings: ReleaseSettings
    stated: str | None
    found: Installed | None
    version: str
    """The release that the host should run."""
    facts: HostFacts
    today: date | None

    @property
    def upgrade_from(self) -> str | None:
        """The older release on the host; None if no newer one is stated."""
        newer = self.stated and self.found and _newer_than(self.stated, self.found.version)
        return self.found.version if self.found and newer else None


def of(settings: ReleaseSettings, today: date | None = None) -> list[Requirement]:
    """The checks of a release: which one it is, whether the upgrade is possible, its support."""

    def check(judge: Callable[[_Case], Finding]) -> Callable[[HostFacts], Iterator[Finding]]:
        def checked(facts: HostFacts) -> Iterator[Finding]:
            found = installed_on(facts)
            version = version_of(settings, found)
            yield judge(_Case(settings, stated_version(settings), found, version, facts, today))

        return checked

    return [Requirement(name, check(judge), meaning) for name, (judge, meaning) in _CHECKS.items()]


def settings_fit(settings: Mapping[str, object], place: Place) -> Requirement:
    """The server's settings suit the release that the host should run."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        version = place.site.version_on(facts)
        secret = place.secrets.settings if place.secrets else {}
        wrong = [
            *mattermost_settings.mistakes(settings, version, site_url=place.site.url),
            *mattermost_settings.mistakes(secret, version, path="settings"),
        ]
        for one in wrong:
            found = f"{one.path}: {one.found}"
            needed = f"settings that Mattermost {version} starts with"
            yield Finding("settings", "error", found, needed, f"{one.needed}.")
        if not wrong:
            yield Finding("settings", "ok", f"right for Mattermost {version}")

    return Requirement("settings", check, "The server's settings suit the release on the host.")


def users_without_licence(place: Place) -> Requirement:
    """Without a licence, the release allows as many accounts as the site has users."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        version, users = place.site.version_on(facts), place.site.users
        limit = user_limit(version)
        if limit is None or users <= limit.soft:
            yield Finding("users-without-licence", "ok", f"{users} users")
            return
        effect = (
            f"makes no account above {limit.hard}"
            if users > limit.hard
            else f"warns its administrators above {limit.soft}"
        )
        yield Finding(
            "users-without-licence",
            "warning",
            f"{users} users and no licence: Mattermost {version} {effect}",
            f"at most {limit.soft} users, or a licence",
            "Set the licence file as `mattermost.licence`, or skip this check where the licence "
            "was uploaded in the System Console.",
        )

    meaning = "Without a licence, the release allows as many accounts as the site has users."
    return Requirement("users-without-licence", check, meaning)


def _newer_than(one: str, other: str) -> bool:
    return releases.numbers(one) > releases.numbers(other)


def _which(case: _Case) -> Finding:
    version, there = case.version, ", ".join(case.facts.releases)
    if case.stated:
        return Finding("release", "ok", f"Mattermost {version}, as stated")
    if QUESTIONS & case.facts.unread or (case.found is None and there):
        return Finding(
            "release",
            "error",
            "unknown which release runs here; in /opt/mattermost/releases: "
            f"{there or 'not readable'}",
            "the release to keep",
            f"Set {STATE}.",
        )
    if case.found is None:
        chosen = f"Mattermost {version}, the newest extended support release in the table"
        return Finding("release", "note", f"{chosen}; no version is stated and none is on the host")
    newer = " and ".join(_newer(version))
    if not newer:
        return Finding("release", "ok", f"Mattermost {version} stays")
    stays = f"Mattermost {version} stays; newer: {newer}. To upgrade, set {STATE}"
    return Finding("release", "note", stays)


def _newer(version: str) -> list[str]:
    """The newest release of the line, and the newest extended support release."""
    known = releases.support(version)
    patch = known.newest if known else None
    default = releases.default()
    found = []
    if patch and _newer_than(patch, version):
        found.append(f"{patch} (same line)")
    if default != patch and _newer_than(default, version):
        found.append(f"{default} (extended support)")
    return found


def _path(case: _Case) -> Finding:
    name, needed = "release-path", "an upgrade that the vendor supports"
    before = case.upgrade_from
    if before is None:
        return Finding(name, "ok", "no upgrade", needed)
    way = f"from Mattermost {before} to {case.version}"
    refusal = upgrade_paths.refusal(before, case.version)
    if refusal:
        return Finding(name, "error", way, needed, refusal)
    skipped = ", ".join(upgrade_paths.skipped(before, case.version))
    untested = f"The vendor supports, but does not test, upgrades that skip {skipped}."
    return Finding(name, "warning" if skipped else "ok", way, needed, untested if skipped else "")


def _upgrade(case: _Case) -> Finding:
    if case.upgrade_from is None:
        return Finding("release-upgrade", "ok", "none")
    return Finding(
        "release-upgrade",
        "warning",
        f"Mattermost {case.upgrade_from} is on the host, and {case.version} is stated: an upgrade",
        "",
        "`mattermost-host upgrade` makes it, and keeps a way back. A deploy alone keeps none: the "
        "server migrates its database when it starts, so make a copy of it first.",
    )


def _downgrade(case: _Case) -> Finding:
    name, before = "release-downgrade", case.found.version if case.found else None
    if before is None or not _newer_than(before, case.version):
        return Finding(name, "ok", "none")
    return Finding(
        name,
        "error",
        f"Mattermost {before} is on the host, and {case.version} is stated: a downgrade",
        f"{before} or newer",
        upgrade_paths.downgrade(before, case.version),
    )


def _support(case: _Case) -> Finding:
    ended = releases.end_of_life(case.version, case.today) or ""
    verdict: Verdict = "warning" if ended else "ok"
    needed = "a release that the vendor supports"
    return Finding("release-support", verdict, f"Mattermost {case.version}", needed, ended)


def _build(case: _Case) -> Finding:
    """Checked before anything is fetched; the tarball's content is checked afterwards."""
    name, settings = "release-architecture", case.settings
    # The check `architecture` reports processors without a release.
    wanted: Architecture = "arm64" if case.facts.architecture == "arm64" else "amd64"
    needed = f"a tarball for {wanted} that can be verified"
    if case.found and case.found.version == case.version:
        return Finding(name, "ok", "already on the host", needed)
    named = NAMED_ARCHITECTURE.search(without_secrets(settings.file or ""))
    if named and named[1] != wanted:
        found = f"mattermost.release.file is for {named[1]}, and the host is {wanted}"
        return Finding(name, "error", found, needed, f"Set the tarball for linux-{wanted} there.")
    trusted = settings.sha256 or settings.signature_key or settings.unverified
    if not (trusted or releases.sha256(case.version, settings.edition, wanted)):
        remedy = releases.digest_wanted(case.version, settings.edition, wanted)
        return Finding(name, "error", f"no digest of the tarball for {wanted}", needed, remedy)
    return Finding(name, "ok", wanted, needed)


_CHECKS: Mapping[str, tuple[Callable[[_Case], Finding], str]] = {
    "release": (
        _which,
        "Which release a host gets: the stated one, the one that it has, or at first the newest "
        "extended support release.",
    ),
    "release-path": (
        _path,
        "The vendor supports the upgrade from the release on the host to the stated one.",
    ),
    "release-upgrade": (_upgrade, "An upgrade is about to be made, and what it means."),
    "release-downgrade": (
        _downgrade,
        "The stated release is not older than the one on the host.",
    ),
    "release-architecture": (
        _build,
        "The release's tarball is for the host's processor, and can be verified.",
    ),
    "release-support": (_support, "The vendor still supports the release."),
}
