"""Kernel parameters in force; the file for the next boot is written elsewhere."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

CONGESTION_CONTROL = "net/ipv4/tcp_congestion_control"
BBR_IS_THERE = (
    "{ grep -qw bbr /proc/sys/net/ipv4/tcp_available_congestion_control || modprobe -nq tcp_bbr; }"
)


@dataclass(frozen=True)
class KernelParameters(Question[dict[str, str]]):
    """The current value of each parameter that can be set here; others are left out."""

    about = "kernel parameters"

    names: tuple[str, ...]

    def script(self) -> str:
        # One grep for all. The shell's own `read` gets only the first digit of a number from /proc.
        names = " ".join(name.replace(".", "/") for name in self.names)
        return (
            "cd /proc/sys/ && set -- && for name in " + names + "; do\n"
            '  [ -w "$name" ] || continue\n'
            f'  [ "$name" != {CONGESTION_CONTROL} ] || {BBR_IS_THERE} || continue\n'
            '  set -- "$@" "$name"\n'
            'done; [ $# = 0 ] || grep -H "" "$@"'
        )

    def parse(self, lines: list[str]) -> dict[str, str]:
        pairs = (line.partition(":") for line in lines)
        return {name.replace("/", "."): " ".join(value.split()) for name, _, value in pairs}


def in_force(name: str, parameters: Mapping[str, str]) -> OperationMeta:
    """Keep those of ``parameters`` in force that can be set on this host."""
    expect(KernelParameters(tuple(parameters)))
    return _in_force(name=name, parameters=dict(parameters))


@operation()
def _in_force(parameters: dict[str, str]) -> Generator[StringCommand, None, None]:
    found = ask(KernelParameters(tuple(parameters)))
    wrong = {key: value for key, value in parameters.items() if found.get(key, value) != value}
    explain(*(Change(key, f"is {found[key]} instead of {value}") for key, value in wrong.items()))
    if wrong:
        assignments = " ".join(f"{key}='{value}'" for key, value in wrong.items())
        yield from changing(StringCommand(f"modprobe -q tcp_bbr; sysctl -q -w {assignments}"))
        return
    closed = sorted(set(parameters) - set(found))
    belongs = f"; not settable inside this container: {', '.join(closed)}" if closed else ""
    host.noop(f"kernel parameters are in force{belongs}")
