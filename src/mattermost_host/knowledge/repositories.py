"""The repositories of distributions with dnf: what they are called, and how they are enabled."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Repositories:
    """Names, and what an administrator types."""

    enable: str = "dnf config-manager --set-enabled"
    """Before the name of a repository."""
    base: str = "baseos"
    """Name of the one with the system itself."""
    streams: str = "appstream"
    """Name of the one with PostgreSQL and NGINX."""
    epel: str = "dnf install epel-release"
    """To add EPEL."""
    subscription: bool = False
    """Whether they need a subscription, or a cloud's image that has them."""


REBUILDS = Repositories()
RED_HAT = Repositories(
    "subscription-manager repos --enable",
    "rhel-9-for-$(arch)-baseos-rpms",
    "rhel-9-for-$(arch)-appstream-rpms",
    "",  # no package of Red Hat's own
    subscription=True,
)
ORACLE = Repositories(
    base="ol9_baseos_latest", streams="ol9_appstream", epel="dnf install oracle-epel-release-el9"
)
