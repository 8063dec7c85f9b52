"""Whether another user can change what the caller is about to execute or use.

Uses the standard library only: the drift timer runs this file by itself, before anything else.
"""

import grp
import os
import pwd
import stat
import sys
from contextlib import suppress
from pathlib import Path


def mistrust(path: Path) -> str:
    """Why a user other than the caller and root could change ``path``; empty if none can.

    Its folders count, too: who may write to one can replace the file. Of a link, both ends are
    checked.
    """
    # Not Path.resolve(), which raises on a loop of links.
    for end in (Path.cwd() / path, Path(os.path.realpath(path))):
        reachable = True
        for one in (*reversed(end.parents), end):
            near = one in (end, end.parent)
            if reachable and (reason := _reason(one, sticky_is_enough=not near)):
                return reason
            if not reachable and (reason := _owner(one)):
                return reason
            reachable = reachable and _lets_others_in(one)
    return ""


def mistrust_tree(path: Path) -> str:
    """The same for ``path``, everything below it, and the targets of links there."""
    if reason := mistrust(path):
        return reason
    for folder, folders, files in os.walk(path.resolve()):
        for one in (Path(folder, name) for name in (*folders, *files)):
            reason = mistrust(one) if one.is_symlink() else _reason(one, sticky_is_enough=False)
            if reason:
                return reason
    return ""


def _reason(path: Path, *, sticky_is_enough: bool) -> str:
    try:
        status = path.lstat()
    except OSError:
        return ""  # opening it will report that
    mode = stat.S_IMODE(status.st_mode)
    if reason := _owner(path):
        return reason
    # A link has no mode of its own: who may replace it depends on its folder. In a sticky folder
    # such as /tmp, others can only add files of their own.
    if stat.S_ISLNK(status.st_mode) or (sticky_is_enough and mode & stat.S_ISVTX):
        return ""
    if mode & stat.S_IWOTH:
        return f"{path} is writable by every user (mode {mode:o})"
    if mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"{path} is writable by the group {_group_name(status.st_gid)} (mode {mode:o})"
    return ""


def _owner(path: Path) -> str:
    with suppress(OSError):
        uid = path.lstat().st_uid
        if uid not in {0, os.geteuid()}:
            return f"{path} belongs to {name_of(uid)}"
    return ""


def _lets_others_in(folder: Path) -> bool:
    """Whether other users can enter ``folder``; they can't enter a closed home, for example."""
    try:
        status = folder.lstat()
    except OSError:
        return True
    if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_IXOTH:
        return True
    by_group = status.st_mode & stat.S_IXGRP
    return bool(by_group) and not _is_private(status.st_gid, status.st_uid)


def _is_private(gid: int, uid: int) -> bool:
    """Whether the owner is the group's only member, as with Debian's user private groups."""
    if gid == 0:
        return True
    names = set()
    with suppress(KeyError):
        names |= set(grp.getgrgid(gid).gr_mem)
    names |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == gid}
    return names <= {name_of(uid), "root"}


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"with id {gid}"


def name_of(uid: int) -> str:
    """The user's name, or "the user with id …" for one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user with id {uid}"


if __name__ == "__main__":
    reasons = [reason for one in sys.argv[1:] if (reason := mistrust_tree(Path(one)))]
    sys.exit("\n".join(reasons) or 0)
