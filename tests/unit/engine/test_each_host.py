"""Many hosts at once: an error of one is one error, not a traceback."""

import pytest
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.context import ctx_state

from mattermost_host.engine import each_host
from mattermost_host.support.errors import OperatorError


def test_an_error_is_raised_once_all_have_ended_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    inventory = Inventory((["@fake/h1", "@fake/h2"], {}))  # type: ignore[no-untyped-call]
    state = State(inventory, Config())  # type: ignore[no-untyped-call]
    asked = []

    def question(host: Host) -> str:
        asked.append(host.name)
        if host.name == "@fake/h1":
            raise OperatorError("h1 is not in the mood")
        return host.name

    with ctx_state.use(state), pytest.raises(OperatorError, match="not in the mood"):
        each_host.ask(list(inventory), question)
    assert sorted(asked) == ["@fake/h1", "@fake/h2"]
    assert "Traceback" not in "".join(capfd.readouterr())
