"""Shell functions that wait for another package manager's lock, and report that."""

from mattermost_host.engine.shell import PROGRESS, exclusive

LOCK = "/run/lock/mattermost-host.packages"
EARLIER = "the installation of packages by an earlier run"
LOCK_LIMIT_S = 600
LOCK_PAUSE_S = 5


def locked(who: str, for_example: str) -> str:
    """The message for a lock that was not released in time."""
    return (
        f"Another {who} has held this lock for {LOCK_LIMIT_S // 60} minutes. Wait until it has "
        f"ended ({for_example} may take long), or see what it waits for, and run this again."
    )


def alone(who: str, lock_is_held: str, sentence: str) -> str:
    """The beginning of a script: a lock between our runs, and the function ``patiently``.

    ``patiently`` repeats a command while another process holds its lock. ``lock_is_held`` is a test
    of $said and $status, the command's output and exit status. A killed run leaves its command
    running; such a child must not inherit our lock (9>&-).
    """
    return f"""set -eu
exec 9>{LOCK}
{exclusive(9, EARLIER)}
tries={LOCK_LIMIT_S // LOCK_PAUSE_S}
told=
oneline() {{ printf %s "$1" | tr '\\n' ' '; }}
patiently() {{
  while :; do
    if said=$("$@" 9>&- 2>&1); then printf '%s\\n' "$said"; return; else status=$?; fi
    if ! {lock_is_held}; then printf '%s\\n' "$said" >&2; return $status; fi
    if [ $tries -le 0 ]; then printf '%s\\n%s\\n' "$said" '{sentence}' >&2; return $status; fi
    [ -n "$told" ] || echo "{PROGRESS}waiting for another {who}: $(oneline "$said")"
    told=yes
    tries=$((tries - 1)); sleep {LOCK_PAUSE_S}
  done
}}"""
