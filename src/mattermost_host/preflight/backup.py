"""What backups need of a host."""

import re
from collections.abc import Iterator

from mattermost_host.facts.host import HostFacts, is_above
from mattermost_host.knowledge.backup_places import SFTP_SINCE
from mattermost_host.knowledge.families import WITHOUT_SFTP
from mattermost_host.preflight.finding import Finding, Requirement

NEEDED = "pgBackRest and restic among the packages of the distribution"


def packages() -> Requirement:
    """A distribution that has the programs."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if facts.family.backup:
            yield Finding("backup-packages", "ok", "the distribution has pgBackRest and restic")
            return
        remedy = f"Leave out backup.to: backups are not yet supported on {facts.family.name}."
        yield Finding("backup-packages", "error", "no such packages", NEEDED, remedy)

    return Requirement("backup-packages", check, "Packages of pgBackRest and restic, for backups.")


def disk(folder: str) -> Requirement:
    """A disk that is mounted, and not the database's."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        if missing := [one for one in facts.unmounted if is_above(one, folder)]:
            yield Finding(
                "backup-disk",
                "error",
                f"/etc/fstab names a disk for {missing[0]}, and nothing is mounted there",
                f"the disk that {folder} is on",
                f"Mount {missing[0]}, or correct /etc/fstab: a second repository would begin "
                "there, and be hidden by the first one later.",
            )
            return
        if facts.file_system(folder) != facts.file_system(facts.family.databases):
            yield Finding("backup-disk", "ok", f"{folder} is on another disk than the database")
            return
        yield Finding(
            "backup-disk",
            "warning",
            f"{folder} is on the same file system as the database",
            "another disk, another host, or a bucket of S3",
            "What takes the disk takes the backups: they help against mistakes only, and compete "
            "with the database for its room. Name another place as backup.to, or copy that folder "
            "elsewhere each day.",
        )

    return Requirement(
        "backup-disk", check, "A disk for backups that is mounted, and not the database's own."
    )


def sftp() -> Requirement:
    """A pgBackRest that speaks SFTP, where backups go to another host."""

    def check(facts: HostFacts) -> Iterator[Finding]:
        installed = re.match(r"(\d+)\.(\d+)", dict(facts.packages).get("pgbackrest", ""))
        speaks = (facts.distribution, facts.release) not in WITHOUT_SFTP
        if installed:
            speaks = tuple(map(int, installed.groups())) >= SFTP_SINCE
        if speaks:
            yield Finding("backup-sftp", "ok", "pgBackRest speaks SFTP")
            return
        yield Finding(
            "backup-sftp",
            "error",
            f"the pgBackRest of {facts.platform.name} {facts.release} can't",
            "pgBackRest 2.46, which speaks SFTP",
            "Name as backup.to s3://BUCKET, or a folder where that host's is mounted; or install "
            "the PostgreSQL project's pgBackRest first.",
        )

    return Requirement("backup-sftp", check, "A pgBackRest that speaks SFTP, for sftp:// backups.")
