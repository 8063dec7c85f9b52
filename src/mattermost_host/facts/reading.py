"""The facts of many hosts at once: one round trip each, in parallel."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gevent.pool import Pool
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.connectors.local import LocalConnector
from pyinfra.context import ctx_host

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.over_shell import ReadHost
from mattermost_host.facts.questions import QUESTIONS, script

PARALLEL = 30
TIMEOUT_S = 120
"""The slowest honest answer is a name that no resolver knows: 15 s."""


@dataclass(frozen=True)
class Reading:
    """What the hosts answered."""

    facts: Mapping[str, HostFacts]
    silent: Mapping[str, str]
    """Hosts that did not answer, and the reason."""


def facts_of(hosts: Sequence[Host], site: str) -> Reading:
    """The facts of ``hosts``, by name; connects those that are not connected yet.

    The pool is our own: while deploys are prepared, pyinfra's is filled by the very greenlets that
    wait for this.
    """
    answers = Pool(PARALLEL).map(lambda host: _ask(host, site), hosts)
    named = {host.name: answer for host, answer in zip(hosts, answers, strict=True)}
    return Reading(
        facts={name: answer for name, answer in named.items() if isinstance(answer, HostFacts)},
        silent={name: answer for name, answer in named.items() if isinstance(answer, str)},
    )


def _ask(host: Host, site: str) -> HostFacts | str:
    """The facts, or why there are none."""
    if isinstance(host.connector, LocalConnector) and os.geteuid() == 0:
        # psutil and distro are of use here only.
        from mattermost_host.facts import this_machine  # noqa: PLC0415

        return this_machine.read(site)
    try:
        with ctx_host.use(host):
            if not host.connected:
                host.connect(show_errors=False, raise_exceptions=True)
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
