"""Read the facts of many hosts in parallel, one round trip each."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra.api import Host

from mattermost_host.engine import each_host
from mattermost_host.engine.questions import answers_of
from mattermost_host.engine.refusals import LOG_IN, Refusal, RootRefused
from mattermost_host.facts import questions
from mattermost_host.facts.host import HostFacts
from mattermost_host.support.errors import OperatorError

PROGRAMS = frozenset({"architecture", "cpus", "clock"})
"""Questions that every host can answer where root can start programs at all."""
NOTHING_RUNS = Refusal(
    "root's shell can't start any program there, as where sudoers has NOEXEC for the user",
    "Take NOEXEC, or 'Defaults noexec', out of sudoers for this user, or log in as another one",
)


@dataclass(frozen=True)
class Reading:
    """The answers of the hosts."""

    facts: Mapping[str, HostFacts]
    silent: Mapping[str, Refusal]
    """Hosts that did not answer, with the reason."""


def facts_of(
    hosts: Sequence[Host],
    site: str,
    known: Mapping[str, HostFacts] | None = None,
    backup: str = "",
) -> Reading:
    """The facts of ``hosts``, by name; connects those that are not connected yet.

    ``site`` is the name in the site's URL, ``backup`` where its backups go, or empty.
    A host whose facts are ``known``, because this run has asked it before, is not asked again.
    """
    told = known or {}
    answers = each_host.ask(hosts, lambda host: _ask(host, site, backup, told.get(host.name)))
    named = {host.name: answer for host, answer in zip(hosts, answers, strict=True)}
    return Reading(
        facts={name: answer for name, answer in named.items() if isinstance(answer, HostFacts)},
        silent={name: answer for name, answer in named.items() if isinstance(answer, Refusal)},
    )


def _ask(host: Host, site: str, backup: str, known: HostFacts | None) -> HostFacts | Refusal:
    """The facts, or why there are none."""
    if known is None and each_host.is_this_machine(host) and os.geteuid() == 0:
        # psutil is of use here only.
        from mattermost_host.facts import this_machine  # noqa: PLC0415

        return this_machine.read(site, backup)
    if refusal := each_host.connect(host):
        return refusal
    try:
        facts = known or read(host, site, backup)
        return NOTHING_RUNS if facts.unread >= PROGRAMS else facts
    except RootRefused as refused:
        return refused.refusal
    except OperatorError as error:
        return Refusal(str(error), LOG_IN)


def read(host: Host, site: str, backup: str = "") -> HostFacts:
    """The facts of a connected host. Raises OperatorError if it can't be asked."""
    sent = time.time()
    answers = answers_of(host, questions.about(site, backup))
    return questions.facts_of(answers, sent, time.time())
