"""When a host's backups were made, and what became of the units that make them."""

from dataclasses import dataclass

from mattermost_host.engine.batch import Question

OLDEST_S = 30 * 3_600
"""Age in seconds at which a backup is too old: one night was missed."""


@dataclass(frozen=True)
class Made:
    """What makes a backup too old."""

    failed: str = ""
    """A unit of backups that failed the last time."""
    under_way: bool = False
    unread: bool = False
    """systemd has not read the current unit files of the services."""
    now: int = 0
    """The host's clock."""
    follows: bool = False
    """Whether another member of the database's cluster makes them at present."""

    @property
    def times(self) -> tuple[int, ...]:
        """When the last good one of each kind ended, seconds since 1970; 0: there is none."""
        return ()

    @property
    def old(self) -> str:
        """What is wrong with the last backup's age, as a predicate; empty if nothing is."""
        if self.under_way:
            return ""
        if self.failed:
            return f"failed ({self.failed})"
        if not all(self.times):
            return "was never made"
        age = self.now - min(self.times)
        return f"is {age // 3600} hours old" if age > OLDEST_S else ""


@dataclass(frozen=True)
class FilesMade(Made):
    """The same of the files alone, where the database is backed up by its own hosts."""

    whole: int = 0

    @property
    def times(self) -> tuple[int, ...]:
        """That of the files."""
        return (self.whole,)


@dataclass(frozen=True)
class AskFiles(Question[FilesMade]):
    """The unit that backs up the files, and what it noted."""

    about = "the backup of the files"

    last: str
    """Where the time of the last one is noted."""
    units: tuple[str, ...]

    def script(self) -> str:
        return (
            f"echo now=$(date +%s)\n"
            f"sed -n 's/^finished=/whole=/p' {self.last}\n{asked_of_units(self.units)}"
        )

    def parse(self, lines: list[str]) -> FilesMade:
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        return FilesMade(
            failed_unit(lines),
            "ActiveState=activating" in lines,
            "NeedDaemonReload=yes" in lines,
            int(values.get("now") or 0),
            whole=int(values.get("whole") or 0),
        )


def asked_of_units(units: tuple[str, ...]) -> str:
    """Shell that prints what systemd knows of them."""
    return f"systemctl show -p Id,ActiveState,NeedDaemonReload {' '.join(units)}"


def failed_unit(lines: list[str]) -> str:
    """The first unit that failed; `systemctl show` prints Id before ActiveState."""
    unit = ""
    for line in lines:
        unit = line.removeprefix("Id=") if line.startswith("Id=") else unit
        if line == "ActiveState=failed":
            return unit
    return ""
