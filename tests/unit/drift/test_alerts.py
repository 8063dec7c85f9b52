"""People are told once when drift begins and once when it has ended, by a way that works.

Webhook and mail server are real ones on loopback: what arrives, and what a failure says.
"""

import email
import email.policy
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import new_authority, new_leaf
from mattermost_host.drift import alerts
from mattermost_host.drift.alerts import Channels
from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.site.drift_settings import Mail
from mattermost_host.support.errors import OperatorError
from tests.unit.listeners import Box, Hook, webhook

ONE = Found("h1", "/etc/one", "is missing", "warning", "change")
TWO = Found("h1", "table inet x", "in the kernel is not what the file says", "critical", "change")
DOWN = Found("h1", "mattermost.service", "does not run", "critical", "restart")
RIGHT = Outcome(datetime(2026, 3, 1, 3, tzinfo=UTC), "chat", 1)
Known = frozenset[str]


def _with(*drift: Found, **values: object) -> Outcome:
    return replace(RIGHT, drift=drift, **values)  # type: ignore[arg-type]


def _channels(hook: Hook | None = None, box: Box | None = None, **settings: object) -> Channels:
    mail = Mail()
    if box:
        where = {"server": "127.0.0.1", "security": "none", "sender": "us@test.org"}
        people = ["a@test.org", "b@test.org"]
        mail = Mail.model_validate({"recipients": people, "port": box.port, **where, **settings})
    return Channels(mail, SecretStr(hook.url) if hook else None)


def _tell(hook: Hook, *outcomes: Outcome, known: Known = frozenset()) -> list[str]:
    """What people hear of these, in order; empty where they hear nothing."""
    heard = []
    for outcome in outcomes:
        hook.posted.clear()
        known, failures = alerts.tell(_channels(hook), outcome, known)
        assert not failures
        heard.append("\n".join(hook.posted))
    return heard


class TestWhatIsTold:
    def test_the_same_drift_is_told_once_and_its_end_once(self, hook: Hook) -> None:
        heard = _tell(hook, RIGHT, _with(ONE), _with(ONE), _with(ONE), RIGHT, RIGHT)
        assert [bool(one) for one in heard] == [False, True, False, False, True, False]
        assert "warning: h1: /etc/one is missing" in heard[1]
        assert "chat: everything matches the inventory" in heard[4]
        assert "is gone" in heard[4]

    def test_drift_that_comes_back_is_told_again(self, hook: Hook) -> None:
        assert all(_tell(hook, _with(ONE), RIGHT, _with(ONE)))

    def test_only_what_is_new_is_named(self, hook: Hook) -> None:
        _, heard, ends, nothing = _tell(hook, _with(ONE), _with(ONE, TWO), _with(TWO), _with(TWO))
        assert "critical: h1: table inet x" in heard and "/etc/one" not in heard
        assert "Reported before and still there: 1." in heard
        assert (ends, nothing) == ("", ""), "the rest of it is known"

    def test_the_same_thing_in_another_way_is_new(self, hook: Hook) -> None:
        worse = replace(ONE, found="has mode 666 instead of 644", severity="critical")
        assert "has mode 666" in _tell(hook, _with(ONE), _with(worse))[1]

    def test_what_was_put_right_at_once_is_told(self, hook: Hook) -> None:
        heard = _tell(hook, _with(healed=(TWO,)), RIGHT)
        assert "critical: repaired: h1: table inet x" in heard[0]
        assert heard[1] == ""

    def test_a_check_that_fails_is_told_once_whatever_the_reason(self, hook: Hook) -> None:
        refused, late = _with(reason="h1: connection refused"), _with(reason="h1: timed out")
        heard = _tell(hook, _with(ONE), refused, late, _with(ONE), _with(ONE), RIGHT)
        assert "connection refused" in heard[1]
        assert heard[2] == ""
        assert "The check works again." in heard[3] and "still there: 1." in heard[3]
        assert heard[4] == ""
        assert "is gone" in heard[5]

    def test_who_could_not_be_told_is_told_at_the_next_run(self, hook: Hook) -> None:
        hook.status = 500
        known, failures = alerts.tell(_channels(hook), _with(ONE), frozenset())
        assert known == frozenset()
        assert failures == ("the webhook answered with status 500", "no report could be sent")

    def test_nothing_is_remembered_where_there_is_nobody_to_tell(self) -> None:
        assert alerts.tell(_channels(), _with(ONE), frozenset()) == (frozenset(), ())

    def test_a_long_list_is_cut(self, hook: Hook) -> None:
        many = [replace(ONE, subject=f"/etc/{number}") for number in range(100)]
        lines = _tell(hook, _with(*many))[0].splitlines()
        assert len(lines) == alerts.SHOWN + 4
        assert lines[-2] == "and 75 more, which are in the journal"

    def test_names_from_a_host_mention_nobody(self, hook: Hook) -> None:
        nasty = replace(ONE, found="leads to ```\n@channel **x** \x1b[31m")
        (text,) = _tell(hook, _with(nasty))
        assert text.count("```") == 2 and text.endswith("\n```")
        inside = text.split("```")[1]
        assert "@channel" in inside and "\x1b" not in text
        assert len(inside.strip().splitlines()) == 1


class TestWays:
    def test_a_webhook_that_works_needs_no_mail(self, hook: Hook, box: Box) -> None:
        _, failures = alerts.tell(_channels(hook, box), _with(ONE), frozenset())
        assert (len(hook.posted), box.mails, failures) == (1, [], [])

    def test_mail_where_the_webhook_fails(self, hook: Hook, box: Box) -> None:
        hook.status = 502
        known, failures = alerts.tell(_channels(hook, box), _with(TWO), frozenset())
        assert failures == ["the webhook answered with status 502"]
        (mail,) = box.mails
        assert "critical: h1: table inet x" in mail
        assert "(the webhook answered with status 502)" in mail
        assert "c0ffee" not in mail
        alerts.tell(_channels(hook, box), _with(TWO), known)
        assert len(box.mails) == 1

    @pytest.mark.parametrize("way", ["post", "_markdown"])
    def test_mail_whatever_the_webhook_dies_of(
        self, hook: Hook, box: Box, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        def broken(*_: object) -> None:
            raise MemoryError(hook.url)

        monkeypatch.setattr(alerts, way, broken)
        _, (failure,) = alerts.tell(_channels(hook, box), _with(TWO), frozenset())
        assert "MemoryError" in failure and "c0ffee" not in failure
        assert len(box.mails) == 1

    def test_mail_as_well_where_the_server_is_down(self, hook: Hook, box: Box) -> None:
        alerts.tell(_channels(hook, box), _with(DOWN), frozenset())
        assert (len(hook.posted), len(box.mails)) == (1, 1)

    def test_mail_alone(self, box: Box) -> None:
        alerts.tell(_channels(None, box), _with(ONE), frozenset())
        assert "Subject: chat: 1 thing differs from the inventory, at worst warning" in box.mails[0]

    def test_nobody_hears(self, hook: Hook, box: Box) -> None:
        hook.status, box.refuse = 500, "550 no"
        known, failures = alerts.tell(_channels(hook, box), _with(ONE), frozenset())
        assert known == frozenset()
        assert "did not take the mail" in failures[1]
        assert failures[-1] == "no report could be sent"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class TestWebhook:
    def test_a_post_arrives(self, hook: Hook) -> None:
        alerts.post(_channels(hook), "*a* `b`\nc ä")
        assert hook.posted == ["*a* `b`\nc ä"]

    @pytest.mark.parametrize("status", [302, 400, 404, 502])
    def test_a_post_that_is_not_taken(self, hook: Hook, status: int) -> None:
        hook.status, hook.location = status, "/elsewhere"
        with pytest.raises(OperatorError, match=f"status {status}") as caught:
            alerts.post(_channels(hook), "text")
        assert len(hook.posted) == 1, "the secret follows no redirect"
        assert "c0ffee" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("http://127.0.0.1:{port}/hooks/c0ffee", "connection refused"),
            ("http://mattermost.example.com/hooks/c0ffee", "does not begin with https"),
            ("https://no.such.name.invalid/hooks/c0ffee", "gave no answer"),
            ("https://[bad/hooks/c0ffee", "does not begin with https"),
            ("https://x:99999/hooks/c0ffee", "gave no answer"),
            ("https://", "gave no answer"),
            ("nonsense", "does not begin with https"),
        ],
    )
    def test_a_failure_never_shows_the_address(self, url: str, says: str) -> None:
        channels = Channels(Mail(), SecretStr(url.format(port=_free_port())))
        with pytest.raises(OperatorError, match=says) as caught:
            alerts.post(channels, "text")
        assert "c0ffee" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    def test_the_authority_of_the_site_is_trusted_and_no_other(self, tmp_path: Path) -> None:
        now = datetime.now(UTC)
        ours, other = (new_authority(name, now) for name in ("ours", "other"))
        leaf = new_leaf(ours, ["127.0.0.1"], now)
        pair = tmp_path / "pair.pem"
        pair.write_text(leaf.certificate + leaf.key.get_secret_value())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        files = {name: tmp_path / f"{name}.ca.pem" for name in ("ours", "other")}
        files["ours"].write_text(ours.certificate)
        files["other"].write_text(other.certificate)
        for file, trusted in ((files["ours"], True), (files["other"], False), (None, False)):
            with webhook(context) as hook:
                url = SecretStr(hook.url.replace("http:", "https:"))
                channels = Channels(Mail(), url, authority=file)
                if trusted:
                    alerts.post(channels, "private")
                else:
                    with pytest.raises(OperatorError, match="a certificate that is not trusted"):
                        alerts.post(channels, "private")
                assert hook.posted == (["private"] if trusted else [])


class TestMail:
    def test_a_mail_arrives(self, box: Box) -> None:
        alerts.send_mail(_channels(None, box), "chat: ärger 1", "Zeile ä\n.\nend")
        assert box.to == ["a@test.org", "b@test.org"]
        (text,) = box.mails
        message = email.message_from_string(text, policy=email.policy.default)
        assert message["Subject"] == "chat: ärger 1"
        assert (message["From"], message["To"]) == ("us@test.org", "a@test.org, b@test.org")
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Date"] and message["Message-ID"]
        assert message.get_content().splitlines() == ["Zeile ä", ".", "end"]

    def test_a_mail_that_is_refused(self, box: Box) -> None:
        box.refuse = "550 no such user"
        with pytest.raises(OperatorError, match="did not take the mail"):
            alerts.send_mail(_channels(None, box), "subject", "text")
        assert box.mails == []

    def test_no_mail_server(self) -> None:
        with pytest.raises(OperatorError, match="did not take the mail: connection refused"):
            alerts.send_mail(_channels(None, Box(_free_port())), "subject", "text")

    def test_a_password_never_travels_in_the_clear(self, box: Box) -> None:
        channels = replace(_channels(None, box, username="us"), mail_password=SecretStr("hunter2"))
        with pytest.raises(OperatorError, match="in the clear"):
            alerts.send_mail(channels, "subject", "text")
        with pytest.raises(OperatorError, match="did not take the mail"):
            # This server can't do STARTTLS.
            secure = channels.mail.model_copy(update={"security": "starttls"})
            alerts.send_mail(replace(channels, mail=secure), "subject", "text")
        assert box.mails == []
        assert "hunter2" not in "".join(box.said) and "AUTH" not in "".join(box.said)

    @pytest.mark.parametrize(
        ("settings", "address", "private"),
        [
            ({}, ("localhost", 25), False),
            ({"server": "mail.test"}, ("mail.test", 587), True),
            ({"server": "mail.test", "security": "tls"}, ("mail.test", 465), True),
            ({"server": "mail.test", "security": "none"}, ("mail.test", 25), False),
            ({"server": "mail.test", "port": 2525}, ("mail.test", 2525), True),
        ],
    )
    def test_where_mail_goes(
        self, settings: dict[str, object], address: tuple[str, int], private: bool
    ) -> None:
        mail = Mail.model_validate(settings)
        assert (mail.address, mail.private) == (address, private)
