"""What a command sets for its run, besides the inventory."""

from collections.abc import Mapping
from typing import TypedDict

from mattermost_host.facts.host import HostFacts


class OfRun(TypedDict, total=False):
    """Fields of ``Site``, documented there."""

    accept_loss: bool
    delete: tuple[str, ...]
    by_hash: bool
    known: Mapping[str, HostFacts]
