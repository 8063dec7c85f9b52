"""Hosts for tests. Where none can be booted, tests are skipped with the reason."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab import needs
from tests.lab import release as releases
from tests.lab.hosts import Lab
from tests.lab.pebble import Pebble

_DIAGNOSIS = "systemctl --failed --no-pager --no-legend; journalctl --no-pager --lines 40"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """An empty lab, for the tests of one module."""
    reason = needs.missing()
    if reason:
        pytest.skip(reason)
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def pebble(lab: Lab) -> Pebble:
    """A host of the lab on which pebble, an ACME server, answers."""
    return Pebble(lab)


@pytest.fixture(scope="session")
def release() -> Path:
    """The tarball to deploy: the stand-in, or the file that MATTERMOST_RELEASE names."""
    named = releases.named()
    return Path(named).resolve() if named else releases.standin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, below a failed test, what its hosts have to say."""
    report = yield
    made = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(made, Lab):
        for host in made.hosts.values():
            if host.running:
                said = host.run(_DIAGNOSIS, check=False, timeout=30).stdout
                report.sections.append((f"journal of {host.name}", said))
    return report
