"""Delete a site's data for good: only what is the site's, and only where it is named.

No link is followed, and no mount point removed: of one of the site's own folders that is a mount
point the content goes and the folder stays.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.shell import PROGRESS
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops.backup_target import KEYS
from mattermost_host.ops.database_state import AS_POSTGRES
from mattermost_host.support.templates import render

LOOK_S = 20
"""Time limit for the size of a folder; all questions of a host together have 30 s."""
OURS = "^{role}(_before_[0-9_]+|_restored)?$"
"""Names of the site's database, and of those that a way back or a restore has left beside it."""


@dataclass(frozen=True)
class Found:
    """What there is of the site's data."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    """MB of each path that exists; -1 where that took too long."""
    links: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    """Those without a file: what stays of folders in which something is mounted."""
    unmounted: str = ""
    """Mount point of /etc/fstab above one of the paths at which nothing is mounted."""
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class AskData(Question[Found]):
    """Sizes of ``paths``, and which of the accounts ``users`` exist."""

    about = "the size of {paths}"
    waits = True

    paths: tuple[str, ...]
    users: tuple[str, ...] = ()

    def script(self) -> str:
        return f"""for path in {" ".join(self.paths)}; do
  if [ -L "$path" ]; then echo "link=$path"; continue; fi
  [ ! -f /etc/fstab ] || while read -r device point _; do
    case $device/$path/ in
      '#'*) ;;
      */"${{point%/}}"/*) [ "$point" = / ] || mountpoint -q "$point" || echo "unmounted=$point" ;;
    esac
  done </etc/fstab
  [ -e "$path" ] || continue
  ! mountpoint -q "$path" || echo "mount=$path"
  echo "size=$(timeout {LOOK_S} du -sxm "$path" | cut -f 1)=$path"
  file=$(timeout {LOOK_S} find "$path" -xdev -mindepth 1 ! -type d -print -quit)
  [ "$file" ] || echo "bare=$path"
done
for user in {" ".join(self.users)}; do
  ! getent passwd "$user" >&2 || echo "account=$user"
done"""

    def parse(self, lines: list[str]) -> Found:
        rows = [line.partition("=")[::2] for line in lines]
        sizes = (value.partition("=")[::2] for key, value in rows if key == "size")
        return Found(
            sizes={path: int(size) if size.isdecimal() else -1 for size, path in sizes},
            links=tuple(value for key, value in rows if key == "link"),
            mounts=tuple(value for key, value in rows if key == "mount"),
            bare=tuple(value for key, value in rows if key == "bare"),
            unmounted=next((value for key, value in rows if key == "unmounted"), ""),
            accounts=tuple(value for key, value in rows if key == "account"),
        )


def size(found: Found, path: str) -> str:
    """The path with its size, in words."""
    mb = found.sizes.get(path, -1)
    return f"{path} ({'size unknown' if mb < 0 else f'{mb} MB'})"


def folders(name: str, paths: tuple[str, ...], users: tuple[str, ...] = ()) -> OperationMeta:
    """Keep nothing in ``paths``, the innermost first, nor the accounts ``users`` that owned it."""
    expect(AskData(paths, users))
    return _folders(name=name, paths=paths, users=users)


@operation()
def _folders(
    paths: tuple[str, ...], users: tuple[str, ...]
) -> Generator[StringCommand, None, None]:
    found = ask(AskData(paths, users))
    # What a deletion leaves: empty mount points, and the folders above them.
    left = [one for one in found.bare if any(point.startswith(one) for point in found.mounts)]
    there = [one for one in paths if one in found.sizes and one not in left]
    if not found.accounts and not there:
        host.noop("nothing is left")
        return
    said = "is deleted for good"
    emptied = f"{said}; the mount point stays"
    shown = [one for one in there if one in found.mounts or not _inside(one, there)]
    explain(
        *(_grave(size(found, one), emptied if one in found.mounts else said) for one in shown),
        *(_grave(f"the account {one}", said) for one in found.accounts),
    )
    yield from changing(StringCommand("\n".join(_deleted(paths, found.accounts))))


def _inside(path: str, others: Sequence[str]) -> bool:
    return any(path.startswith(f"{one}/") for one in others)


def _grave(subject: str, said: str) -> Change:
    return Change(subject, said, severity="critical", heals=False)


def _deleted(paths: tuple[str, ...], users: tuple[str, ...]) -> Iterator[str]:
    yield f"""set -eu
cd /
for path in {" ".join(paths)}; do
  [ -d "$path" ] && [ ! -L "$path" ] || continue
  # What another file system is mounted on stays, with the folders above it.
  find "$path" -xdev -mindepth 1 -delete 2>/dev/null || :
  left=$(find "$path" -xdev -mindepth 1 ! -type d -print -quit)
  [ -z "$left" ] || {{ echo "$left could not be deleted." >&2; exit 1; }}
  mountpoint -q "$path" || rmdir "$path" 2>/dev/null ||
    echo "{PROGRESS}$path stays: a file system is mounted in it."
done"""
    yield from (f"userdel {one}" for one in users)


def database(
    name: str, cluster: Cluster, role: str, left: tuple[str, ...], *, debian: bool
) -> OperationMeta:
    """Keep nothing of the database of ``role`` in ``cluster``, which does not run.

    ``left`` are paths of root's that are of no use without it.
    """
    expect(_question(cluster))
    return _database(name=name, cluster=cluster, role=role, left=left, debian=debian)


def _version_of(cluster: Cluster) -> str:
    """A file that each cluster has; the folder alone may be its package's."""
    return f"{cluster.data}/PG_VERSION"


def _question(cluster: Cluster) -> AskData:
    return AskData((cluster.data, _version_of(cluster)))


@operation()
def _database(
    cluster: Cluster, role: str, left: tuple[str, ...], debian: bool
) -> Generator[StringCommand, None, None]:
    found = ask(_question(cluster))
    data, label = cluster.data, "/".join(cluster.name)
    odd = data in found.links or data in found.mounts
    if _version_of(cluster) not in found.sizes:
        host.noop("there is no database")
        return
    said = "is deleted for good, unless others have databases or roles in it: then only the site's"
    if odd:
        said = "is a link or a mount point and stays; the site's databases and role are deleted"
    explain(_grave(f"PostgreSQL {label} in {size(found, data)}", said))
    script = render(
        "uninstall/delete-database.sh.j2",
        as_postgres=AS_POSTGRES,
        programs=cluster.programs,
        settings=cluster.settings if debian else data,
        data=data,
        name=label,
        major=cluster.name[0],
        role=role,
        stays="yes" if odd else "",
        debian=debian,
        home=KEYS,
        progress=PROGRESS,
        others=_others(role),
        ours=f"SELECT datname::text AS said FROM pg_database WHERE {_is_ours(role)}",
    )
    yield from changing(StringCommand(f"set -eu\n(\n{script}\n)\nrm -rf -- {' '.join(left)}"))


def _is_ours(role: str) -> str:
    return f"datname ~ '{OURS.format(role=role)}'"


def _others(role: str) -> str:
    """SQL, for a terminal of one line, that names whatever a new cluster of the site lacks."""
    return " UNION ALL ".join(
        (
            "SELECT 'the database ' || datname AS said FROM pg_database WHERE datname NOT IN"
            f" ('template0', 'template1', 'postgres') AND NOT {_is_ours(role)}",
            "SELECT 'the role ' || rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname"
            f" NOT IN ('postgres', '{role}')",
            "SELECT 'the tablespace ' || spcname FROM pg_tablespace WHERE spcname !~ '^pg_'",
            "SELECT 'the table ' || relname FROM pg_class JOIN pg_namespace n ON n.oid ="
            " relnamespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
            "SELECT 'answered'",
        )
    )
