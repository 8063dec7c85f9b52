"""Wait for cloud-init, which may still be setting up a new host after log-in is possible."""

from mattermost_host.engine.shell import PROGRESS

LIMIT_S = 600
"""Time limit: it may upgrade the whole system."""
PAUSE_S = 5
AT_WORK = "[ -e /run/cloud-init/enabled ] && [ ! -e /run/cloud-init/result.json ]"
TOO_LONG = (
    f"cloud-init has been at work for more than {LIMIT_S // 60} minutes, and may still change the "
    "host. See `cloud-init status --long` there, and run this again when it has ended."
)

# It uses apt's locks, but does not hold them between its steps.
WAIT = f"""tries={LIMIT_S // PAUSE_S}
while {AT_WORK}; do
  [ $tries -gt 0 ] || {{ echo '{TOO_LONG}' >&2; exit 1; }}
  [ $tries -lt {LIMIT_S // PAUSE_S} ] || echo '{PROGRESS}waiting for cloud-init to end'
  tries=$((tries - 1)); sleep {PAUSE_S}
done
"""
