"""What a check remembers, and where."""

import os
from pathlib import Path

import pytest

from mattermost_host.drift import memory


def test_two_inventories_of_one_name_share_nothing(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "chat.py", tmp_path / "b" / "chat.py"
    assert memory.key(one) != memory.key(other)
    assert memory.key(one).startswith("chat-")
    assert memory.folder(one) != memory.folder(other)


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert memory.folder(tmp_path / "a.py").is_relative_to("/var/lib/mattermost-host/drift")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert memory.folder(tmp_path / "a.py").is_relative_to(Path.home() / ".local/state")
