"""Shell that waits while somebody else's package manager is at work, and says so."""

from mattermost_host.engine.shell import PROGRESS, exclusive

LOCK = "/run/lock/mattermost-host.packages"
EARLIER = "the installation of packages by an earlier run"
LOCK_LIMIT_S = 600
LOCK_PAUSE_S = 5


def locked(who: str, for_example: str) -> str:
    """The sentence for a lock that was never given up."""
    return (
        f"Another {who} has held this lock for {LOCK_LIMIT_S // 60} minutes. Wait until it has "
        f"ended ({for_example} may take long), or see what it waits for, and run this again."
    )


def alone(who: str, lock_is_held: str, sentence: str) -> str:
    """The beginning of a script: one run of ours at a time, and the function ``patiently``.

    ``patiently`` runs a command again while another holds its lock. ``lock_is_held`` is a test of
    $said and $status, what the command printed and its exit status. A killed run leaves its
    command behind, at work; no such child may inherit our lock (9>&-).
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
