"""One list of what holds: what the verification sees, a plan sees, and the other way round."""

import re
from fnmatch import fnmatch

import pytest

from mattermost_host.cli import reference_docs, reference_verification
from mattermost_host.verify.counterparts import COUNTERPARTS, EVERY_OPERATION, VERIFICATION_ALONE
from mattermost_host.verify.run import TESTS
from tests.unit.site.test_goldens import GOLDEN

OPERATIONS = {
    line.removeprefix("== ").partition(": ")[0]
    for file in GOLDEN.glob("*/operations.txt")
    for line in file.read_text(encoding="utf-8").splitlines()
    if line.startswith("== ")
}
PREFLIGHT = set(re.findall(r"^\| `([a-z-]+)` \|", reference_docs.checks_page(), re.MULTILINE))
CHECKS = {name for _, name, _ in reference_verification.checks(TESTS)}


def test_each_check_of_the_verification_has_its_place() -> None:
    assert COUNTERPARTS.keys() | VERIFICATION_ALONE.keys() == CHECKS
    assert not COUNTERPARTS.keys() & VERIFICATION_ALONE.keys()


@pytest.mark.parametrize("check", sorted(COUNTERPARTS.keys() - {EVERY_OPERATION}))
def test_its_counterparts_are_parts_of_a_plan(check: str) -> None:
    for name in COUNTERPARTS[check]:
        assert name in PREFLIGHT or any(fnmatch(one, name) for one in OPERATIONS), name


def test_what_a_run_would_change_is_a_check_of_the_verification() -> None:
    assert EVERY_OPERATION in CHECKS
