"""The whole life of a certificate that an operator brings."""

from datetime import UTC, datetime, timedelta

import pytest

from mattermost_host.certificates import authority
from mattermost_host.preflight.certificate import time_left

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("days", "verdict"), [(820, "ok"), (900, "warning")])
def test_a_certificate_that_apples_systems_refuse_is_a_warning(
    days: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "LEAF_LIFE", timedelta(days=days))
    pair = authority.new_leaf(authority.new_authority("chat", NOW), ["chat.example.com"], NOW)
    found = time_left("files", pair, NOW)
    assert found.verdict == verdict
    assert ("at most 825 days" in found.needed) is (verdict == "warning")
