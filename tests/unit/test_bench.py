"""The bench takes our questions apart for the rivals; it has to notice when one changes."""

from pathlib import Path
from unittest import mock

import pytest

from mattermost_host.ops.unit_state import AskUnit
from tests.bench import items
from tests.bench.items import Lasting
from tests.unit.site.whole import planned


def test_each_question_of_a_site_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {type(question) for question in planned({}, tmp_path, monkeypatch).questions}
    context = items._Context(mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
    assert len(asked) > 5
    assert asked <= set(context.known())


def test_a_units_question_becomes_an_item_for_each_thing_it_looks_at() -> None:
    asked = AskUnit("x.service", restart_on=("/etc/x.conf",), reload_on=("/etc/x.pem",))
    found = {item.name: item.query for item in items._unit(asked) if isinstance(item, Lasting)}
    assert list(found) == [
        "systemd has read the files of x.service",
        "x.service needs no restart",
        "x.service needs no reload",
        "the binary of x.service is there",
    ]
    assert (
        "! -type d -cnewer /run/systemd/units/invocation:x.service"
        in found["x.service needs no restart"]
    )
    assert "find /etc/x.pem -maxdepth 0 $newer" in found["x.service needs no reload"]
    assert not any("printf" in query for query in found.values())
