"""pgBackRest's repository: it belongs to this database, is written to, and has a recent backup."""

import json
import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

AS_POSTGRES = "cd / && runuser -u postgres --"
OK, NO_BACKUP = 0, 2
"""Status codes of `info`; the others: something is missing or wrong (pgBackRest's info.c)."""
MISSING = frozenset({1, 3})
OLDEST_S = 30 * 3_600
"""Age in seconds at which a backup is too old: one night was missed."""
MOST_WAITING = 12
"""Segments that may wait to be archived: an idle site makes one a minute."""
PROVEN_S = 9 * 86_400
"""Age in seconds at which a drill is too long ago: a week was left out."""
LOOK_S = 15
WAIT_S = 600


@dataclass(frozen=True)
class Repository:
    """The output of `pgbackrest info`, and the state of the host."""

    code: int = -1
    """Its status code; -1 if `info` failed."""
    message: str = ""
    system: str = ""
    """System identifier of the database that it holds."""
    own: str = ""
    """System identifier of the host's database; empty if that did not answer."""
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
    now: int = 0
    """The host's clock."""
    under_way: bool = False
    unmounted: str = ""
    """Mount point of /etc/fstab above the repository at which nothing is mounted; mostly none."""
    unread: bool = False
    """systemd has not read the current unit files of the services."""

    @property
    def wrong(self) -> str:
        """What is wrong with the repository, as the predicate of a sentence; empty: nothing."""
        if self.unmounted:
            return f"is below {self.unmounted}, where /etc/fstab names a disk that is not mounted"
        if self.code in MISSING:
            return "is not begun"
        if self.code not in (OK, NO_BACKUP):
            return f"can't be read: {self.message or 'pgbackrest info fails'}"
        if self.foreign:
            return f"is another database's ({self.system}, here is {self.own})"
        if self.waiting > MOST_WAITING:
            return f"is not written to: {self.waiting} segments wait to be archived"
        return ""

    @property
    def foreign(self) -> bool:
        """Whether it belongs to another database."""
        return bool(self.own and self.system) and self.own != self.system

    @property
    def old(self) -> str:
        """What is wrong with the last backup's age, as a predicate; empty if nothing is."""
        if self.under_way:
            return ""
        if not (self.newest and self.whole and self.dumped):
            return "was never made"
        age = self.now - min(self.newest, self.whole, self.dumped)
        return f"is {age // 3600} hours old" if age > OLDEST_S else ""

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
            f"pgbackrest --stanza={self.stanza} --log-level-console=off info --output=json; echo; "
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
            f"systemctl show -p ActiveState,NeedDaemonReload {' '.join(self.units)}\n"
            f"{_unmounted(self.configuration)}\n"
            f"systemctl show -p ActiveState,NeedDaemonReload {self.drill} | sed s/^/Drill/\n"
            f"cd / && timeout {LOOK_S} runuser -u postgres -- sh -c {shlex.quote(asked)}"
        )

    def parse(self, lines: list[str]) -> Repository:
        values = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "[")
        said = [line for line in lines if line.startswith("[")]
        return Repository(
            **_told(said[0] if said else ""),
            own=values.get("own", ""),
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
    return f"""to=$(sed -n 's/^repo1-path=//p' {configuration})
awk '$1 !~ /^#/ {{ print $2 }}' /etc/fstab 2>/dev/null | while read -r point; do
  case $to in
    "${{point%/}}"/*) [ "$point" = / ] || mountpoint -q "$point" || echo "unmounted=$point" ;;
  esac
done"""


def _told(text: str) -> dict[str, Any]:
    """Parse the output of `info --output=json`, whose exit status is always 0."""
    try:
        (stanza,) = json.loads(text)
    except ValueError:
        return {}
    good = [one["timestamp"]["stop"] for one in stanza["backup"] if not one.get("error")]
    databases = [str(one["system-id"]) for one in stanza["db"]]
    return {
        "code": int(stanza["status"]["code"]),
        "message": str(stanza["status"].get("message", "")),
        "system": databases[-1] if databases else "",
        "newest": max(good, default=0),
        "oldest": min(good, default=0),
    }


def stanza(name: str, question: AskRepository) -> OperationMeta:
    """Keep a repository that exists, belongs to this database, and is written to."""
    expect(question)
    return _stanza(name=name, question=question)


@operation()
def _stanza(question: AskRepository) -> Generator[StringCommand, None, None]:
    now: Repository = ask(question)
    if not now.wrong:
        host.noop("the database is archived")
        return
    begun = now.code not in MISSING
    explain(
        Change("the repository of backups", now.wrong, severity="critical" if begun else "warning")
    )
    yield from changing(StringCommand("\n".join(_steps(question, now))))


def _steps(question: AskRepository, now: Repository) -> Iterator[str]:
    yield "set -eu"
    if now.foreign:
        said = (
            f"The repository {now.wrong}: two databases in one would make both unusable. Name "
            "another folder as backup.to, or move away what is there."
        )
        yield f"echo {shlex.quote(said)} >&2; exit 1"
        return
    if now.unmounted:
        said = (
            f"The repository {now.wrong}: a second repository would begin there, and be hidden by "
            f"the first one later. Mount {now.unmounted}, or correct /etc/fstab."
        )
        yield f"echo {shlex.quote(said)} >&2; exit 1"
        return
    call = f"{AS_POSTGRES} timeout 150 pgbackrest --stanza={question.stanza}"
    if now.code in MISSING:
        yield f"{call} stanza-create >&2"
    # `check` archives a WAL segment and waits for its arrival.
    yield f"{call} check >&2"


def recent(name: str, question: AskRepository, unit: str) -> OperationMeta:
    """Keep a recent backup; if there is none, ``unit`` makes one now."""
    expect(question)
    return _recent(name=name, question=question, unit=unit)


@operation()
def _recent(question: AskRepository, unit: str) -> Generator[StringCommand, None, None]:
    now: Repository = ask(question)
    steps = _reread(unit, unread=now.unread)
    if now.old:
        explain(Change("the last backup", now.old))
        steps.append(_made(unit, question.last, question.dumped))
    if not steps:
        host.noop("a backup was made lately")
        return
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def _reread(unit: str, *, unread: bool) -> list[str]:
    if not unread:
        return []
    explain(Change(unit, "has unit files that systemd has not read"))
    return ["systemctl daemon-reload"]


def proven(name: str, question: AskRepository, unit: str) -> OperationMeta:
    """Keep a drill that succeeded, not too long ago: where there is none, ``unit`` runs now."""
    expect(question)
    return _proven(name=name, question=question, unit=unit)


@operation()
def _proven(question: AskRepository, unit: str) -> Generator[StringCommand, None, None]:
    now: Repository = ask(question)
    steps = _reread(unit, unread=now.drill_unread)
    if now.unproven:
        explain(Change("the drill of the backups", now.unproven, severity="critical"))
        steps.append(_made(unit, question.proven))
    if not steps:
        host.noop("the backups are proven")
        return
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def _made(unit: str, *noted: str) -> str:
    """Shell that makes a backup now; one that takes longer than we wait goes on by itself."""
    return f"""systemctl reset-failed {unit} 2>/dev/null || true
began=$(date +%s)
systemctl start --no-block {unit}
sleep 1
end=$(($(date +%s) + {WAIT_S}))
while state=$(systemctl is-active {unit}) || [ "$state" = activating ] ||
  systemctl list-jobs --no-legend {unit} | grep -q .; do
  [ "$(date +%s)" -lt $end ] || exit 0
  sleep 1
done
for noted in {" ".join(noted)}; do
  finished=$(sed -n s/^finished=//p "$noted" 2>/dev/null || true)
  [ "${{finished:-0}}" -ge "$began" ] || {{
    journalctl -u 'mattermost-backup*' -n 30 -o cat --no-pager >&2
    exit 1
  }}
done"""
