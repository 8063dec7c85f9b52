"""Shell scripts that run at the same time on one host, their output in the order of the scripts."""

from collections.abc import Sequence

AT_ONCE = 3
"""More gained nothing on hosts with two processors; each costs two processes."""


def side_by_side(scripts: Sequence[str]) -> str:
    """One POSIX shell script that runs ``scripts``, some of them in order in each of few shells.

    Each shell's output waits in a pipe until those before it have been printed, so nothing is
    left behind on the host, whatever ends the run.
    """
    shells = ["\n".join(some) for some in _shares(scripts)]
    together = shells[0] if shells else ""
    for shell in shells[1:]:
        # The braces: a shell that reads its script from standard input reads all of it first.
        together = f"{{\n{shell}\n}} | {{\n{{\n{together}\n}} </dev/null\ncat\n}}"
    return f"{{\n{together}\n}} </dev/null"


def _shares(scripts: Sequence[str]) -> list[Sequence[str]]:
    """The scripts in ``AT_ONCE`` shares of about the same length, in their order."""
    share = -(-len(scripts) // AT_ONCE)
    return [scripts[start : start + share] for start in range(0, len(scripts), share or 1)]
