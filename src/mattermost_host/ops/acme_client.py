"""Which ACME client a host uses: the distribution's certbot, or lego."""

from mattermost_host.knowledge.families import Family
from mattermost_host.ops import certbot, lego
from mattermost_host.ops.acme import Client

LIVES = (certbot.LIVE, lego.LIVE)
"""Where the clients keep their pairs."""


def chosen(stated: str | None, family: Family) -> Client:
    """The ``stated`` client, else certbot if the distribution has it, else lego."""
    name = stated or ("certbot" if family.certbot.of_distribution else "lego")
    return lego.CLIENT if name == "lego" else certbot.client(family.certbot)


def is_lego(stated: str | None, family: Family) -> bool:
    """Whether the host uses lego."""
    return chosen(stated, family) is lego.CLIENT
