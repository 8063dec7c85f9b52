"""People are told once when drift begins and once when it has ended, by a way that works."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.drift import alerts as drift_alerts
from mattermost_host.drift.alerts import Channels
from mattermost_host.drift.messengers import Undelivered
from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.site.drift_settings import Mail
from mattermost_host.support.errors import OperatorError
from tests.unit.listeners import Box, Hook

ONE = Found("h1", "/etc/one", "is missing", "warning", "change")
TWO = Found("h1", "table inet x", "in the kernel is not what the file says", "critical", "change")
DOWN = Found("h1", "mattermost.service", "does not run", "critical", "restart")
RIGHT = Outcome("chat", datetime(2026, 3, 1, 3, tzinfo=UTC), 1)


def _with(*drift: Found, **values: object) -> Outcome:
    return replace(RIGHT, drift=drift, **values)  # type: ignore[arg-type]


@dataclass
class Somebody:
    """Keeps what it is told."""

    configured: bool = True
    deaf: bool = False
    told: list[str] = field(default_factory=list)

    def deliver(self, outcome: Outcome, subject: str, text: str) -> Sequence[str]:
        if self.deaf:
            raise Undelivered("no answer")
        self.told.append(text)
        return ()


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "told.json"


def _tell(memory: Path, *outcomes: Outcome) -> list[str]:
    """What somebody hears of these, in order; empty where they hear nothing."""
    heard = []
    for outcome in outcomes:
        somebody = Somebody()
        drift_alerts.tell(memory, outcome, somebody)
        heard.append("\n".join(somebody.told))
    return heard


def test_the_same_drift_is_told_once_and_its_end_once(memory: Path) -> None:
    heard = _tell(memory, RIGHT, _with(ONE), _with(ONE), _with(ONE), RIGHT, RIGHT)
    assert [bool(one) for one in heard] == [False, True, False, False, True, False]
    assert "warning: h1: /etc/one is missing" in heard[1]
    assert heard[4].startswith("chat: everything is as described.")
    assert "has ended" in heard[4]
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600


def test_drift_that_comes_back_is_told_again(memory: Path) -> None:
    assert all(_tell(memory, _with(ONE), RIGHT, _with(ONE)))


def test_only_what_is_new_is_named(memory: Path) -> None:
    _, heard, ends, nothing = _tell(memory, _with(ONE), _with(ONE, TWO), _with(TWO), _with(TWO))
    assert "critical: h1: table inet x" in heard and "/etc/one" not in heard
    assert "1 that were told before are still there." in heard
    assert (ends, nothing) == ("", ""), "the rest of it is known"


def test_the_same_thing_in_another_way_is_new(memory: Path) -> None:
    worse = replace(ONE, found="has mode 666 instead of 644", severity="critical")
    assert "has mode 666" in _tell(memory, _with(ONE), _with(worse))[1]


def test_what_was_put_right_at_once_is_told(memory: Path) -> None:
    heard = _tell(memory, _with(healed=(TWO,)), RIGHT)
    assert "critical: put right: h1: table inet x" in heard[0]
    assert heard[1] == ""


def test_not_being_able_to_tell_is_told_once_whatever_the_reason(memory: Path) -> None:
    heard = _tell(
        memory,
        _with(ONE),
        _with(reason="h1: connection refused"),
        _with(reason="h1: timed out"),
        _with(ONE),
        _with(ONE),
        RIGHT,
    )
    assert "connection refused" in heard[1]
    assert heard[2] == ""
    assert "It can be told again." in heard[3] and "1 that were told before" in heard[3]
    assert heard[4] == ""
    assert "has ended" in heard[5]


def test_who_could_not_be_told_is_told_at_the_next_run(memory: Path) -> None:
    deaf = Somebody(deaf=True)
    for _ in range(2):
        with pytest.raises(OperatorError, match="nobody could be told: no answer"):
            drift_alerts.tell(memory, _with(ONE), deaf)
    assert not memory.exists()
    assert "/etc/one" in _tell(memory, _with(ONE))[0]


def test_nothing_is_remembered_where_there_is_nobody_to_tell(memory: Path) -> None:
    drift_alerts.tell(memory, _with(ONE), Somebody(configured=False))
    assert not memory.exists()
    assert _tell(memory, _with(ONE))[0]


def test_a_broken_memory_tells_once_more(memory: Path) -> None:
    _tell(memory, _with(ONE))
    memory.write_text("{")
    assert [bool(one) for one in _tell(memory, _with(ONE), _with(ONE))] == [True, False]


def test_a_long_list_is_cut(memory: Path) -> None:
    many = [replace(ONE, subject=f"/etc/{number}") for number in range(100)]
    lines = _tell(memory, _with(*many))[0].splitlines()
    assert len(lines) == drift_alerts.SHOWN + 3
    assert lines[-1] == "and 75 more, which the journal names"


def _channels(hook: Hook | None, box: Box | None) -> Channels:
    where = {"server": "127.0.0.1", "security": "none", "sender": "us@test"}
    mail = Mail()
    if box:
        mail = Mail.model_validate({"recipients": ["a@test"], "port": box.port, **where})
    return Channels(SecretStr(hook.url) if hook else None, None, mail, None)


def test_a_webhook_that_works_needs_no_mail(memory: Path, hook: Hook, box: Box) -> None:
    assert drift_alerts.tell(memory, _with(ONE), _channels(hook, box)) == []
    assert len(hook.posted) == 1
    assert box.mails == []


def test_mail_where_the_webhook_fails(memory: Path, hook: Hook, box: Box) -> None:
    hook.status = 502
    failed = drift_alerts.tell(memory, _with(TWO), _channels(hook, box))
    assert failed == ["the webhook answered with status 502"]
    (mail,) = box.mails
    assert "critical: h1: table inet x" in mail
    assert "(the webhook answered with status 502)" in mail
    assert "c0ffee" not in mail
    drift_alerts.tell(memory, _with(TWO), _channels(hook, box))
    assert len(box.mails) == 1


def test_mail_as_well_where_the_server_is_down(memory: Path, hook: Hook, box: Box) -> None:
    drift_alerts.tell(memory, _with(DOWN), _channels(hook, box))
    assert (len(hook.posted), len(box.mails)) == (1, 1)


def test_mail_alone(memory: Path, box: Box) -> None:
    drift_alerts.tell(memory, _with(ONE), _channels(None, box))
    assert "Subject: chat: 1 thing is not as described, at worst warning" in box.mails[0]


def test_nobody_hears(memory: Path, hook: Hook, box: Box) -> None:
    hook.status, box.refuse = 500, "550 no"
    with pytest.raises(OperatorError, match=r"status 500; .* did not take the mail"):
        drift_alerts.tell(memory, _with(ONE), _channels(hook, box))
    assert not memory.exists()


def test_names_from_a_host_mention_nobody(memory: Path, hook: Hook) -> None:
    nasty = replace(ONE, found="leads to ```\n@channel **x** \x1b[31m")
    drift_alerts.tell(memory, _with(nasty), _channels(hook, None))
    (text,) = hook.posted
    assert text.count("```") == 2 and text.endswith("\n```")
    inside = text.split("```")[1]
    assert "@channel" in inside and "\x1b" not in text
    assert len(inside.strip().splitlines()) == 1
