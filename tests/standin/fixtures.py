"""pytest fixtures: the release once, one PostgreSQL, and a server of its own for each test.

Used by ``pytest_plugins = ["tests.standin.fixtures"]`` in a test module.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.build import build
from tests.standin.cluster import Cluster, missing
from tests.standin.running import Standin, standin, unpack


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder that other accounts can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="standin-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def tarball(home: Path) -> Path:
    return build(home / "release")


@pytest.fixture(scope="session")
def tree(home: Path, tarball: Path) -> Path:
    return unpack(tarball, home)


@pytest.fixture(scope="session")
def cluster(home: Path) -> Iterator[Cluster]:
    """A private PostgreSQL; tests that need it are skipped, with the reason, where it can't run."""
    if missing():
        pytest.skip(f"the stand-in was not run: {missing()}")
    cluster = Cluster.create(home / "postgresql")
    yield cluster
    cluster.stop()


@pytest.fixture
def server(home: Path, tree: Path, cluster: Cluster) -> Iterator[Standin]:
    """A server with a database of its own, not started yet."""
    database = cluster.new_database()
    with standin(tree, home / database, cluster.data_source(database)) as server:
        yield server
