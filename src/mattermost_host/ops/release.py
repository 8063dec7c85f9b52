"""A release of the server on the host: pushed, unpacked aside, switched by one rename.

A release is complete when its folder exists, because the folder gets its name last. The link
`current` is replaced atomically; the releases before the last two are removed.
"""

import shlex
from collections.abc import Generator
from dataclasses import dataclass
from secrets import token_hex

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.push import push
from mattermost_host.engine.questions import Question, ask, changing, expect
from mattermost_host.releases.choice import Release

HOME = "/opt/mattermost"
RELEASES = f"{HOME}/releases"
CURRENT = f"{HOME}/current"
KEPT = 2
COMPRESSED = "js|css|svg|json|wasm|html"
"""Static files of the web application that gain from compression."""
UPLOADS = f"{HOME}/.incoming-"
UNFINISHED = f"{RELEASES}/.new-"
LOCK = "/run/lock/mattermost-host.release"
"""Held while a release is unpacked: a killed run leaves its shell behind, at work."""


@dataclass(frozen=True)
class ReleaseState(Question):
    """Folder names of the complete releases, the one that is current, and leftovers."""

    def script(self) -> str:
        return (
            f"ls -1t {RELEASES} | sed s/^/release=/\n"
            f"readlink {CURRENT} | sed s/^/current=/\n"
            f"ls -d {UNFINISHED}* {UPLOADS}* | sed s/^/leftover=/"
        )

    def parse(self, lines: list[str]) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {"release": [], "current": [], "leftover": []}
        for line in lines:
            key, _, value = line.partition("=")
            values[key].append(value)
        return values


def current(name: str, release: Release) -> OperationMeta:
    """Keep ``release`` unpacked and current."""
    expect(ReleaseState())
    return _current(name=name, release=release)


@operation()
def _current(release: Release) -> Generator[StringCommand | FunctionCommand, None, None]:
    now = ask(ReleaseState())
    target = f"releases/{release.folder}"
    prunable = _prunable(now["release"], release.folder)
    missing = release.folder not in now["release"]
    if not missing and now["current"] == [target] and not prunable and not now["leftover"]:
        host.noop("the release is current")
        return
    explain(*_explained(now, release.folder, prunable))
    if missing:
        tarball, run = release.fetch(), token_hex(4)
        yield from changing(StringCommand(f"mkdir -p {RELEASES}"))
        yield push(tarball.path, UPLOADS + run)
        yield StringCommand(_unpack(release.folder, run, tarball.sha256))
    steps = ["set -eu", f"exec 9>{LOCK}; flock -w 600 9", f"rm -rf {UNFINISHED}* {UPLOADS}*"]
    if now["current"] != [target]:
        steps.append(f"ln -sfn {target} {CURRENT}~; mv -fT {CURRENT}~ {CURRENT}")
    steps += [f"rm -rf {RELEASES}/{shlex.quote(old)}" for old in prunable]
    yield from changing(StringCommand("\n".join(steps)))


def _explained(
    now: dict[str, list[str]], folder: str, prunable: list[str]
) -> Generator[Change, None, None]:
    if folder not in now["release"]:
        yield Change(f"release {folder}", "is not on the host")
    if now["current"] != [f"releases/{folder}"]:
        yield Change(CURRENT, f"leads to {''.join(now['current']) or 'nothing'}")
    for old in (*prunable, *now["leftover"]):
        yield Change(old, "is not needed any more", severity="info")


def _prunable(newest_first: list[str], wanted: str) -> list[str]:
    """All but the wanted release and the newest others, ``KEPT`` in all."""
    others = [folder for folder in newest_first if folder != wanted]
    return others[KEPT - 1 :]


def _unpack(folder: str, run: str, sha256: str) -> str:
    """Verify what arrived, unpack it aside, try the binary, compress, and name it last."""
    new, uploaded = UNFINISHED + run, UPLOADS + run
    return f"""set -eu
trap 'rm -rf {uploaded} {new}' EXIT
exec 9>{LOCK}; flock -w 600 9
[ ! -d {RELEASES}/{folder} ] || exit 0
echo '{sha256}  {uploaded}' | sha256sum -c --quiet
umask 022
mkdir -m 700 {new}
tar -xzf {uploaded} -C {new} --strip-components=1 --no-same-owner --no-same-permissions
chown -R -h root:root {new}
chmod -R u=rwX,go=rX,a-st {new}
cd {new}
runuser -u mattermost -- bin/mattermost version >/dev/null ||
  {{ echo 'the server binary does not run on this host' >&2; exit 1; }}
find client -type f -size +1k -regextype posix-extended -regex '.*\\.({COMPRESSED})' -print0 |
  xargs -0 -r -n 32 -P 2 gzip -9 -k -f -n
sync -f {new}
touch {new}
mv -T {new} {RELEASES}/{folder}"""
