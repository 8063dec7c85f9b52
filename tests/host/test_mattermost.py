"""The server, on its own host."""

import json
from typing import Any

from mattermost_host.components import base, mattermost
from mattermost_host.ops.account import Account
from mattermost_host.ops.release_state import HOME, MANIFESTS, RELEASES
from mattermost_host.ops.state_files import FOLDERS, STATE
from tests.host import asking, judge, judge_files, judge_web
from tests.host.asking import Seen
from tests.host.recording import Recorder, bounded_by_container

OPEN_FILES = 65_536
"""Each WebSocket needs a file descriptor: enough for the largest site on one server."""


def test_the_server_and_its_stores_are_well(seen: Seen) -> None:
    """The server answers, and it, its database and its file store are well."""
    ping = seen.answers[asking.PING]
    judge.holds(judge_web.ping(ping.status, _object(ping.body)))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def test_the_current_release_runs(seen: Seen) -> None:
    """The running release is the current one."""
    judge.holds(judge.binary(seen.answers[asking.BINARY], RELEASES))


def test_the_release_is_as_it_was_unpacked(seen: Seen) -> None:
    """Each file of the release has the content, mode and owner that it was unpacked with."""
    judge.holds(judge.release(seen.answers[asking.RELEASE]))


def test_the_server_runs_its_current_files(seen: Seen) -> None:
    """The server was started after its files changed."""
    judge.holds(judge.current_files(mattermost.UNIT, seen.answers[asking.SERVER_FILES]))


def test_the_server_may_open_enough_files(seen: Seen, record_property: Recorder) -> None:
    """The server may open enough files."""
    process = seen.main_process(mattermost.UNIT)
    found = [process] if process else []
    expected = bounded_by_container(seen, OPEN_FILES, record_property)
    judge.holds(judge.open_files("the server", found, expected))


def test_folders_belong_to_their_owners(seen: Seen) -> None:
    """Its folders belong to their owners."""
    own = (mattermost.USER, mattermost.USER, "750")
    root = ("root", "root", "755")
    expected = {
        base.FOLDER: root,
        HOME: root,
        RELEASES: root,
        MANIFESTS: root,
        **dict.fromkeys((STATE, *FOLDERS), own),
    }
    judge.holds(judge.folders(expected, seen.answers[asking.FOLDERS]))


def test_its_files_are_its_own(seen: Seen, record_property: Recorder) -> None:
    """Each file in its folders is owned, readable and writable by it; links are reported."""
    found = seen.answers[asking.MEMBERS]
    for one in found.odd:
        record_property("in its folders", f"{one.path} is a {one.kind}")
    if found.unfinished:
        record_property("in its folders", "there was no time to look at every file")
    judge.holds(judge_files.members(asking.MEMBERS.user, found))


def test_its_account_is_no_administrator(seen: Seen) -> None:
    """Its account is locked, for its service alone, and in no group of administrators."""
    judge.holds(judge.account(asking.ACCOUNT, seen.answers[Account(asking.ACCOUNT.user)]))
