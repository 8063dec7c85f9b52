"""The ground of every host."""

from tests.host import asking, judge
from tests.host.asking import Seen

from mattermost_host.components import base


def test_the_clock_is_right(seen: Seen) -> None:
    judge.holds(judge.clock(seen.facts))


def test_the_locale_is_there(seen: Seen) -> None:
    if not seen.answers[asking.LOCALE]:
        judge.holds([judge.differs(f"locale {base.LOCALE}", "it generated", "it missing")])


def test_kernel_parameters_are_in_force(seen: Seen) -> None:
    if seen.settings.base.kernel_parameters:
        judge.holds(judge.kernel(base.kernel_parameters(seen.facts.memory_mb), seen.kernel))


def test_no_private_key_is_readable_by_everybody(seen: Seen) -> None:
    judge.holds(judge.no_public_keys(seen.answers[asking.PUBLIC_KEYS]))
