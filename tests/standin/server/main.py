"""bin/mattermost: version, server (the default), db migrate, version and downgrade."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mattermost_standin import FULL_VERSION, HABITS, VERSION, StartError, find
from mattermost_standin.log import configure, log, to_console
from mattermost_standin.settings import Values

USAGE = "usage: mattermost [server | version | db migrate | db version | db downgrade PLAN]"
FIRST_WITH_PLANS = 11
"""The major version since which a plan of the migrations can be saved."""


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0, 1 for a start that failed, 2 for a wrong command."""
    words = list(arguments) or ["server"]
    to_console()
    try:
        command = _command(words)
        if command:
            return command()
    except StartError as error:
        log.critical("%s", error)
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(USAGE, file=sys.stderr)
    return 2


def _command(words: Sequence[str]) -> Callable[[], int] | None:
    commands: dict[tuple[str, ...], Callable[[], int]] = {
        ("version",): _version,
        ("server",): _server,
        ("db", "migrate"): _migrate,
        ("db", "version"): _db_version,
    }
    if int(VERSION.split(".")[0]) >= FIRST_WITH_PLANS:
        commands["db", "migrate", "--save-plan", "--dry-run"] = _save_plan
    if tuple(words[:2]) == ("db", "downgrade") and len(words) == 3:
        return lambda: _downgrade(Path(words[2]))
    return commands.get(tuple(words))


def _version() -> int:
    print(f"Version: {FULL_VERSION}")
    print(f"Build Number: {FULL_VERSION}")
    print("Build Enterprise Ready: false")
    print(f"This is the stand-in server of tests for Mattermost {VERSION}; it is no Mattermost.")
    return 0


def _server() -> int:
    if "exits" in HABITS:
        raise StartError("this release can't start")
    while "hangs" in HABITS:
        time.sleep(60)
    values = _ready_values()
    for folder in ("i18n", "templates"):
        if not find(folder):
            raise StartError(f"unable to find the folder {folder}/ beside bin/")
    if not find("client"):
        log.error("The folder client/ is missing: there will be no web application")
    _rewrite_page()
    _make_folders(values)
    from mattermost_standin import migrations, serve
    from mattermost_standin.store import Store

    store = Store(values)
    store.await_start()
    migrations.check_version(store)
    migrations.apply(store)
    if "fails-after-migrations" in HABITS:
        raise StartError("failed after the database was migrated")
    asyncio.run(serve.run(values, store, _licence(values)))
    return 0


def _rewrite_page() -> None:
    """At each start the server writes its page anew, and goes on where it may not."""
    page = find("client/root.html")
    if not page:
        return
    try:
        page.write_bytes(page.read_bytes())
    except OSError as error:
        log.error("Failed to update the web application's %s: %s", page.name, error.strerror)


def _migrate() -> int:
    from mattermost_standin import migrations
    from mattermost_standin.store import Store

    store = Store(_ready_values())
    store.await_start()
    migrations.check_version(store)
    print(f"{migrations.apply(store)} migrations applied")
    return 0


def _save_plan() -> int:
    from mattermost_standin import migrations
    from mattermost_standin.store import Store

    values = _ready_values()
    _check_local_mode(values)
    saved = migrations.save_plan(Store(values), Path(values["FileSettings.Directory"]))
    # Nothing was: the real command says so all the same.
    print("Database successfully migrated" if saved else "No migrations to apply.")
    return 0


def _downgrade(plan: Path) -> int:
    from mattermost_standin import migrations
    from mattermost_standin.store import Store

    values = _ready_values()
    _check_local_mode(values)
    migrations.downgrade(Store(values), plan)
    print("Database successfully downgraded")
    return 0


def _check_local_mode(values: Values) -> None:
    """The folder of the local socket is gone while the unit is stopped, and these commands fail."""
    socket = Path(values["ServiceSettings.LocalModeSocketLocation"])
    if values["ServiceSettings.EnableLocalMode"] and not socket.parent.is_dir():
        raise StartError(f"failed to create the local socket: {socket.parent} does not exist")


def _db_version() -> int:
    from mattermost_standin import migrations
    from mattermost_standin.store import Store

    store = Store(_ready_values())
    store.await_start()
    # The real command migrates before it answers: whoever only wants to know asks by SQL.
    migrations.apply(store)
    print(f"Current database schema version: {migrations.version(store)}")
    return 0


def _ready_values() -> Values:
    from mattermost_standin import blockers, settings

    values = settings.load(os.environ)
    configure(values)
    blockers.check(values)
    log.info("Stand-in server %s is starting; it is no Mattermost", FULL_VERSION)
    return values


def _make_folders(values: Values) -> None:
    """Relative ones fall under the working directory; what can't be made is reported, no more."""
    for name in (
        "FileSettings.Directory",
        "PluginSettings.Directory",
        "PluginSettings.ClientDirectory",
    ):
        try:
            Path(values[name]).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.error("Can't make the folder of %s: %s", name, error.strerror)


def _licence(values: Values) -> tuple[str, str] | None:
    """The text of the operator's licence and where it came from."""
    if os.environ.get("MM_LICENSE"):
        return os.environ["MM_LICENSE"], "MM_LICENSE"
    place = values["ServiceSettings.LicenseFileLocation"]
    if not place:
        return None
    try:
        return Path(place).read_text(encoding="ascii", errors="replace"), place
    except OSError as error:
        log.error("Can't read the license file: %s", error.strerror)
        return None
