"""The server's release on a host: unpack it, switch to it, prune older ones.

Three operations, so that an upgrade can put its own steps between them. A release is complete if
its folder exists, because the folder gets its name last; the link `current` is replaced by one
rename. Only a run that an operator starts moves a host to another release.
"""

from collections.abc import Generator, Iterator
from secrets import token_hex

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import beforehand
from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, Severity, explain, foretell
from mattermost_host.engine.push import push
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops import release_scripts as scripts
from mattermost_host.ops.release_state import (
    CURRENT,
    MANIFESTS,
    NOTED,
    RELEASES,
    UPLOADS,
    Flaw,
    Found,
    ReleaseState,
)
from mattermost_host.releases.choice import Release
from mattermost_host.releases.installed import Installed, installed, meaning_of_move

KEPT = 2
SHOWN = 20
"""Number of changed files that are named."""
PROGRAMS = ("bin/mattermost", "config", "fonts", "i18n", "prepackaged_plugins", "templates")
"""Paths that the server reads when it starts; it reads the web application at each request."""
COMPARED = {
    True: "so its files are compared with its tarball",
    False: "and no tarball that can be verified; its files are taken as they are",
}
"""What is done with a release without a manifest, by whether its tarball can be verified."""
AT_START = {f"./{name}" for name in PROGRAMS}

Commands = Generator[StringCommand | FunctionCommand, None, None]


def read_at_start(folder: str) -> list[str]:
    """The paths that the server reads when it starts."""
    return [f"{RELEASES}/{folder}/{name}" for name in PROGRAMS]


def unpacked(name: str, release: Release) -> OperationMeta:
    """Keep ``release`` on the host, each file as it was unpacked."""
    expect(_question(release))
    return _unpacked(name=name, release=release)


def switched(name: str, release: Release) -> OperationMeta:
    """Keep the link `current` on ``release``."""
    expect(_question(release))
    return _switched(name=name, release=release)


def pruned(name: str, release: Release) -> OperationMeta:
    """Keep ``release``, the current one, and the way back or the newest other; remove the rest."""
    expect(_question(release))
    return _pruned(name=name, release=release)


def _question(release: Release) -> ReleaseState:
    return ReleaseState(release.folder, release.by_hash)


@operation()
def _unpacked(release: Release) -> Commands:
    now: Found = ask(_question(release))
    folder, run = release.folder, token_hex(4)
    changes = list(_of_files(release, now))
    if not changes:
        host.noop("the release is as it was unpacked")
        return
    explain(*changes)
    foretell(dict.fromkeys(_replaced(release, now), "as unpacked"))
    there = folder in now.releases
    if there and all(flaw.kind == "touched" for flaw in now.flaws) and now.tarball:
        yield from changing(StringCommand(scripts.list_again(folder, run)))
    elif there and not now.tarball and not release.can_be_verified:
        yield from changing(StringCommand(scripts.adopt(folder, run)))
    elif not is_executing():
        beforehand.note(lambda: release.fetch(now.tarball))
        yield from changing(StringCommand(f"true {folder}"))
    else:
        tarball = release.fetch(now.tarball)
        yield from changing(StringCommand(f"mkdir -p {RELEASES} {MANIFESTS}"))
        yield push(tarball.path, UPLOADS + run)
        script = scripts.put_right if there else scripts.unpack
        yield StringCommand(script(folder, run, tarball.sha256))


def _of_files(release: Release, now: Found) -> Iterator[Change]:
    place = f"{RELEASES}/{release.folder}"
    if release.folder not in now.releases:
        moves = _installed(now) is not None
        yield Change(place, "is not on the host", heals=not moves)
    elif not now.tarball:
        has = f"a manifest {now.mistrusted}" if now.mistrusted else "no manifest"
        yield Change(place, f"has {has}, {COMPARED[release.can_be_verified]}")
    for flaw in now.flaws[:SHOWN]:
        yield Change(_path(place, flaw), flaw.found, severity=_severity(flaw))
    if len(now.flaws) > SHOWN:
        more = len(now.flaws) - SHOWN
        worst = max(map(_severity, now.flaws[SHOWN:]), key=["info", "warning", "critical"].index)
        yield Change(place, f"has {more} more files that are not as unpacked", severity=worst)


def _replaced(release: Release, now: Found) -> Iterator[str]:
    """The paths that get another content, or are replaced by another file."""
    place = f"{RELEASES}/{release.folder}"
    yield from (_path(place, flaw) for flaw in now.flaws if flaw.kind != "touched")


def _path(place: str, flaw: Flaw) -> str:
    return place + flaw.path.removeprefix(".")


def _severity(flaw: Flaw) -> Severity:
    if flaw.kind == "touched":
        return "info"
    program = flaw.path == "." or any(f"{flaw.path}/".startswith(f"{one}/") for one in AT_START)
    return "critical" if flaw.open or flaw.kind == "content" or program else "warning"


@operation()
def _switched(release: Release) -> Commands:
    now: Found = ask(_question(release))
    leads, target = now.current, f"releases/{release.folder}"
    if leads == target and now.noted == release.folder:
        host.noop("the release is current")
        return
    explain(*_of_link(release, now))
    foretell({CURRENT: target} if leads != target else {})
    aside = f"{CURRENT}.moved-{token_hex(4)}" if now.in_the_way else ""
    yield from changing(StringCommand(scripts.switch(release.folder, aside)))


def _of_link(release: Release, now: Found) -> Iterator[Change]:
    before, target = _installed(now), f"releases/{release.folder}"
    wanted = Installed.parse(release.folder)
    if before and wanted and before != wanted:
        move = meaning_of_move(before, wanted)
        yield Change(CURRENT, move, severity="critical", heals=False)
    elif now.in_the_way:
        found = f"is a {now.in_the_way} instead of a link; it is kept as {CURRENT}.moved-…"
        yield Change(CURRENT, found, severity="critical")
    elif now.current is None:
        yield Change(CURRENT, "is missing")
    elif now.current != target:
        yield Change(CURRENT, f"leads to {now.current} instead of {target}", severity="critical")
    elif now.noted != release.folder:
        yield Change(NOTED, f"says {now.noted or 'nothing'} instead of {release.folder}")


def _installed(now: Found) -> Installed | None:
    return installed(now.current or "", now.noted, now.releases)


@operation()
def _pruned(release: Release) -> Commands:
    now: Found = ask(_question(release))
    folders = _prunable(now, release.folder)
    orphans = [one for one in now.manifests if one not in now.releases and one != release.folder]
    if not folders and not orphans and not now.leftovers:
        host.noop("nothing is left to prune")
        return
    for_nobody = [f"{RELEASES}/{one}" for one in folders] + [
        f"{MANIFESTS}/{one}" for one in orphans
    ]
    explain(
        *(
            Change(path, "is not needed any more", severity="info")
            for path in (*for_nobody, *now.leftovers)
        )
    )
    yield from changing(StringCommand(scripts.prune([*folders, *orphans])))


def _prunable(now: Found, wanted: str) -> list[str]:
    """All releases but ``KEPT``: the wanted, the current, the way back, the newest others."""
    current = (now.current or "").removeprefix("releases/")
    used = {wanted, current, now.noted, now.previous} & {wanted, *now.releases}
    others = [folder for folder in now.releases if folder not in used]
    return others[max(0, KEPT - len(used)) :]
