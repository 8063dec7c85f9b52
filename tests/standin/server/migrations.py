"""The schema: numbered migrations in schema.sql, applied once, by one server at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pg8000.exceptions import DatabaseError

from mattermost_standin import VERSION, StartError
from mattermost_standin.log import log
from mattermost_standin.store import Store, reason

MINIMUM_POSTGRES = 140000  # server_version_num, of release 11
FIRST_WITH_MIGRATIONS = 6
"""The major version since which the schema's state is told by db_migrations."""
_LOCK = 7_305_825_466  # any number that no other program uses
_HEAD = re.compile(r"^-- (\d{6}) (\w+) since (\d+)$", re.MULTILINE)
_DOWN = re.compile(r"^-- down (.*)\n", re.MULTILINE)


def check_version(store: Store) -> None:
    """Raise StartError for a PostgreSQL that release 11 refuses."""
    row = store.row("SELECT current_setting('server_version_num') AS number")
    number = int(row["number"]) if row else 0
    if number < MINIMUM_POSTGRES:
        raise StartError(
            f"PostgreSQL {number // 10000} is too old: the minimum is "
            f"{MINIMUM_POSTGRES // 10000}.0 (server_version_num {number}, needed "
            f"{MINIMUM_POSTGRES})"
        )


def apply(store: Store) -> int:
    """Apply what is missing and return how many that were; raises StartError."""
    with store.lock(_LOCK) as connection:
        try:
            connection.run(
                "CREATE TABLE IF NOT EXISTS db_migrations "
                "(version bigint PRIMARY KEY, name varchar NOT NULL)"
            )
            done = {row[0] for row in connection.run("SELECT version FROM db_migrations")}
            missing = [step for step in steps() if step[0] not in done]
            for version, name, sql in missing:
                done_with = f"INSERT INTO db_migrations VALUES ({version}, '{name}')"
                connection.run(f"BEGIN;{sql};{done_with};COMMIT")
        except DatabaseError as error:
            raise StartError(f"failed to apply database migrations: {reason(error)}") from None
    if int(VERSION.split(".")[0]) < FIRST_WITH_MIGRATIONS:
        _note_version(store)
    if missing:
        log.info("Applied %d database migrations", len(missing))
    return len(missing)


def save_plan(store: Store, folder: Path) -> str:
    """Note how to take back what a start would apply; the file's name, empty if that is nothing."""
    done = {row["version"] for row in store.rows("SELECT version FROM db_migrations")}
    missing = [step for step in _all_steps() if step[0] not in done]
    if not missing:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    plan = [{"version": number, "revert": down} for number, _, _, down in reversed(missing)]
    file = folder / f"migration_plan_{max(done)}_{missing[-1][0]}.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"RevertMigrations": plan}), encoding="utf-8")
    return file.name


def downgrade(store: Store, plan: Path) -> None:
    """Take back what a plan of a newer release says; raises StartError."""
    try:
        reverts = json.loads(plan.read_text(encoding="utf-8"))["RevertMigrations"]
    except (OSError, ValueError, KeyError) as error:
        raise StartError(f"failed to read the plan {plan}: {error}") from None
    with store.lock(_LOCK) as connection:
        try:
            for one in reverts:
                gone = f"DELETE FROM db_migrations WHERE version = {int(one['version'])}"
                connection.run(f"BEGIN;{one['revert']};{gone};COMMIT")
        except DatabaseError as error:
            raise StartError(f"failed to downgrade: {reason(error)}") from None


def _note_version(store: Store) -> None:
    """Where releases before 6 keep what they are; later ones leave the row as they found it."""
    store.rows(
        "INSERT INTO systems VALUES ('Version', :version)"
        " ON CONFLICT (name) DO UPDATE SET value = :version",
        version=VERSION,
    )


def version(store: Store) -> int:
    """The number of the last migration that was applied."""
    row = store.row("SELECT max(version) AS version FROM db_migrations")
    return int(row["version"] or 0) if row else 0


def unreadable(store: Store) -> bool:
    """Whether a newer release has changed the schema so that this one can't write posts.

    Seen with 5.37 on the schema of 10.11: ping and log-in are well, and a post is refused.
    """
    old = int(VERSION.split(".")[0]) < FIRST_WITH_MIGRATIONS
    return old and version(store) > max(number for number, _, _ in steps())


def steps() -> list[tuple[int, str, str]]:
    """Number, name and SQL of each migration that this release has."""
    return [(number, name, sql) for number, name, sql, _ in _all_steps()]


def _all_steps() -> list[tuple[int, str, str, str]]:
    """The same, with the SQL that takes each back."""
    major = int(VERSION.split(".")[0])
    text = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
    _, *parts = _HEAD.split(text)
    return [
        (int(number), name, _DOWN.sub("", sql).strip().rstrip(";"), "".join(_DOWN.findall(sql)))
        for number, name, since, sql in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4])
        if int(since) <= major
    ]
