"""Read by pyinfra before each run, from the folder it is started in."""

from pyinfra import config

from mattermost_host.engine import pyinfra_patches

# With pyinfra's default the other hosts go on after one has failed.
config.FAIL_PERCENT = 0
config.SUDO = True
pyinfra_patches.quicken()

# Python keeps what it compiles from here on.
from mattermost_host.cli.sentences import sentences  # noqa: E402
from mattermost_host.site.site import Site  # noqa: E402

# Every mistake of the inventory is reported here, before any connection.
with sentences():
    Site.load_for_pyinfra()
