"""The verification's fixtures: hosts and components of the site parametrise the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from mattermost_host.plan import plan as planning
from mattermost_host.plan.plan import Plan
from mattermost_host.site.settings import ROOMS
from mattermost_host.site.site import Site
from mattermost_host.site.to import To
from mattermost_host.support.errors import OperatorError
from tests.host import declared
from tests.host.asking import Seen
from tests.host.outside import Outside, outside

HOSTS = pytest.StashKey[dict[str, Seen]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The command line of `mattermost-host verify`."""
    group = parser.getgroup("mattermost-host")
    group.addoption("--inventory", type=Path, required=True, help="The site to verify.")
    group.addoption("--to", help="Another release than the inventory states.")
    group.addoption("--to-sha256", help="Digest of its tarball.")
    group.addoption("--journey", action="store_true", help="Also go the way of two users.")


def pytest_configure(config: pytest.Config) -> None:
    """Load the site; mistakes of its inventory end the run."""
    try:
        site = Site.load(config.getoption("--inventory"), to=_to(config))
    except OperatorError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[HOSTS] = {host.name: Seen(site, host) for host in site.hosts}


def _to(config: pytest.Config) -> To | None:
    version = config.getoption("--to")
    return To(version, config.getoption("--to-sha256")) if version else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out components that no host has, so that only actual checks are counted."""
    subject = collection_path.stem.removeprefix("test_")
    if subject == "journey" and not config.getoption("--journey"):
        return True
    present = {name for seen in config.stash[HOSTS].values() for name in components(seen)}
    return True if subject in ROOMS.keys() - present else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each host with the module's component, or for each component of each host."""
    hosts = metafunc.config.stash[HOSTS]
    subject = metafunc.module.__name__.rpartition("test_")[2]
    if "component" in metafunc.fixturenames:
        kind = next(metafunc.definition.iter_markers("declares")).args[0]
        pairs = [(name, one) for name, seen in hosts.items() for one in _declaring(seen, kind)]
        metafunc.parametrize(("seen", "component"), pairs, indirect=["seen"], scope="session")
    elif "seen" in metafunc.fixturenames:
        wanted = "nginx" if subject == "journey" else subject
        names = [name for name, seen in hosts.items() if wanted in components(seen)]
        metafunc.parametrize("seen", names, indirect=True, scope="session")


def _declaring(seen: Seen, kind: str) -> Iterator[str]:
    """The components that declare something of ``kind``; all if the host can't be asked."""
    try:
        surfaces = seen.surfaces
    except PyinfraError:
        yield from components(seen)
    else:
        yield from (name for name, surface in surfaces.items() if declared.has(surface, kind))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort by host, and by the order in which components are deployed."""
    hosts = list(config.stash[HOSTS].keys())
    order = [*ROOMS, "journey"]

    def place(item: pytest.Item) -> tuple[int, int]:
        parameters = item.callspec.params if isinstance(item, pytest.Function) else {}
        component = parameters.get("component", item.path.stem.removeprefix("test_"))
        return hosts.index(str(parameters["seen"])), order.index(str(component))

    items.sort(key=place)


def components(seen: Seen) -> Iterator[str]:
    """The components of a host, in the order of deploys/site.py."""
    yield from (room.name for room, _ in seen.site.rooms(seen.host.name))


@pytest.fixture(scope="session")
def seen(request: pytest.FixtureRequest) -> Seen:
    """One host and its answers."""
    host = request.config.stash[HOSTS][request.param]
    try:
        _ = host.answers
    except PyinfraError as error:
        pytest.fail(str(error), pytrace=False)
    return host


@pytest.fixture(scope="session")
def plan(request: pytest.FixtureRequest) -> Plan:
    """What a run would change, on all hosts."""
    config = request.config
    known = {name: seen.facts for name, seen in config.stash[HOSTS].items() if seen.told}
    return planning.make(Site.use(config.getoption("--inventory"), to=_to(config), known=known))


@pytest.fixture(scope="session")
def proxy(seen: Seen) -> Outside:
    """The host's proxy, as users see it."""
    return outside(seen.site, seen.address)
