"""Every unit test starts without what the caller's environment says of a site."""

import os

import pytest


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MATTERMOST_", "MM_")):
            monkeypatch.delenv(name)
