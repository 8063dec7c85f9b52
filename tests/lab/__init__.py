"""Real hosts with systemd on this machine, to test on and to try things out."""

import mattermost_host  # noqa: F401 - before anything holds the ssl module; see there
