"""The repositories of distributions with dnf: their names, and how to enable them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Repositories:
    """Names of repositories, and the command that enables one."""

    enable: str = "dnf config-manager --set-enabled"
    """The command; the repository's name follows."""
    base: str = "baseos"
    """The repository with the system itself (BaseOS)."""
    streams: str = "appstream"
    """The repository with PostgreSQL and NGINX (AppStream)."""
    epel: str = "dnf install epel-release"
    """To add EPEL."""
    subscription: bool = False
    """Whether they need a subscription, or a cloud image that includes them."""


REBUILDS = Repositories()
RED_HAT = Repositories(
    "subscription-manager repos --enable",
    "rhel-9-for-$(arch)-baseos-rpms",
    "rhel-9-for-$(arch)-appstream-rpms",
    "",  # Red Hat has no package that adds it
    subscription=True,
)
ORACLE = Repositories(
    base="ol9_baseos_latest", streams="ol9_appstream", epel="dnf install oracle-epel-release-el9"
)
