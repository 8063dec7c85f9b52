"""Shell scripts that run at the same time on one host, their output in the order of the scripts.

They have a limit of time: whoever may write a folder can put something there that is read for ever.
"""

from collections.abc import Sequence

AT_ONCE = 3
"""More gained nothing on hosts with two processors; each costs two processes."""
LIMIT_S = 60
SHELL = f"timeout --preserve-status -k 5 {LIMIT_S} sh -s"
"""Runs a script from standard input; an argument would be written into the journal by sudo."""
ENDS_WELL = "trap 'exit 0' TERM"
"""Begins such a script: out of time, what it has printed so far is an answer."""


def limited(script: str) -> str:
    """``script`` with the limit, for a shell that has none."""
    end = "=mattermost-host-script-ends="
    return f"{SHELL} <<'{end}'\n{script}\n{end}"


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
