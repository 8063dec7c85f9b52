"""pyinfra reads this file before each run, from the current folder."""

from pyinfra import config

from mattermost_host.engine import pyinfra_patches

# By default pyinfra continues on the other hosts after one has failed.
config.FAIL_PERCENT = 0
config.SUDO = True
pyinfra_patches.quicken()

# After quicken(), Python writes .pyc files again.
from mattermost_host.cli.sentences import sentences  # noqa: E402
from mattermost_host.site.site import Site  # noqa: E402

# All mistakes of the inventory are reported here, before any connection.
with sentences():
    Site.load_for_pyinfra()
