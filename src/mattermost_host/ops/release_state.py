"""The releases on a host, and whether a release's files are unchanged since it was unpacked.

A release gets a manifest in ``MANIFESTS`` of three files: the tarball's digest, the SHA-256 of each
file, and a list of type, mode, owner, size and change time. Each plan compares that list, which
costs one `find`; only files that were touched are hashed. A fourth file has the digests of these
three: a manifest that was changed proves nothing.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mattermost_host.engine.batch import Question

HOME = "/opt/mattermost"
RELEASES = f"{HOME}/releases"
MANIFESTS = f"{HOME}/manifests"
CURRENT = f"{HOME}/current"
NOTED = f"{HOME}/release"
"""File with the folder of the release that was switched to last, in case `current` is lost."""
UPGRADE = f"{HOME}/upgrade"
"""Root's folder of the last upgrade: journal, log, restore point."""
JOURNAL = f"{UPGRADE}/journal"
UPLOADS = f"{HOME}/.incoming-"
UNFINISHED = f"{RELEASES}/.new-"
OWNER = "root"
MOST_DIFFERENCES = 4000
"""Most lines that a host prints; after a chown of everything there are two for each file."""

Kind = Literal["content", "missing", "extra", "kind", "access", "touched"]
KINDS: Mapping[str, str] = {"f": "file", "d": "directory", "l": "symbolic link"}
CHANGED = "has another content"
ODD_NAME = "holds a file whose name has control characters"
TOUCHED = "was touched since it was unpacked; its content is the same"

PARTS = ("state", "sha256", "tarball")
SEAL = f"sha256sum {' '.join(PARTS)}"
"""Shell command that prints what the manifest's file `seal` must contain."""

LISTING = (
    r"find . \( -type d -printf 'd %m %U %G - - %p\n'"
    r" -o -type l -printf 'l - %U %G - - %p\t%l\n'"
    r" -o -printf '%y %m %U %G %s %C@ %p\n' \)"
    # Instead of a name that would break the lines, the folder that contains it is printed.
    r" , -name '*[[:cntrl:]]*' -printf 'x - - - - - %h\n'"
)
"""Shell command: one line for each path below the current folder; times of folders don't count."""


SAME_SIZE = r"""{ path = $0; sub(/^[+-] [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* [^ ]* /, "", path) }
  $2 == "f" && $1 == "+" { found[path] = $6 }
  $2 == "f" && $1 == "-" { wanted[path] = $6 }
  END { for (path in found) if (path in wanted && found[path] == wanted[path]) print path }"""
"""awk: of the differences, the files of the same size, which need to be hashed."""


@dataclass(frozen=True)
class Flaw:
    """A path of a release that differs from what was unpacked."""

    path: str
    """``./client/root.html``"""
    kind: Kind
    found: str
    """What is wrong, as the predicate of a sentence about the path."""
    open: bool = False
    """Whether other users can write it, or gain rights by it."""


@dataclass(frozen=True)
class Found:
    """The releases on a host, and the state of one of them."""

    releases: tuple[str, ...] = ()
    """Folders of complete releases, the newest first."""
    current: str | None = None
    """Target of the link `current`; None if there is no such link."""
    in_the_way: str = ""
    """What is there instead of the link: a directory, a file."""
    noted: str = ""
    """The folder that was switched to last."""
    previous: str = ""
    """The folder of the release before the last upgrade, which a rollback needs."""
    leftovers: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    tarball: str = ""
    """SHA-256 of the release's tarball; empty without a trustworthy manifest."""
    mistrusted: str = ""
    """Why its manifest proves nothing."""
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True)
class ReleaseState(Question["Found"]):
    """The releases on a host, and how the files of ``folder`` differ from its manifest."""

    about = "the releases of the server"

    folder: str
    """Empty for the release that `current` leads to."""
    by_hash: bool = False
    """Whether every file is hashed, not only those that were touched."""

    def script(self) -> str:
        folder = shlex.quote(self.folder) if self.folder else f"$(readlink {CURRENT})"
        manifest, release = f'"{MANIFESTS}/$folder"', f'"{RELEASES}/$folder"'
        places = f"{CURRENT} {RELEASES} {MANIFESTS} {manifest} {UPLOADS}*"
        script = [
            f"folder={folder}; folder=${{folder##*/}}",
            f"find {places} -maxdepth 1 -printf 'there=%y %u %m %T@ %p\\t%l\\n'",
            f'[ -f {NOTED} ] && read -r noted <{NOTED} && echo "noted=$noted"',
            f"[ -f {JOURNAL} ] && while IFS='=' read -r key value; do"
            f' [ "$key" != old ] || echo "previous=$value"; done <{JOURNAL}',
            f"[ -d {manifest} ] || exit 0",
            # Regular files only, so that reading them ends.
            f'[ "$(find {manifest} -mindepth 1 -type f -printf . -o -printf -)" = .... ] &&'
            f" (cd {manifest} && {SEAL} | cmp -s - seal) || {{ echo unsealed=yes; exit 0; }}",
            f'read -r tarball <{manifest}/tarball; echo "tarball=$tarball"',
            f"cd {release} || exit 0",
            f"hashed() {{ tr '\\n' '\\0' | xargs -0 -r sha256sum -- |"
            f" grep -vxFf {manifest}/sha256 | sed 's/^.\\{{66\\}}/content=/'; }}",
        ]
        if self.by_hash:
            script.append(f"cut -c67- <{manifest}/sha256 | hashed")
        script += [
            f"{LISTING} | cmp -s - {manifest}/state && exit 0",
            f"differences=$({{ {LISTING} | sed 's/^/+ /'; sed 's/^/- /' {manifest}/state; }} |"
            f" sort -k 2 | uniq -u -f 1 | head -n {MOST_DIFFERENCES})",
            "printf '%s\\n' \"$differences\" | sed s/^/differs=/",
            f"printf '%s\\n' \"$differences\" | awk '{SAME_SIZE}' | hashed",
        ]
        return "\n".join(script)

    def parse(self, lines: list[str]) -> Found:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        there = [_Entry.parse(text) for text in values.get("there", ())]
        releases = [one for one in there if one.type == "d" and one.folder == RELEASES]
        releases.sort(key=lambda one: -one.time)
        manifests = [one for one in there if one.folder == MANIFESTS and one.type == "d"]
        link = next((one for one in there if one.path == CURRENT), None)
        folder = self.folder or (link.target.rpartition("/")[2] if link else "")
        manifest = f"{MANIFESTS}/{folder}"
        kept = [one for one in there if manifest in (one.path, one.folder)]
        # Whoever can write the manifest can hide changes.
        is_open = "that others than root may write" if any(one.is_open for one in kept) else ""
        mistrusted = is_open or ("that is not as it was written" if "unsealed" in values else "")
        return Found(
            releases=tuple(one.name for one in releases if not one.name.startswith(".")),
            current=link.target if link and link.type == "l" else None,
            in_the_way=KINDS.get(link.type, "special file") if link and link.type != "l" else "",
            noted="".join(values.get("noted", ())),
            previous="".join(values.get("previous", ())),
            leftovers=tuple(
                one.path for one in there if one.path.startswith((UPLOADS, UNFINISHED))
            ),
            manifests=tuple(dict.fromkeys(one.name for one in manifests)),
            tarball="" if mistrusted else values.get("tarball", [""])[0],
            mistrusted=mistrusted,
            flaws=tuple(_flaws(values.get("differs", ()), values.get("content", ()))),
        )


@dataclass(frozen=True)
class _Entry:
    type: str
    user: str
    mode: int
    time: float
    path: str
    target: str

    @classmethod
    def parse(cls, text: str) -> "_Entry":
        type_, user, mode, time, path = text.split(" ", 4)
        path, _, target = path.partition("\t")
        return cls(type_, user, int(mode, 8), float(time), path, target)

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_open(self) -> bool:
        return self.user != OWNER or bool(self.mode & 0o022)


def _flaws(differences: Sequence[str], contents: Sequence[str]) -> Iterator[Flaw]:
    found: dict[str, list[str]] = {}
    wanted: dict[str, list[str]] = {}
    for line in differences:
        sign, _, rest = line.partition(" ")
        fields = rest.split(" ", 6)
        if len(fields) == 7:
            path, _, target = fields[6].partition("\t")
            (found if sign == "+" else wanted)[path] = [*fields[:6], target]
    for path in sorted({*found, *wanted, *contents}):
        content = path in contents
        yield _flaw(path, found.get(path), wanted.get(path), content=content)


def _flaw(path: str, found: list[str] | None, wanted: list[str] | None, *, content: bool) -> Flaw:
    if found is None:
        gone = wanted is not None
        return Flaw(path, "missing", "is missing") if gone else Flaw(path, "content", CHANGED)
    loose = found[0] in "fd" and bool(int(found[1], 8) & 0o7022)
    if wanted is None:
        odd = found[0] == "x"
        return Flaw(path, "extra", ODD_NAME if odd else "is no part of the release", loose)
    if found[0] != wanted[0]:
        kinds = [KINDS.get(one[0], "special file") for one in (found, wanted)]
        return Flaw(path, "kind", f"is a {kinds[0]} instead of a {kinds[1]}")
    owned = found[2:4] != wanted[2:4]
    said = []
    if content or found[4] != wanted[4]:
        said.append(CHANGED)
    if found[1] != wanted[1]:
        said.append(f"has mode {found[1]} instead of {wanted[1]}")
    if owned:
        said.append(f"belongs to {':'.join(found[2:4])} instead of {':'.join(wanted[2:4])}")
    if found[6] != wanted[6]:
        said.append(f"leads to {found[6]}")
    kind: Kind = "content" if CHANGED in said else "access" if said else "touched"
    return Flaw(path, kind, " and ".join(said) or TOUCHED, loose or owned)
