"""A script on a host that goes away meanwhile: it is noticed, and said in a sentence."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mattermost_host.engine import remote
from mattermost_host.support.errors import OperatorError

HOST = cast(Any, SimpleNamespace(name="h1"))


class _Gone:
    """A command whose host loses its power: what paramiko says then."""

    def __init__(self, ends_with: OSError | None = None) -> None:
        self.ends_with = ends_with

    def read(self) -> bytes:
        if self.ends_with:
            raise self.ends_with
        return b""

    def errors(self) -> str:
        return ""

    def end_input(self) -> None:
        pass

    def status(self) -> int:
        return -1


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (None, "the host did not say how the command ended"),
        (TimeoutError(), "the host did not answer"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
    ],
)
def test_a_host_that_is_gone_is_told(
    monkeypatch: pytest.MonkeyPatch, ended: OSError | None, why: str
) -> None:
    monkeypatch.setattr(remote, "start", lambda *_: _Gone(ended))
    with pytest.raises(OperatorError) as caught:
        remote.run(HOST, "true")
    said = str(caught.value)
    assert said.startswith("the connection to h1 broke off: ")
    assert why in said
    assert "run the same command again, and it says where things stand" in said
