"""The preflight alone: checks whether the hosts meet the requirements, and changes nothing.

pyinfra inventories/single.py deploys/preflight.py
"""

from mattermost_host.cli.sentences import sentences
from mattermost_host.preflight import run as preflight
from mattermost_host.site.site import Site

with sentences():
    preflight.require(Site.current())
