"""Create an empty PostgreSQL cluster once, where the packages don't.

The data folder may hold somebody's data, so nothing there is ever deleted. What one of our runs
left unfinished, which a mark in a folder of root's shows, is moved aside; anything else stops the
run.
"""

import shlex
from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.shell import exclusive
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.clusters import Cluster
from mattermost_host.ops.database_state import AS_POSTGRES

MARKS = "/var/lib/mattermost-host"
LOCK = "/run/lock/mattermost-host.cluster"
EARLIER = "the cluster that an earlier run makes"
UNFINISHED = (
    "holds the rest of a cluster that an interrupted run began to create; it is moved aside"
)
AUTHENTICATION = "--auth-local=peer --auth-host=scram-sha-256"
FOREIGN = "is not empty, and holds no cluster"


@dataclass(frozen=True)
class Folder:
    """The content of a cluster's data folder."""

    version: str = ""
    """Major version of the cluster in it."""
    filled: bool = False
    begun: bool = False
    """Whether one of our runs began to create it and did not finish."""
    started: bool = False
    """Whether a server has ever run on it."""

    @property
    def unfinished(self) -> bool:
        """Whether one of our runs may have left half a cluster that was never used."""
        return self.begun and self.filled and not self.started

    @property
    def foreign(self) -> bool:
        """Whether the folder holds something that is neither a cluster nor ours."""
        return self.filled and not self.version and not self.unfinished


@dataclass(frozen=True)
class AskFolder(Question[Folder]):
    """The folder of a cluster."""

    about = "the database's folder {data}"

    data: str

    @property
    def mark(self) -> str:
        """Exists while one of our runs creates the cluster; in a folder of root's."""
        return f"{MARKS}/making{self.data.replace('/', '-')}"

    def script(self) -> str:
        return "\n".join(
            [
                f"read -r version <{self.data}/PG_VERSION && echo version=$version",
                f'[ -z "$(ls -A {self.data})" ] || echo filled',
                # The server writes postmaster.opts at its first start; initdb does not.
                f"[ ! -e {self.data}/postmaster.opts ] || echo started",
                f"[ ! -e {self.mark} ] || echo begun",
            ]
        )

    def parse(self, lines: list[str]) -> Folder:
        versions = [line.partition("=")[2] for line in lines if line.startswith("version=")]
        return Folder(
            version="".join(versions),
            filled="filled" in lines,
            begun="begun" in lines,
            started="started" in lines,
        )


def exists(cluster: Cluster, facts: HostFacts, locale: str) -> None:
    """Keep a cluster on the host, which its packages make only when they are installed, or never.

    Without one are a host where `uninstall --delete database` was, and one whose administrator
    wants no cluster made by itself (createcluster.conf).
    """
    there = [(version, name) for version, name, _ in facts.clusters]
    if cluster.setup:
        made(name="its cluster exists", cluster=cluster, locale=locale)
    elif cluster.packages[0] in dict(facts.packages) and cluster.name not in there:
        created(name="its cluster exists again", cluster=cluster, locale=locale)


@operation()
def created(cluster: Cluster, locale: str) -> Generator[StringCommand, None, None]:
    """Make a cluster as Debian's package does, whose program takes data that is there as it is."""
    explain(Change(cluster.settings, "is no cluster"))
    command = f"pg_createcluster --encoding=UTF8 --locale={locale} {shlex.join(cluster.name)}"
    yield from changing(
        StringCommand(f"[ -e {cluster.settings}/postgresql.conf ] || {command} >&2")
    )


def made(name: str, cluster: Cluster, locale: str) -> OperationMeta:
    """Keep a cluster in ``cluster``'s data folder; a new one gets data checksums and ``locale``."""
    question = AskFolder(cluster.data)
    expect(question)
    return _made(name=name, question=question, cluster=cluster, locale=locale)


@operation()
def _made(
    question: AskFolder, cluster: Cluster, locale: str
) -> Generator[StringCommand, None, None]:
    now: Folder = ask(question)
    data = cluster.data
    if now.foreign:
        explain(Change(data, FOREIGN, severity="critical"))
    elif now.unfinished:
        explain(Change(data, UNFINISHED))
    elif not now.version:
        explain(Change(data, "holds no cluster"))
    elif now.begun:
        explain(Change(question.mark, "was left behind by an interrupted run"))
    else:
        host.noop("the cluster is there")
        return
    yield from changing(StringCommand(_script(question, cluster, locale)))


def _script(question: AskFolder, cluster: Cluster, locale: str) -> str:
    """Everything is checked again under the lock: a killed run's shell may have continued."""
    assert cluster.setup
    data, mark, log = cluster.data, question.mark, cluster.setup.log
    options = shlex.quote(f"--data-checksums --encoding=UTF8 --locale={locale} {AUTHENTICATION}")
    return f"""set -eu
exec 9>{LOCK}
{exclusive(9, EARLIER)}
filled() {{ [ -n "$(ls -A {data} 2>/dev/null)" ]; }}
if [ -e {mark} ] && filled && [ ! -e {data}/postmaster.opts ]; then
  aside={data}.unfinished-$(date +%s)
  {AS_POSTGRES} mv -T {data} "$aside" || {{
    echo "{data} holds half a cluster and can't be renamed to $aside: empty it yourself." >&2
    exit 1
  }}
fi
if filled && [ ! -f {data}/PG_VERSION ]; then
  echo "{data} {FOREIGN}: move away what is there ($(ls -A {data} | head -n 3 | xargs))." >&2
  exit 1
fi
if ! filled; then
  mkdir -p -m 755 {MARKS}
  touch {mark}; sync {mark} {MARKS}
  # The program refuses to work where systemd has not read the unit's files.
  systemctl daemon-reload
  PGSETUP_INITDB_OPTIONS={options} {cluster.setup.command} 9>&- || {{
    tail -n 20 {log} >&2
    exit 1
  }}
fi
rm -f {mark}"""
