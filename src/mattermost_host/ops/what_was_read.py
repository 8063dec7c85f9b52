"""Which of its files a running process has read, by time and by a note of their content.

systemd creates the link /run/systemd/units/invocation:UNIT anew at each start, so a file whose
inode changed before that has been read. A file that changed later may only have another mode or
owner, or the same content again. The note decides that: an ExecStartPre line of the unit writes it
at each start, whoever starts the unit. There is no such note for reloads, which anybody may send:
they are judged by time, against a stamp that our reloads leave.
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
    # Large files, such as a program, are not hashed, which would delay the start.
    r" -o -type f -printf '%s.%i.%T@ %p\n'"
)
"""find's actions that print a line for each file: its content (digest or target) and its path."""


def noted_at_start(paths: Sequence[str]) -> str:
    """The line for a unit's ``[Service]`` section that notes what the process is about to read."""
    find = f"find {words(paths)} {PRINTED}".replace("%", "%%").replace("\\", "\\\\")
    # "+-": as root, outside of the sandbox, and a failure does not stop the start.
    note = f"{{ systemctl show -p NeedDaemonReload %n; {find}; }} > {STAMPS}/read:%n 2>/dev/null"
    return f'ExecStartPre=+-/bin/sh -c "mkdir -p -m 755 {STAMPS}; umask 077; {note}"'


def newer_than_start(unit: str, paths: Sequence[str]) -> str:
    """Shell command that finds what changed since the start; a folder's mode does not count."""
    started = f"{STARTED}{unit}"
    return f"find {words(paths)} \\( -type d -newer {started} -o ! -type d -cnewer {started} \\)"


def newer_than_reload(unit: str, paths: Sequence[str]) -> str:
    """Shell commands that find what changed since the start and since the last reload.

    Of a folder, only names that came or went: files in it may be somebody's work in progress.
    """
    stamp = f"{STAMPS}/reloaded:{unit}"
    return (
        f"newer='-cnewer {STARTED}{unit}'\n"
        f'[ ! -e {stamp} ] || newer="$newer -cnewer {stamp}"\n'
        f"find {words(paths)} -maxdepth 0 $newer"
    )


def script(unit: str, restart_on: Sequence[str], reload_on: Sequence[str]) -> str:
    """Shell script that prints what changed since start or reload, and the old and new content."""
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
    """The paths whose current content the process has not read at its start."""
    now, then = _contents(answer.get("Now", ())), _contents(answer.get("Read", ()))
    changed = answer.get("Restart", ())
    if STALE in answer.get("Read", ()):
        # The unit was restarted before systemd had read its files.
        of_unit = [path for path in now if path.startswith(FOLDERS) and path not in changed]
        return (*changed, *of_unit)
    if not then:
        return tuple(changed)
    # A folder itself does not count: new and removed files in it are listed.
    folders = [path for path in changed if path not in now]
    gone = [path for path in then if path not in now and _is_in(path, folders)]
    return (*(path for path in changed if path in now and now[path] != then.get(path)), *gone)


def systemd_had_read(answer: Mapping[str, Sequence[str]]) -> bool:
    """Whether systemd had read the noted unit files when it started the process."""
    return "NeedDaemonReload=no" in answer.get("Read", ())


def noted(answer: Mapping[str, Sequence[str]]) -> Mapping[str, str] | None:
    """Path -> content at the start; None if that is not known."""
    return _contents(answer["Read"]) if systemd_had_read(answer) else None


def _contents(lines: Sequence[str]) -> dict[str, str]:
    pairs = (line.split(None, 1) for line in lines)
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def words(paths: Iterable[str]) -> str:
    """The paths, quoted for the shell."""
    return " ".join(map(shlex.quote, paths))
