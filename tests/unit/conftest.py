"""Every unit test starts without what the caller's environment says of a site."""

import os
from collections.abc import Iterator

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
