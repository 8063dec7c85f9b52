"""Whether a running unit also answers: for systemd a process that hangs is active."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mattermost_host.engine.batch import Question

PATIENCE_S = 3
"""Time limit: a working service answers in milliseconds; a hanging one must be named within 5 s."""


CONNECT_S = 2
QUEUE = "0000000[0-9A-F]"
"""Connections (hexadecimal) that wait for a process which accepts them: none."""


def asking(port: int, path: str = "/") -> str:
    """Shell script that succeeds if the process on this port of loopback answers HTTP.

    If another firewall table drops the connection, no restart helps: the process then counts as
    answering as long as no connection waits for it. The preflight reports the table.
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
    """The units that answer; a probe is a unit and a shell command that succeeds if it answers."""

    waits = True

    probes: tuple[tuple[str, str], ...]

    @classmethod
    def joined(cls, questions: Sequence["Answering"]) -> "Answering":
        """One question for all units, which are probed at the same time."""
        return cls(tuple(dict.fromkeys(probe for one in questions for probe in one.probes)))

    def part(self, answer: frozenset[str]) -> frozenset[str]:
        """Those of our units that answer."""
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
