"""A host whose folder of releases is a temporary one, and a PostgreSQL of our own."""

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mattermost_host.ops import release_state
from mattermost_host.ops.release_state import (
    HOME,
    Found,
    ReleaseState,
)
from tests.unit.ops import databases
from tests.unit.ops.release_host import Host


@pytest.fixture(scope="module")
def cluster() -> Iterator[databases.Cluster]:
    yield from databases.real_cluster()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(release_state, "OWNER", getpass.getuser())
    # Elsewhere than in HOME, which the answers of this machine name by its own paths.
    monkeypatch.setattr(ReleaseState, "parse", _moved(ReleaseState.parse, tmp_path / "opt"))
    return Host(tmp_path)


def _moved(parse: Callable[..., Found], home: Path) -> Callable[..., Found]:
    return lambda self, lines: parse(self, [line.replace(str(home), HOME) for line in lines])
