"""Which of its files a process has read: each with a note of what was in it at the start.

systemd makes the link /run/systemd/units/invocation:UNIT anew at each start, so a file whose inode
changed before it has been read. One that changed later may have got no more than another mode or
owner, or been replaced by its like; then the note tells, which a line of the unit itself writes
at each start, whoever starts it. Of reloads there is no such note, since anybody may send one: what
is read by a reload is judged by time, against a stamp that ours leave.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from mattermost_host.ops.unit_files import FOLDERS

STAMPS = "/run/mattermost-host"
STARTED = "/run/systemd/units/invocation:"
STALE = "NeedDaemonReload=yes"
PRINTED = (
    r"-type l -printf '%l %p\n'"
    r" -o -type f -size -4096 -exec sha256sum {} +"
    # Of what is large, such as a program, the digest would delay the start.
    r" -o -type f -printf '%s.%i.%T@ %p\n'"
)
"""find's words for a line of each file: what is in it, and its path."""


def noted_at_start(paths: Sequence[str]) -> str:
    """The line of a unit's ``[Service]`` that notes what the process is about to read."""
    find = f"find {words(paths)} {PRINTED}".replace("%", "%%").replace("\\", "\\\\")
    # As root and outside of the sandbox; a start does not fail for it.
    note = f"{{ systemctl show -p NeedDaemonReload %n; {find}; }} > {STAMPS}/read:%n 2>/dev/null"
    return f'ExecStartPre=+-/bin/sh -c "mkdir -p -m 755 {STAMPS}; umask 077; {note}"'


def newer_than_start(unit: str, paths: Sequence[str]) -> str:
    """Shell that finds what changed since the start; another mode of a folder is not read."""
    started = f"{STARTED}{unit}"
    return f"find {words(paths)} \\( -type d -newer {started} -o ! -type d -cnewer {started} \\)"


def newer_than_reload(unit: str, paths: Sequence[str]) -> str:
    """Shell that finds what changed since the start and since the last reload.

    Of a folder, that something came or went: what is in it may be somebody's work in progress.
    """
    stamp = f"{STAMPS}/reloaded:{unit}"
    return (
        f"newer='-cnewer {STARTED}{unit}'\n"
        f'[ ! -e {stamp} ] || newer="$newer -cnewer {stamp}"\n'
        f"find {words(paths)} -maxdepth 0 $newer"
    )


def script(unit: str, restart_on: Sequence[str], reload_on: Sequence[str]) -> str:
    """Shell that prints what changed since the start or reload, and then what was and is there."""
    since_start = newer_than_start(unit, restart_on) if restart_on else "true"
    since_reload = newer_than_reload(unit, reload_on) if reload_on else "true"
    return "\n".join(
        [
            f"changed=$({since_start} -printf 'Restart=%p\\n'",
            f"{since_reload} -printf 'Reload=%p\\n')",
            '[ -z "$changed" ] || echo "$changed"',
            f"note=$(find {STAMPS}/read:{unit} -newer {STARTED}{unit}"
            " -exec sed 's/^/Read=/' {} \\;)",
            '[ -z "$note" ] || echo "$note"',
            f"case $changed$note in *Restart=* | *{STALE}*)",
            f"  find {words(restart_on)} {PRINTED} | sed 's/^/Now=/'",
            ";; esac",
        ]
    )


def unread(answer: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The paths in which a process has not read at its start what is there."""
    now, then = _contents(answer.get("Now", ())), _contents(answer.get("Read", ()))
    changed = answer.get("Restart", ())
    if STALE in answer.get("Read", ()):
        # Somebody restarted the unit before systemd had read its files.
        of_unit = [path for path in now if path.startswith(FOLDERS) and path not in changed]
        return (*changed, *of_unit)
    if not then:
        return tuple(changed)
    # A folder is there for the files in it: those that are new are told, and those that are gone.
    folders = [path for path in changed if path not in now]
    gone = [path for path in then if path not in now and _is_in(path, folders)]
    return (*(path for path in changed if path in now and now[path] != then.get(path)), *gone)


def systemd_had_read(answer: Mapping[str, Sequence[str]]) -> bool:
    """Whether the unit files noted at the start are those by which systemd started it."""
    return "NeedDaemonReload=no" in answer.get("Read", ())


def noted(answer: Mapping[str, Sequence[str]]) -> Mapping[str, str] | None:
    """What was in each path at the start; None where that is not known."""
    return _contents(answer["Read"]) if systemd_had_read(answer) else None


def _contents(lines: Sequence[str]) -> dict[str, str]:
    pairs = (line.split(None, 1) for line in lines)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def words(paths: Iterable[str]) -> str:
    """The paths as words of a shell."""
    return " ".join(map(shlex.quote, paths))
