"""A client that writes rows to whichever database leads, and what became of them."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from mattermost_host.components import postgres
from tests.lab.hosts import LabHost
from tests.lab.many import ManyHosts

PROGRAM, LOG, STOP, AUTHORITY = (f"/root/writer{end}" for end in ("", ".log", ".stop", ".pem"))
STOPS_S = 7
"""The longest that it waits for an answer, and a little more."""


@dataclass(frozen=True)
class Written:
    """What became of a client's rows."""

    tried: int
    failures: tuple[str, ...]
    """What the client was told."""
    lost: int
    """Rows that were acknowledged and are not there."""
    longest_gap_s: float
    """Between two acknowledgements."""

    def __str__(self) -> str:
        return (
            f"{self.tried} rows, {len(self.failures)} failed, {self.lost} lost, "
            f"longest gap {self.longest_gap_s:.1f} s"
        )


class Writer:
    """Writes one row after another from the server's host, over TLS, as the server's account."""

    def __init__(self, site: ManyHosts) -> None:
        self._site = site
        site.host.run("apt-get update -q && apt-get install -y -q postgresql-client")
        site.host.write(AUTHORITY, site.authority_file.read_text())
        asked = tomllib.loads(site.secrets_file.read_text())["database_password"]
        self._psql = (
            f"timeout 5 psql -X -q -A -t 'host={','.join(one.address for one in site.databases)} "
            f"user={postgres.NAME} dbname={postgres.NAME} target_session_attrs=read-write "
            f"sslmode=verify-full sslrootcert={AUTHORITY} connect_timeout=2'"
        )
        self._login = f"export PGPASSWORD='{asked}'\n"
        site.host.run("umask 077; cat > " + PROGRAM, stdin=self._login + _program(self._psql))
        self.ask("drop table if exists written; create table written (n int primary key)")

    def ask(self, statements: str) -> str:
        """What the leader answers."""
        # The password goes by standard input, which psql doesn't read.
        return self._site.host.run(
            "sh", stdin=f'{self._login}{self._psql} -c "{statements}"'
        ).stdout

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While it writes."""
        host: LabHost = self._site.host
        host.run(f"rm -f {STOP} {LOG}; setsid sh {PROGRAM} </dev/null >{LOG} 2>&1 &")
        try:
            yield
        finally:
            host.run(f"touch {STOP}; sleep {STOPS_S}")

    def result(self) -> Written:
        """What became of the rows."""
        rows = [line.split(maxsplit=3) for line in self._site.host.read(LOG).splitlines()]
        good = [(float(row[0]), row[2]) for row in rows if row[1] == "ok"]
        failures = tuple(" ".join(row[3:]) for row in rows if row[1] == "failed")
        there = set(self.ask("table written").split())
        gaps = [late[0] - early[0] for early, late in pairwise(good)]
        return Written(len(rows), failures, len({n for _, n in good} - there), max(gaps))


def _program(psql: str) -> str:
    return f"""n=0
until [ -e {STOP} ]; do
  n=$((n + 1))
  if said=$({psql} -c "insert into written values ($n)" 2>&1)
  then echo "$(date +%s.%N) ok $n"
  else echo "$(date +%s.%N) failed $n" $said
  fi
  sleep 0.1
done
"""
