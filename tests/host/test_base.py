"""The basis of every host."""

import pytest

from mattermost_host.components import base
from mattermost_host.ops import unfinished
from mattermost_host.plan.plan import Plan
from mattermost_host.preflight.generated import changed_units
from tests.host import asking, judge
from tests.host.asking import Seen
from tests.host.recording import Recorder


def test_the_clock_is_right(seen: Seen) -> None:
    """The clock is synchronised and right."""
    judge.holds(judge.clock(seen.facts))


def test_the_locale_is_there(seen: Seen) -> None:
    """The database's locale is installed."""
    if not seen.answers[asking.LOCALE]:
        judge.holds([judge.differs(f"locale {base.LOCALE}", "it generated", "it missing")])


def test_kernel_parameters_are_in_force(seen: Seen) -> None:
    """The kernel parameters are in force."""
    if not seen.settings.base.kernel_parameters:
        pytest.skip("the site leaves them alone (base.kernel_parameters)")
    judge.holds(judge.kernel(base.kernel_parameters(seen.facts.memory_mb), seen.kernel))


def test_no_private_key_is_readable_by_everybody(seen: Seen) -> None:
    """No private key is readable by everybody."""
    judge.holds(judge.no_public_keys(seen.answers[asking.PUBLIC_KEYS]))


def test_no_generator_changes_the_units(seen: Seen, record_property: Recorder) -> None:
    """Drop-ins of systemd's generators for the site's units are reported; they can't be removed."""
    for sentence in changed_units(seen.facts):
        record_property("generator", sentence)


def test_nothing_is_unfinished(seen: Seen) -> None:
    """No upgrade, no move of the database, and no restore was cut off."""
    judge.holds(f"{one}. {one.kind.remedy}" for one in unfinished.on(seen.facts))


def test_a_run_would_change_nothing(seen: Seen, plan: Plan) -> None:
    """The host matches the inventory: a run would change nothing."""
    judge.holds(str(change) for change in plan.on(seen.host.name))
