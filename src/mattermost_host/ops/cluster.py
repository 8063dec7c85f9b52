"""An empty PostgreSQL cluster, where its packages bring none: made once, never made anew.

What is in the folder of a cluster may be somebody's. So nothing there is ever deleted: what a run
of ours left unfinished, which a mark of root's own tells, is moved aside, and anything else stops
the run.
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
from mattermost_host.knowledge.families import Cluster
from mattermost_host.ops.database_state import AS_POSTGRES

MARKS = "/var/lib/mattermost-host"
LOCK = "/run/lock/mattermost-host.cluster"
EARLIER = "the cluster that an earlier run makes"
UNFINISHED = "holds what a run left that ended while it made the cluster; it is moved aside"
FOREIGN = "is not empty, and holds no cluster"


@dataclass(frozen=True)
class Folder:
    """What the folder of a cluster holds."""

    version: str = ""
    """Major version of the cluster in it."""
    filled: bool = False
    begun: bool = False
    """Whether a run of ours began to make it and has not said that it ended."""
    started: bool = False
    """Whether a server ever ran on it."""

    @property
    def unfinished(self) -> bool:
        """Whether a run of ours may have left half a cluster, and nobody used it since."""
        return self.begun and self.filled and not self.started

    @property
    def foreign(self) -> bool:
        """Whether what is there is neither a cluster nor ours."""
        return self.filled and not self.version and not self.unfinished


@dataclass(frozen=True)
class AskFolder(Question[Folder]):
    """The folder of a cluster."""

    about = "the database's folder {data}"

    data: str

    @property
    def mark(self) -> str:
        """Stands while a run of ours makes the cluster; beside other things of root's alone."""
        return f"{MARKS}/making{self.data.replace('/', '-')}"

    def script(self) -> str:
        return "\n".join(
            [
                f"read -r version <{self.data}/PG_VERSION && echo version=$version",
                f'[ -z "$(ls -A {self.data})" ] || echo filled',
                # The server writes it at its first start; initdb does not.
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


def made(name: str, cluster: Cluster, locale: str) -> OperationMeta:
    """Keep a cluster in the folder of ``cluster``; a new one has data checksums and ``locale``."""
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
        explain(Change(question.mark, "was left behind by a run that ended in the middle"))
    else:
        host.noop("the cluster is there")
        return
    yield from changing(StringCommand(_script(question, cluster, locale)))


def _script(question: AskFolder, cluster: Cluster, locale: str) -> str:
    """All is asked again behind the lock: a killed run's shell may have gone on meanwhile."""
    assert cluster.setup
    data, mark, log = cluster.data, question.mark, cluster.setup.log
    options = shlex.quote(
        f"--data-checksums --encoding=UTF8 --locale={locale} --auth-local=peer "
        "--auth-host=scram-sha-256"
    )
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
