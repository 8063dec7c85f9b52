"""Where what can be fetched again is kept, outside the checkout."""

import os
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mattermost-host"
