"""Only the checks: says whether the hosts will do, and touches nothing.

pyinfra inventories/single.py deploys/preflight.py
"""

from mattermost_host import preflight
from mattermost_host.site import Site

preflight.require(Site.current())
