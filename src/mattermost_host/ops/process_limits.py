"""Compare the limits of a running process with those of its unit."""

from collections.abc import Mapping, Sequence

LIMITS = {
    "Max open files": ("NOFILE", "may open fewer files"),
    "Max processes": ("NPROC", "may start fewer processes"),
    "Max locked memory": ("MEMLOCK", "may lock less memory"),
    "Max file size": ("FSIZE", "may write smaller files"),
    "Max address space": ("AS", "may have less memory"),
    "Max data size": ("DATA", "may hold less data"),
    "Max stack size": ("STACK", "may have smaller stacks"),
    "Max cpu time": ("CPU", "may use less processor time"),
}
"""The kernel's name, systemd's name, and what a process with a lower limit can't do."""
PROPERTIES = ",".join(f"Limit{name},Limit{name}Soft" for name, _ in LIMITS.values())
_OF_THREE_WORDS = "|".join(f'"{one}"' for one in LIMITS if one.count(" ") == 2)
SCRIPT = (
    # Read by the shell itself, without another process.
    "for one in 1 ${process:-0}; do while read -r a b c soft hard rest; do"
    f' case "$a $b $c" in {_OF_THREE_WORDS}) echo "$a $b $c=$soft $hard" ;;'
    ' "Max processes "*) echo "$a $b=$c $soft" ;; esac'
    "; done </proc/$one/limits; done"
)
"""Shell command that prints the limits of ``$process``, and PID 1's, which bound all services."""


def lowered(answer: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What the process can't do although its unit and PID 1 allow it."""
    return tuple(
        found
        for kernel, (name, found) in LIMITS.items()
        if _is_lower(
            answer.get(kernel, ()),
            [answer.get(f"Limit{name}{kind}", ["0"])[0] for kind in ("Soft", "")],
        )
    )


def _is_lower(limits: Sequence[str], unit: Sequence[str]) -> bool:
    if len(limits) < 2:
        return False
    most, own = ([_number(one) for one in line.split()] for line in limits[:2])
    # Only PID 1's hard limit applies to services: it raises its own soft limit.
    wanted = [min(most[1], _number(one)) for one in unit]
    return any(mine < theirs for mine, theirs in zip(own, wanted, strict=True))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 2**64
