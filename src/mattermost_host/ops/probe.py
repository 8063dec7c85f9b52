"""Whether what runs also answers: a process that hangs is active for systemd."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mattermost_host.engine.batch import Question

PATIENCE_S = 3
"""What works answers in milliseconds, and what hangs is to be named within 5 s."""


CONNECT_S = 2
QUEUE = "0000000[0-9A-F]"
"""Connections, in hexadecimal, that wait for a process which takes them as they come."""


def asking(port: int, path: str = "/") -> str:
    """Shell that succeeds where the process that listens on this port of loopback answers by HTTP.

    Where another table of the firewall drops the connection, no restart helps, and the process is
    taken for one that answers while nobody waits for it; the preflight says who drops it.
    """
    request = (
        f"curl --silent --noproxy '*' --connect-timeout {CONNECT_S} -o /dev/null"
        f" -w '%{{time_connect}}' http://127.0.0.1:{port}{path}"
    )
    listens = f'$4 == "0A" && $2 ~ /:{port:04X}$/ && $5 ~ /:{QUEUE}$/'
    return (
        f"said=$({request}) && exit; case $said in *[1-9]*) exit 1 ;; esac; "
        f"awk '{listens} {{ found = 1 }} END {{ exit !found }}' /proc/net/tcp"
    )


@dataclass(frozen=True)
class Answering(Question[frozenset[str]]):
    """Those units that answer; each probe is a unit and shell that succeeds where it does."""

    waits = True

    probes: tuple[tuple[str, str], ...]

    @classmethod
    def joined(cls, questions: Sequence["Answering"]) -> "Answering":
        """All of them, which then wait side by side."""
        return cls(tuple(dict.fromkeys(probe for one in questions for probe in one.probes)))

    def part(self, answer: frozenset[str]) -> frozenset[str]:
        """Our units of those that answer."""
        return answer & {unit for unit, _ in self.probes}

    @property
    def subject(self) -> str:
        """The units."""
        return ", ".join(unit for unit, _ in self.probes)

    def script(self) -> str:
        tried = (
            f"{{ timeout {PATIENCE_S} sh -c {shlex.quote(command)} >&2 && echo {unit}; }} &"
            for unit, command in self.probes
        )
        return "\n".join([*tried, "wait"])

    def parse(self, lines: list[str]) -> frozenset[str]:
        return frozenset(lines)
