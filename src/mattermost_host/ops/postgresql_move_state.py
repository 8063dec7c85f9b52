"""What a host says before its database is moved to another major version of PostgreSQL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mattermost_host.engine.batch import Question
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops.database_state import (
    AS_POSTGRES,
    COLLATION_VERSION_SINCE,
    OWN_COLLATION,
    Client,
)

FOLDER = "/var/lib/mattermost-host/postgresql"
"""Of root's alone: the journal, what the program says, and settings of the cluster before."""
UNIT = "mattermost-host-postgresql.service"
TOOLS = ("curl", "nft", "systemd-run", "setpriv")
LOOK_S = 20


def occupied(cluster: Cluster) -> str:
    """Shell that succeeds if there is something of ``cluster``, whose package may be installed."""
    if cluster.setup:  # its data folder comes with the package, empty
        return f'[ -n "$(ls -A {cluster.data} 2>/dev/null)" ]'
    return f"[ -e {cluster.settings} ] || [ -e {cluster.data} ]"


@dataclass(frozen=True)
class Space:
    """A tablespace, which is copied to where it is."""

    mb: int
    free_mb: int
    disk: str
    """Mount point of its file system."""


@dataclass(frozen=True)
class Found:
    """The cluster that is to be moved, and room for a second one."""

    at_work: bool = False
    """A move is under way."""
    serving: bool = False
    """The server's unit is active."""
    answered: bool = False
    """PostgreSQL said what it was asked."""
    missing: tuple[str, ...] = ()
    """Programs that a move needs and the host lacks."""
    data_mb: int = -1
    """Of the cluster's folder; -1 where it could not be read."""
    free_mb: int = -1
    """Where the new cluster goes."""
    disk: str = ""
    """Mount point of that."""
    spaces: tuple[Space, ...] = ()
    """Tablespaces; -1 for what could not be read."""
    offered: bool = False
    """The package manager has the new version, or it is installed."""
    new_cluster: bool = False
    """There is a cluster of the new version."""
    unpackaged: tuple[str, ...] = ()
    """Extensions in use that no package has for the new version: name, and package of the old."""
    sessions: tuple[str, ...] = ()
    """Roles of others that are connected."""
    prepared: int = 0
    """Transactions that wait for the second half of their commit: pg_upgrade refuses them."""
    slots: tuple[str, ...] = ()
    """Replication slots, which a move leaves behind."""
    collation: tuple[str, str] = ("", "")
    """Version of the sort order that the indexes were built by, and that of the C library now."""
    settings: tuple[str, ...] = ()
    """Files of others beside our parameters, which go along."""


@dataclass(frozen=True)
class AskMove(Question[Found]):
    """What a move from the cluster ``before`` to ``after`` needs to know."""

    about = "the move of the database to PostgreSQL {after.name[0]}"
    waits = True

    database: str
    client: Client
    """Of the cluster that has the data."""
    before: Cluster
    after: Cluster

    @property
    def old(self) -> int:
        """Its major version before."""
        return self.before.major

    @property
    def new(self) -> int:
        """Its major version after."""
        return self.after.major

    @property
    def room(self) -> str:
        """The folder in which the data of every version is."""
        return self.after.above.rpartition("/")[0]

    def script(self) -> str:
        before, after = self.before, self.after
        owner = "rpm -qf --qf %{NAME} $file" if before.setup else "dpkg-query -S $file"
        sql = f"{self.client.command(LOOK_S)} -At -d {self.database}"
        asked = " ".join(f'-c "{statement}"' for statement in self._statements())
        return "\n".join(
            [
                f"systemctl is-active --quiet {UNIT} && echo at_work=yes",
                "systemctl is-active --quiet mattermost.service && echo serving=yes",
                f"for tool in {' '.join((*TOOLS, *before.movers))}; do"
                ' command -v $tool >/dev/null || echo "missing=$tool"; done',
                f'echo "data_mb=$(timeout {LOOK_S} du -sxm {before.data} | cut -f 1)"',
                # The version's own folder may be another file system.
                f"place={after.above}; [ -d $place ] || place={self.room}",
                'df -Pm $place | awk \'NR == 2 { print "free_mb=" $4; print "disk=" $6 }\'',
                self._spaces(),
                # The PostgreSQL project's repository may become known with the deploy only.
                f"apt-cache show -q=2 {after.packages[0]} 2>/dev/null | grep -q ^Version:"
                " && echo offered=yes",
                f"{{ {occupied(after)}; }} && echo new_cluster=yes",
                f"for file in {before.included}/*.conf; do"
                ' case ${file##*/} in mattermost-host.conf | "*.conf") ;;'
                ' *) echo "settings=${file##*/}" ;; esac; done',
                f"({sql} {asked})",
                # An extension that came with the server comes with the next one, too.
                f"for name in $({sql} -c 'SELECT extname FROM pg_extension'); do"
                f" file={before.extensions}/$name.control;"
                f" package=$({owner} 2>/dev/null | cut -d: -f1);"
                f' case " {" ".join(before.packages)} " in *" $package "*) continue ;; esac;'
                f" [ -e {after.extensions}/$name.control ] ||"
                ' echo "unpackaged=$name (${package:-no package})"; done',
            ]
        )

    def _spaces(self) -> str:
        """Through the links of the data folder, as the account whose they are."""
        version = f"{self.before.data}/pg_tblspc/*/PG_{self.before.major}_*"
        return f"""{AS_POSTGRES} sh -c 'for one in {version}; do
  [ ! -d "$one" ] || case ${{one##*/}} in *[.-]*) ;; *)
    echo "space=$(timeout {LOOK_S} du -sm "$one/" | cut -f 1)" \\
      "$(df -Pm "$one" | awk "NR == 2 {{ print \\$4, \\$6 }}")" ;;
  esac
done'"""

    def _statements(self) -> Iterator[str]:
        yield (
            "SELECT 'session='||usename FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            f" AND usename NOT IN ('{self.database}', 'postgres') GROUP BY usename"
        )
        yield "SELECT 'prepared='||count(*) FROM pg_prepared_xacts"
        yield "SELECT 'slot='||slot_name FROM pg_replication_slots"
        if self.old < COLLATION_VERSION_SINCE:
            versions = "c.collversion||' '||pg_collation_actual_version(c.oid)"
            yield f"SELECT 'collation='||{versions} {OWN_COLLATION} LIMIT 1"
        else:
            yield (
                "SELECT 'collation='||datcollversion||' '||"
                "pg_database_collation_actual_version(oid)"
                f" FROM pg_database WHERE datname = '{self.database}'"
            )
        yield "SELECT 'answered=yes'"

    def parse(self, lines: list[str]) -> Found:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)

        def number(name: str, otherwise: int) -> int:
            text = "".join(values.get(name, ()))
            return int(text) if text.isdecimal() else otherwise

        built, _, now = "".join(values.get("collation", ())).partition(" ")
        return Found(
            at_work="at_work" in values,
            serving="serving" in values,
            answered="answered" in values,
            missing=tuple(values.get("missing", ())),
            data_mb=number("data_mb", -1),
            free_mb=number("free_mb", -1),
            disk="".join(values.get("disk", ())),
            spaces=tuple(map(_space, values.get("space", ()))),
            offered="offered" in values,
            new_cluster="new_cluster" in values,
            unpackaged=tuple(values.get("unpackaged", ())),
            sessions=tuple(values.get("session", ())),
            prepared=number("prepared", 0),
            slots=tuple(values.get("slot", ())),
            collation=(built, now),
            settings=tuple(values.get("settings", ())),
        )


def _space(said: str) -> Space:
    """Of "MB, MB free, mount point"."""
    told = re.fullmatch("([0-9]+) ([0-9]+) (.+)", said)
    return Space(int(told[1]), int(told[2]), told[3]) if told else Space(-1, -1, "")
