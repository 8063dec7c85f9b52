"""Whether a host's distribution may be upgraded in place, and what that means: named checks."""

from collections.abc import Iterator

from pyinfra import host
from rich.console import Console

from mattermost_host.engine.questions import answers_of
from mattermost_host.knowledge.platforms import Platform
from mattermost_host.ops.system_upgrade import FOLDER, AskSystem, Found
from mattermost_host.preflight.finding import Finding
from mattermost_host.preflight.report import PreflightError, Report
from mattermost_host.support.errors import OperatorError

ROOM_MB = 2048
"""A small server fetched 200 MB and grew by 400 MB from Debian 12 to 13; the rest is for others."""

MEANINGS = {
    "system-journal": "No other upgrade of the system is under way; one that was cut off goes on.",
    "system-target": "Which release comes next.",
    "system-serving": "The site serves before its system is upgraded.",
    "system-packages": "No package is held, and each is wholly installed.",
    "system-sources": "Which sources of packages are those of others, and stay as they are.",
    "system-room": "There is room for the packages.",
    "system-way-back": "That there is no way back but a backup.",
}


def refuse(*, hosts: int, roles: tuple[str, ...], local_database: bool) -> None:
    """Raise OperatorError for a site whose systems are not ours to upgrade."""
    if hosts > 1 or not local_database or not {"app", "db", "proxy"} <= set(roles):
        raise OperatorError(
            "this command upgrades the system of a site on one host: upgrade several hosts one by "
            "one, and deploy after each"
        )


def advise(question: AskSystem, before: Platform, after: Platform, *, backups: bool) -> None:
    """Show what is found on the host that is being prepared.

    Raises PreflightError where it may not begin.
    """
    found = answers_of(host, [question])
    if question not in found:
        raise OperatorError(f"{host.name} does not say what an upgrade of its system needs to know")
    findings = judge(found[question], before, after, backups=backups)
    report = Report({host.name: tuple(findings)})
    if report.errors:
        raise PreflightError(report)
    report.show(Console(stderr=True), verbose=True)


def judge(found: Found, before: Platform, after: Platform, *, backups: bool) -> Iterator[Finding]:
    """The findings, one for each check."""
    yield _journal(found)
    if found.unfinished:
        return  # it can only go on
    yield Finding(
        "system-target",
        "ok",
        f"{before.name} {before.release} to {after.release} ({after.code_name}), with free updates "
        f"until {after.last_day}",
    )
    yield _serving(found)
    yield _packages(found)
    yield _sources(found, before)
    yield _room(found)
    kept = "a backup leads back, to another host" if backups else "and nothing is backed up"
    yield Finding(
        "system-way-back",
        "note" if backups else "warning",
        f"once packages are installed there is no way back on this host: {kept}",
        "",
        "" if backups else "Make a copy of the host, or set backups up (`backup.to`), before that.",
    )


def _journal(found: Found) -> Finding:
    name = "system-journal"
    if found.at_work:
        remedy = f"Wait until it has ended; {FOLDER}/log says what it does."
        return Finding(name, "error", "an upgrade of the system is under way", "none", remedy)
    if not found.unfinished:
        return Finding(name, "ok", "no upgrade of the system is unfinished")
    step = found.journal["step"]
    cut = f"an upgrade of the system ended at the step {step}"
    return Finding(name, "warning", cut, "", f"It goes on; {FOLDER}/apt.log says where it stands.")


def _serving(found: Found) -> Finding:
    if found.serving:
        return Finding("system-serving", "ok", "the server runs")
    remedy = "Repair it first (`mattermost-host apply`), so that a failure is the upgrade's."
    needed = "a site that serves before its system is upgraded"
    return Finding("system-serving", "error", "the server does not run", needed, remedy)


def _packages(found: Found) -> Finding:
    name = "system-packages"
    if found.broken:
        wrong = f"not wholly installed: {', '.join(found.broken)}"
        remedy = "Mend that first: `dpkg --configure -a`, `apt-get -f install`."
        return Finding(name, "error", wrong, "each package wholly installed", remedy)
    if found.held:
        wrong = f"held in their version: {', '.join(found.held)}"
        remedy = "Release them (`apt-mark unhold`): what needs a newer one could not be upgraded."
        return Finding(name, "error", wrong, "no package that is held", remedy)
    return Finding(name, "ok", "none is held, and each is wholly installed")


def _sources(found: Found, before: Platform) -> Finding:
    if not found.others:
        return Finding("system-sources", "ok", f"all name {before.code_name}")
    return Finding(
        "system-sources",
        "warning",
        f"these don't name {before.code_name}, and stay: {', '.join(found.others)}",
        "",
        "Disable those that have nothing for the next release, and look at them afterwards.",
    )


def _room(found: Found) -> Finding:
    enough = found.free_mb >= ROOM_MB
    has = f"{found.free_mb} MB free" if found.free_mb >= 0 else "df does not answer"
    needed = f"{ROOM_MB} MB for packages, where they are fetched to and installed"
    remedy = "" if enough else "Make room (`apt-get clean` helps), or give the file system more."
    return Finding("system-room", "ok" if enough else "error", has, needed, remedy)
