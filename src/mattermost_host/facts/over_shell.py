"""A host's facts by one shell command."""

import time
from collections.abc import Mapping
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from mattermost_host.engine.parallel_shell import LIMIT_S, SHELL
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.questions import QUESTIONS, answers, fields

NOWHERE: Mapping[str, Any] = {
    "distribution": "",
    "release": "",
    "architecture": "",
    "glibc": "",
    "cpus": 0,
    "memory_mb": 0,
    "free_disk_mb": 0,
    "opt_noexec": False,
}
"""What stands in the fields that no default speaks for, where the host could not tell."""


class ReadHost(FactBase["HostFacts | None"]):
    """All of a host's facts in one round trip. ``site`` is the name in the site's URL."""

    def command(self, site: str) -> str:
        self.sent = time.time()
        return SHELL

    def process(self, output: list[str]) -> HostFacts:
        received = time.time()
        sections = answers(output)
        try:
            # The middles of both spans: the way there and the way back take about the same time.
            there = (float(sections["begin"][-1]) + float(sections["end"][0])) / 2
        except (LookupError, ValueError):
            # The questions are answered in their order, each after its name.
            raise FactProcessError(
                f"the host's answers are cut off at its {[*sections][-1]}: after {LIMIT_S} s, or "
                "because the connection broke"
            ) from None
        offset = there - (self.sent + received) / 2
        return HostFacts(**{**NOWHERE, **fields(QUESTIONS, sections), "clock_offset_s": offset})
