"""The facts of many hosts at once: one round trip each, in parallel."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.engine import each_host
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.over_shell import ReadHost
from mattermost_host.facts.questions import QUESTIONS, script

TIMEOUT_S = 120
"""The slowest honest answer is a name that no resolver knows: 15 s."""


@dataclass(frozen=True)
class Reading:
    """What the hosts answered."""

    facts: Mapping[str, HostFacts]
    silent: Mapping[str, str]
    """Hosts that did not answer, and the reason."""


def facts_of(hosts: Sequence[Host], site: str) -> Reading:
    """The facts of ``hosts``, by name; connects those that are not connected yet."""
    answers = each_host.ask(hosts, lambda host: _ask(host, site))
    named = {host.name: answer for host, answer in zip(hosts, answers, strict=True)}
    return Reading(
        facts={name: answer for name, answer in named.items() if isinstance(answer, HostFacts)},
        silent={name: answer for name, answer in named.items() if isinstance(answer, str)},
    )


def _ask(host: Host, site: str) -> HostFacts | str:
    """The facts, or why there are none."""
    if each_host.is_this_machine(host) and os.geteuid() == 0:
        # psutil and distro are of use here only.
        from mattermost_host.facts import this_machine  # noqa: PLC0415

        return this_machine.read(site)
    if reason := each_host.connect(host):
        return reason
    try:
        facts = host.get_fact(
            ReadHost,
            site=site,
            _stdin=script(QUESTIONS, site),
            _ignore_errors=True,
            _timeout=TIMEOUT_S,
        )
    except PyinfraError as error:
        return str(error)
    return facts or "no answer as root; what the host said stands above"
