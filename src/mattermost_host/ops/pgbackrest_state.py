"""What a host says of pgBackRest's repository, and what is wrong with that."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from mattermost_host.engine.batch import Question
from mattermost_host.ops.backup_made import Made, asked_of_units, failed_unit

OK, NO_BACKUP = 0, 2
"""Status codes of `info`; the others mean that something is missing or wrong (pgBackRest's info.c).
"""
MISSING = frozenset({1, 3})
MOST_WAITING = 12
"""Segments that may wait to be archived: an idle site makes one a minute."""
PROVEN_S = 9 * 86_400
"""Age in seconds at which a drill is too long ago: a week was left out."""
LOOK_S, REMOTE_S, ANSWER_S = 25, 20, 3
"""Seconds for the whole question; for a repository that may be away; for one answer of its service.
"""


MARK = "mattermost-host-owner"
"""File of the repository that names its host: /etc/machine-id, then its name. A cluster's names its
database instead, so that each member is its owner."""
DUMPED = "mattermost-host-dumped"
"""File of a cluster's repository that notes the last dump, whichever member made it."""
TWO_DATABASES = (
    "Two databases in one would make both unusable: name another place as backup.to, or move away "
    "what is there."
)
TWO_HOSTS = "Two hosts in one would make both unusable: name another place as backup.to."
TWO_SITES = "Two sites in one would make both unusable: name another place as backup.to."


def of_another_database(system: str, own: str) -> str:
    """What is wrong with a repository of another database, as a predicate."""
    return f"is another database's ({system}, here is {own})"


def of_another(whose: str, mark: str) -> str:
    """What is wrong with a repository that has the mark of another host, or site: a predicate."""
    return f"belongs to another {whose} ({' '.join(mark.split()[1:])})"


def the_mark_away(stanza: str, whose: str = "host") -> str:
    """What makes the repository of a host, or a site, that is gone this one's."""
    return (
        f"If that {whose} is gone for good and this one goes on with its database, take its mark "
        "away on this host, and deploy: cd / && runuser -u postgres -- pgbackrest "
        f"--stanza={stanza} repo-rm {MARK}"
    )


@dataclass(frozen=True)
class Repository(Made):
    """The output of `pgbackrest info`, and the state of the host."""

    code: int = -1
    """Its status code; -1 if `info` failed."""
    message: str = ""
    system: str = ""
    """System identifier of the database that it holds."""
    own: str = ""
    """System identifier of the host's database; empty if that did not answer."""
    machine: str = ""
    """The host's /etc/machine-id; of a cluster's member what identifies its database."""
    whose: str = "host"
    """What a mark names."""
    owner: str = ""
    """What stands in the repository's mark; empty: there is none, or it can't be read."""
    waiting: int = 0
    """WAL segments that wait to be archived."""
    newest: int = 0
    """End of the last good backup of the database, seconds since 1970; 0: there is none."""
    whole: int = 0
    """The same of the last backup of database and files."""
    dumped: int = 0
    """The same of the last dump of the database."""
    oldest: int = 0
    """When the oldest good backup of the database ended."""
    proven: int = 0
    """When the last drill succeeded; 0: none ever did."""
    drill_failed: bool = False
    drill_unread: bool = False
    unmounted: str = ""
    """Mount point of /etc/fstab above the repository at which nothing is mounted; mostly none."""

    @property
    def wrong(self) -> str:
        """What is wrong with the repository, as the predicate of a sentence; empty: nothing."""
        if self.unmounted:
            return f"is below {self.unmounted}, where /etc/fstab names a disk that is not mounted"
        if self.code in MISSING:
            return "is not begun"
        if self.code not in (OK, NO_BACKUP):
            return f"can't be read: {self.message or 'pgbackrest info fails'}"
        if self.foreign or not self.is_ours:
            return self._not_ours
        if self.waiting > MOST_WAITING:
            return f"is not written to: {self.waiting} segments wait to be archived"
        return ""

    @property
    def _not_ours(self) -> str:
        if self.foreign:
            return of_another_database(self.system, self.own)
        if not self.owner:
            return f"has no mark of its {self.whose}"
        return of_another(self.whose, self.owner)

    @property
    def foreign(self) -> bool:
        """Whether it belongs to another database."""
        return bool(self.own and self.system) and self.own != self.system

    @property
    def is_ours(self) -> bool:
        """Whether the mark names this host."""
        return self.owner.split()[:1] == [self.machine]

    @property
    def times(self) -> tuple[int, ...]:
        """Of all; where nothing is known of the repository, what was noted here has to do."""
        known = self.code in (OK, NO_BACKUP, *MISSING)
        return (self.whole, self.dumped, *([self.newest] if known else []))

    @property
    def unproven(self) -> str:
        """Why nobody knows whether they can be restored, in words; empty where a drill showed it.

        A site has a week until its first one.
        """
        if self.drill_failed:
            return "failed the last time"
        since = self.proven or self.oldest
        age = self.now - since if since else 0
        if age <= PROVEN_S:
            return ""
        return f"succeeded {age // 86_400} days ago" if self.proven else "never succeeded"


@dataclass(frozen=True)
class AskRepository(Question[Repository]):
    """The repository of ``stanza``, the queue of the archive, and the units that make backups."""

    about = "the repository of backups"
    waits = True

    stanza: str
    configuration: str
    """pgBackRest's configuration file, which names the data folder."""
    psql: str
    """psql with the cluster's socket and port."""
    last: str
    """Where the time of the last whole backup is noted."""
    dumped: str
    """Where that of the last dump is."""
    units: tuple[str, ...]
    proven: str
    """Where the last drill that succeeded is noted."""
    drill: str
    """The unit of drills."""

    def script(self) -> str:
        asked = (
            f"timeout {REMOTE_S} pgbackrest --stanza={self.stanza} --log-level-console=off"
            f" --io-timeout={ANSWER_S} info --output=json 2>&1 ||"
            f' echo "ERROR: there was no answer within {REMOTE_S} s"; echo; '
            f'echo "owner=$(timeout {ANSWER_S} pgbackrest --stanza={self.stanza}'
            f' --log-level-console=off repo-get --raw --ignore-missing {MARK})"; '
            f'echo "own=$({self.psql} -XAtqw -d postgres -c '
            "'select system_identifier from pg_control_system()')\"; "
            f"data=$(sed -n 's/^pg1-path=//p' {self.configuration}); "
            'echo "waiting=$(ls "$data/pg_wal/archive_status" | grep -c "[.]ready$")"'
        )
        return (
            f"echo now=$(date +%s)\n"
            f"sed -n 's/^finished=/whole=/p' {self.last}\n"
            f"sed -n 's/^finished=/dumped=/p' {self.dumped}\n"
            f"sed -n 's/^finished=/proven=/p' {self.proven}\n"
            f"echo machine=$(cat /etc/machine-id)\n"
            f"{asked_of_units(self.units)}\n"
            f"{_unmounted(self.configuration)}\n"
            f"systemctl show -p ActiveState,NeedDaemonReload {self.drill} | sed s/^/Drill/\n"
            f"cd / && timeout {LOOK_S} runuser -u postgres -- sh -c {shlex.quote(asked)}"
        )

    def parse(self, lines: list[str]) -> Repository:
        values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "[")
        said = [line for line in lines if line.startswith("[")]
        told = told_of(said[0]) if said else {"message": error_in(lines)}
        return Repository(
            **told,
            own=values.get("own", ""),
            machine=values.get("machine", ""),
            owner=values.get("owner", ""),
            failed=failed_unit(lines),
            waiting=int(values.get("waiting") or 0),
            whole=int(values.get("whole") or 0),
            dumped=int(values.get("dumped") or 0),
            proven=int(values.get("proven") or 0),
            drill_failed=values.get("DrillActiveState") == "failed",
            drill_unread=values.get("DrillNeedDaemonReload") == "yes",
            now=int(values.get("now") or 0),
            unmounted=values.get("unmounted", ""),
            under_way="ActiveState=activating" in lines,
            unread="NeedDaemonReload=yes" in lines,
        )


def _unmounted(configuration: str) -> str:
    """Shell that prints mount points of /etc/fstab above the repository that are not mounted."""
    return f"""to=$(sed -n '/^repo1-type=/q; s/^repo1-path=//p' {configuration})
awk '$1 !~ /^#/ {{ print $2 }}' /etc/fstab 2>/dev/null | while read -r point; do
  case $to in
    "${{point%/}}"/*) [ "$point" = / ] || mountpoint -q "$point" || echo "unmounted=$point" ;;
  esac
done"""


def told_of(text: str) -> dict[str, Any]:
    """Parse the output of `info --output=json`, whose exit status is always 0."""
    try:
        (stanza,) = json.loads(text)
    except ValueError:
        return {}
    good = [one["timestamp"]["stop"] for one in stanza["backup"] if not one.get("error")]
    databases = [str(one["system-id"]) for one in stanza["db"]]
    # What "other" is, the repository itself says.
    status = {**stanza["status"], **next((one["status"] for one in stanza.get("repo", ())), {})}
    return {
        "code": int(stanza["status"]["code"]),
        "message": str(status.get("message", "")).partition("\n")[0],
        "system": databases[-1] if databases else "",
        "newest": max(good, default=0),
        "oldest": min(good, default=0),
    }


def error_in(lines: list[str]) -> str:
    """What pgBackRest said where it printed nothing else, without the number."""
    return next((re.sub(r"^ERROR:( \[\d+\]:)? ", "", one) for one in lines if "ERROR:" in one), "")
