"""Webhook and mail, against servers on loopback: what arrives, and what a failure says."""

import email
import email.policy
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import new_authority, new_leaf
from mattermost_host.drift import messengers
from mattermost_host.drift.messengers import Undelivered
from mattermost_host.site.drift_settings import Mail
from tests.unit.listeners import Box, Hook, webhook


def _mail(box: Box, **settings: object) -> Mail:
    where = {"server": "127.0.0.1", "port": box.port, "security": "none", "sender": "us@test"}
    return Mail.model_validate({"recipients": ["a@test", "b@test"], **where, **settings})


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_post_arrives(hook: Hook) -> None:
    messengers.post(SecretStr(hook.url), "*a* `b`\nc", None)
    assert hook.posted == ["*a* `b`\nc"]


@pytest.mark.parametrize("status", [302, 400, 404, 502])
def test_a_post_that_is_not_taken(hook: Hook, status: int) -> None:
    hook.status, hook.location = status, "/elsewhere"
    with pytest.raises(Undelivered, match=f"status {status}") as caught:
        messengers.post(SecretStr(hook.url), "text", None)
    assert len(hook.posted) == 1, "the secret follows no redirect"
    assert "c0ffee" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:{port}/hooks/c0ffee", "connection refused"),
        ("http://mattermost.example.com/hooks/c0ffee", "none that begins with https"),
        ("https://no.such.name.invalid/hooks/c0ffee", "gave no answer"),
        ("https://[bad/hooks/c0ffee", "none that begins with https"),
    ],
)
def test_a_failure_never_shows_the_address(url: str, says: str) -> None:
    with pytest.raises(Undelivered, match=says) as caught:
        messengers.post(SecretStr(url.format(port=_free_port())), "text", None)
    assert "c0ffee" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_the_authority_of_the_site_is_trusted_and_no_other(tmp_path: Path) -> None:
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
    with webhook(context) as hook:
        url = SecretStr(hook.url.replace("http:", "https:"))
        messengers.post(url, "private", files["ours"])
        assert hook.posted == ["private"]
    for file in (files["other"], None):
        with webhook(context) as hook:
            url = SecretStr(hook.url.replace("http:", "https:"))
            with pytest.raises(Undelivered, match="a certificate that is not trusted"):
                messengers.post(url, "text", file)
            assert hook.posted == []


def test_a_mail_arrives(box: Box) -> None:
    messengers.mail(_mail(box), None, "chat: ärger 1", "Zeile ä\n.\nend")
    assert box.to == ["a@test", "b@test"]
    (text,) = box.mails
    message = email.message_from_string(text, policy=email.policy.default)
    assert message["Subject"] == "chat: ärger 1"
    assert (message["From"], message["To"]) == ("us@test", "a@test, b@test")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] and message["Message-ID"]
    assert message.get_content().splitlines() == ["Zeile ä", ".", "end"]


def test_a_mail_that_is_refused(box: Box) -> None:
    box.refuse = "550 no such user"
    with pytest.raises(Undelivered, match="did not take the mail"):
        messengers.mail(_mail(box), None, "subject", "text")
    assert box.mails == []


def test_no_mail_server() -> None:
    nobody = Box(_free_port())
    with pytest.raises(Undelivered, match="did not take the mail: connection refused"):
        messengers.mail(_mail(nobody), None, "subject", "text")


def test_a_password_never_travels_in_the_clear(box: Box) -> None:
    with pytest.raises(Undelivered, match="in the clear"):
        messengers.mail(_mail(box, username="us"), SecretStr("hunter2"), "subject", "text")
    with pytest.raises(Undelivered, match="did not take the mail"):
        # This server can't do STARTTLS.
        settings = _mail(box, username="us", security="starttls")
        messengers.mail(settings, SecretStr("hunter2"), "subject", "text")
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
    settings: dict[str, object], address: tuple[str, int], private: bool
) -> None:
    mail = Mail.model_validate(settings)
    assert (mail.address, mail.private) == (address, private)
