"""Read by pyinfra before each run, from the folder it is started in."""

import sys

from pyinfra import config

# pyinfra switches this off for its own reasons; our modules are not to be compiled at every run.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from mattermost_host import quicker  # noqa: E402 - compiled from here on
from mattermost_host.site import Site  # noqa: E402

# With pyinfra's default the other hosts go on after one has failed.
config.FAIL_PERCENT = 0
config.SUDO = True
quicker.quicken()

# Every mistake of the inventory is reported here, before any connection.
Site.load_for_pyinfra()
