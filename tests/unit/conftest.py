"""Every unit test starts without what the caller's environment says of a site."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.listeners import Box, Hook, mail_server, webhook


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MATTERMOST_", "MM_")):
            monkeypatch.delenv(name)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook that keeps what it is told."""
    with webhook() as made:
        yield made


@pytest.fixture
def box() -> Iterator[Box]:
    """A mail server that keeps what it is given."""
    with mail_server() as made:
        yield made


@pytest.fixture
def in_the_open(tmp_path: Path) -> Path:
    """A temporary folder that others can look into, as a home often is; pytest's is closed."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path
