"""Shell scripts that unpack, repair, switch and prune releases.

Everything new is made in a temporary folder and renamed last, so a killed run leaves nothing that
counts. A release is repaired from a second copy, unpacked from the verified tarball: each path that
differs is replaced as a whole, the topmost first, so that root never writes below a folder that
another user can change.
"""

import shlex

from mattermost_host.engine.shell import exclusive
from mattermost_host.ops.release_state import (
    HOME,
    LISTING,
    MANIFESTS,
    NOTED,
    RELEASES,
    SEAL,
    UNFINISHED,
    UPLOADS,
)

LOCK = "/run/mattermost-host-release.lock"
"""Lock for unpacking a release: the shell of a killed run goes on."""
COMPRESSED = "js|css|svg|json|wasm|html"
"""Static files of the web application that are worth compressing."""
BROTLI = 9
"""Measured with 155 MB of real scripts: gzip -9 gives 20.3 MB in 12.5 s of processor time, brotli 9
gives 15.3 MB in 5.3 s, 10 gives 14.0 MB in 56 s, 11 gives 13.6 MB in 148 s. So the host compresses
them.
"""
UNKNOWN = "unknown"
"""The digest in the manifest of a release whose tarball is unknown."""

HEAD = f"""set -eu
umask 077; exec 9>>{LOCK}
{exclusive(9, "the unpacking of a release by an earlier run")}
umask 022"""

HASHES = "find . -type f -print0 | xargs -0 -r sha256sum --"


def unpack(folder: str, run: str, sha256: str) -> str:
    """Unpack the uploaded tarball, and rename the folder last."""
    new, release = UNFINISHED + run, shlex.quote(f"{RELEASES}/{folder}")
    return f"""{_aside(run, sha256)}
[ ! -d {release} ] || exit 0
{_made(new, sha256)}
{_manifest(new, f"{new}.manifest")}
{_noted(folder, f"{new}.manifest")}
mv -T {new} {release}"""


def put_right(folder: str, run: str, sha256: str) -> str:
    """Replace what differs from the tarball in an unpacked release."""
    new, release = UNFINISHED + run, shlex.quote(f"{RELEASES}/{folder}")
    return f"""{_aside(run, sha256)}
{_made(new, sha256)}
listed() {{ cd "$1" && {{ find . \\( -type l -printf 'm l - %U %G %p\\t%l\\n' \\
  -o -printf 'm %y %m %U %G %p\\n' \\) , -name '*[[:cntrl:]]*' -printf 'm x - - - %h\\n'
  {HASHES} | sed 's/^\\([^ ]*\\)  /h - - - \\1 /'; }}; }}
moved() {{ [ ! -e "$1" ] && [ ! -L "$1" ] || mv -T -- "$1" "$2"; }}
mkdir -m 700 {new}.old
number=0
{{ (listed {release} | sed 's/^/+ /'); (listed {new} | sed 's/^/- /'); }} | sort -k 2 |
  uniq -u -f 1 | sed -n 's/^[+-] [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* \\([^\\t]*\\).*/\\1/p' | sort -u |
  awk '{{ up = ""; n = split($0, part, "/")
    for (i = 1; i < n; i++) {{ up = up (i > 1 ? "/" : "") part[i]; if (up in done) next }}
    done[$0]; print }}' >{new}.paths
while IFS= read -r path; do
  number=$((number + 1))
  if [ "$path" = . ]; then
    mv -T {release} {new}.old/$number; mv -T {new} {release}
  else
    moved {release}/"$path" {new}.old/$number; moved {new}/"$path" {release}/"$path"
  fi
done <{new}.paths
(cd {release} && sha256sum -c --quiet {new}.manifest/sha256)
{_without_capabilities(folder)}
{_manifest(release, f"{new}.manifest")}
{_noted(folder, f"{new}.manifest")}"""


def list_again(folder: str, run: str) -> str:
    """Renew the manifest of a release whose files were touched, if their content is unchanged."""
    new, release = UNFINISHED + run, shlex.quote(f"{RELEASES}/{folder}")
    manifest = shlex.quote(f"{MANIFESTS}/{folder}")
    return f"""{HEAD}
trap 'rm -rf {new}*' EXIT
(cd {release} && sha256sum -c --quiet {manifest}/sha256)
{_without_capabilities(folder)}
cp -r {manifest} {new}.manifest
{_manifest(release, f"{new}.manifest")}
{_noted(folder, f"{new}.manifest")}"""


def adopt(folder: str, run: str) -> str:
    """Make a manifest of a release's files as they are, without a tarball to compare them with."""
    new, release = UNFINISHED + run, shlex.quote(f"{RELEASES}/{folder}")
    return f"""{HEAD}
trap 'rm -rf {new}*' EXIT
mkdir -m 755 {new}.manifest
echo {UNKNOWN} >{new}.manifest/tarball
(cd {release} && {HASHES}) >{new}.manifest/sha256
{_manifest(release, f"{new}.manifest")}
{_noted(folder, f"{new}.manifest")}"""


def switch(folder: str, aside: str = "") -> str:
    """Note ``folder`` and link `current` to it; what is there instead of the link is kept."""
    steps = [HEAD, f"echo {shlex.quote(folder)} >{NOTED}~; sync {NOTED}~; mv -fT {NOTED}~ {NOTED}"]
    current, target = f"{HOME}/current", shlex.quote(f"releases/{folder}")
    if aside:
        steps.append(f"mv -T {current} {aside}; chmod 700 {aside}")
    steps.append(f"ln -sfn {target} {current}~; mv -fT {current}~ {current}")
    return "\n".join(steps)


def prune(folders: list[str]) -> str:
    """Remove these releases, and what killed runs left."""
    steps = [HEAD, f"rm -rf {UNFINISHED}* {UPLOADS}*"]
    for folder in folders:
        steps.append(f"rm -rf -- {shlex.quote(f'{RELEASES}/{folder}')}")
        steps.append(f"rm -rf -- {shlex.quote(f'{MANIFESTS}/{folder}')}")
    return "\n".join(steps)


def _aside(run: str, sha256: str) -> str:
    uploaded, new = UPLOADS + run, UNFINISHED + run
    return f"""{HEAD}
trap 'rm -rf {uploaded} {new}*' EXIT
echo '{sha256}  {uploaded}' | sha256sum -c --quiet"""


def _made(new: str, sha256: str) -> str:
    """Unpack the release, compress its static files, and hash its files."""
    uploaded = UPLOADS + new.removeprefix(UNFINISHED)
    static = f"find client -type f -size +1k -regextype posix-extended -regex '.*\\.({COMPRESSED})'"
    return f"""mkdir -m 700 {new}
tar -xzf {uploaded} -C {new} --strip-components=1 --no-same-owner --no-same-permissions
rm {uploaded}
chown -R -h root:root {new}
chmod -R u=rwX,go=rX,a-st {new}
cd {new}
runuser -u mattermost -- bin/mattermost version >/dev/null ||
  {{ echo 'the server binary does not run on this host' >&2; exit 1; }}
{static} -print0 | xargs -0 -r -n 32 -P 2 gzip -9 -k -f -n
! command -v brotli >/dev/null ||
  {static} -print0 | xargs -0 -r -n 32 -P 2 brotli -q {BROTLI} -k -f
! selinuxenabled 2>/dev/null || restorecon -FR {new}
mkdir -m 755 {new}.manifest
echo {sha256} >{new}.manifest/tarball
{HASHES} >{new}.manifest/sha256
cd {HOME}"""


def _without_capabilities(folder: str) -> str:
    """Take the capabilities of files that were touched: the kernel does so with each chown.

    No list of files shows them, and each other file keeps its time, by which restarts are decided.
    """
    state = shlex.quote(f"{MANIFESTS}/{folder}/state")
    release = shlex.quote(f"{RELEASES}/{folder}")
    find = f"find . -type f -newercm {state} -exec chown -h root:root -- {{}} +"
    return f"[ ! -e {state} ] || (cd {release} && {find})"


def _manifest(release: str, manifest: str) -> str:
    return f"(cd {release} && {LISTING}) >{manifest}/state"


def _noted(folder: str, manifest: str) -> str:
    """Sync to disk, and move the manifest into place."""
    place = shlex.quote(f"{MANIFESTS}/{folder}")
    sealed = f"(cd {manifest} && {SEAL} >seal)\nsync -f {manifest}"
    return f"{sealed}\nrm -rf {place}\nmv -T {manifest} {place}"
