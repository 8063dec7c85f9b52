"""The repository of pgBackRest as a member of the database's cluster sees it; all share it."""

import shlex
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.ops.backup_made import asked_of_units, failed_unit
from mattermost_host.ops.pgbackrest_state import (
    ANSWER_S,
    DUMPED,
    LOOK_S,
    MARK,
    REMOTE_S,
    Repository,
    error_in,
    told_of,
)

SYSTEM = "select system_identifier from pg_control_system()"
"""What is the same on all members, and on no other site's."""
NOT_LEADING = "This member follows: the one that leads makes the backup."
"""What a program of backups says where there is nothing to do for it."""
FOLLOWS = "select pg_is_in_recovery()"


@dataclass(frozen=True)
class AskMember(Question[Repository]):
    """What it holds, whichever member wrote it, and whether this one leads."""

    about = "the repository of backups"
    waits = True

    stanza: str
    configuration: str
    """pgBackRest's configuration file, which names the data folder."""
    psql: str
    """psql with the cluster's socket and port."""
    units: tuple[str, ...]

    def script(self) -> str:
        pgbackrest = f"pgbackrest --stanza={self.stanza} --log-level-console=off"
        kept = f"timeout {ANSWER_S} {pgbackrest} repo-get --raw --ignore-missing"
        info = f"timeout {REMOTE_S} {pgbackrest} --io-timeout={ANSWER_S} info --output=json"
        asked = f"""{info} 2>&1 ||
  echo "ERROR: there was no answer within {REMOTE_S} s"
echo
echo "owner=$({kept} {MARK})"
echo "dumped=$({kept} {DUMPED} | sed -n s/^finished=//p)"
echo "own=$({self.psql} -XAtqw -d postgres -c '{SYSTEM}')"
echo "follows=$({self.psql} -XAtqw -d postgres -c '{FOLLOWS}')"
data=$(sed -n 's/^pg1-path=//p' {self.configuration})
echo "waiting=$(ls "$data/pg_wal/archive_status" | grep -c '[.]ready$')\""""
        return (
            f"echo now=$(date +%s)\n"
            f"{asked_of_units(self.units)}\n"
            f"cd / && timeout {LOOK_S} runuser -u postgres -- sh -c {shlex.quote(asked)}"
        )

    def parse(self, lines: list[str]) -> Repository:
        values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "[")
        said = [line for line in lines if line.startswith("[")]
        told = told_of(said[0]) if said else {"message": error_in(lines)}
        own, owner = values.get("own", ""), values.get("owner", "")
        follows = values.get("follows") != "f"
        return Repository(
            **told,
            own=own,
            # A database that does not answer is no reason to call the repository another's.
            machine=own or "".join(owner.split()[:1]),
            whose="site",
            owner=owner,
            failed=failed_unit(lines),
            # What a former leader left is nobody's to archive.
            waiting=0 if follows else int(values.get("waiting") or 0),
            whole=int(told.get("newest") or 0),
            dumped=int(values.get("dumped") or 0),
            now=int(values.get("now") or 0),
            under_way="ActiveState=activating" in lines,
            unread="NeedDaemonReload=yes" in lines,
            follows=follows,
        )
