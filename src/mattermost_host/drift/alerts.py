"""Alerts about drift: one when it begins and one when it ends, by webhook or mail."""

import json
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from pydantic import SecretStr

from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.plan.plan import ORDER
from mattermost_host.site.drift_settings import Mail
from mattermost_host.support.causes import cause_of
from mattermost_host.support.defects import defect
from mattermost_host.support.errors import OperatorError

FAILED = "the check failed"
"""The entry in memory that a failed check was reported; the others are fingerprints of drift."""
SHOWN = 25
"""Most lines of a message; the rest is in the journal."""
ANSWER_S = 30.0
MARKS = {
    "error": ":red_circle:",
    "critical": ":red_circle:",
    "warning": ":warning:",
    "info": ":information_source:",
}


@dataclass(frozen=True)
class Channels:
    """A site's webhook and mail; mail is for a webhook that fails, and a server that is down."""

    mail: Mail
    webhook: SecretStr | None = None
    """Its address; secret, because whoever knows it can post there."""
    mail_password: SecretStr | None = None
    authority: Path | None = None
    """CA certificates for the webhook, in addition to this machine's."""


def tell(
    channels: Channels, outcome: Outcome, known: frozenset[str]
) -> tuple[frozenset[str], Sequence[str]]:
    """Send what was not reported yet; returns what is reported then, and what went wrong.

    If nothing could be sent, the next run tries again.
    """
    now = frozenset(_fingerprint(one) for one in outcome.drift)
    if outcome.reason:
        now = known | {FAILED}  # after a failed check it is not known whether drift has ended
    news = [one for one in (*outcome.drift, *outcome.healed) if _fingerprint(one) not in known]
    ended = _ended(known, now)
    if not (news or ended or now - known):
        return now, ()
    if not (channels.webhook or channels.mail.recipients):
        return known, ()
    heard, failures = _deliver(channels, outcome, *message(outcome, news, ended))
    return (now, failures) if heard else (known, (*failures, "no report could be sent"))


def message(outcome: Outcome, news: Sequence[Found], ended: str) -> tuple[str, str]:
    """Subject and text. ``ended`` is a sentence about what was reported before, or empty."""
    lines = [
        f"{one.severity}: {'repaired: ' if one in outcome.healed else ''}{one}"
        for one in sorted(news, key=lambda one: -ORDER[one.severity])
    ]
    if still := len([one for one in outcome.drift if one not in news]):
        lines.append(f"Reported before and still there: {still}.")
    lines += f"{outcome.trouble}\n{outcome.reason}".strip().splitlines()
    if len(lines) > SHOWN:
        lines[SHOWN:] = [f"and {len(lines) - SHOWN} more, which are in the journal"]
    head = [f"{outcome.summary}.", *([ended] if ended else []), ""]
    return outcome.summary, "\n".join([*head, *lines]).rstrip()


def _ended(known: frozenset[str], now: frozenset[str]) -> str:
    if known and not now:
        return "The drift that was reported before is gone."
    return "The check works again." if FAILED in known - now else ""


def _fingerprint(one: Found) -> str:
    text = json.dumps([one.host, one.subject, one.found, one.severity])
    return sha256(text.encode()).hexdigest()


def _deliver(
    channels: Channels, outcome: Outcome, subject: str, text: str
) -> tuple[bool, Sequence[str]]:
    """Whether a message was sent, and why a channel failed."""
    heard, failures = False, list[str]()
    if channels.webhook:
        failures += _failure(lambda: post(channels, _markdown(outcome, subject, text)))
        heard = not failures
    if channels.mail.recipients and (not heard or outcome.server_down):
        body = "\n".join([text, *(f"({one})" for one in failures)])
        failed = _failure(lambda: send_mail(channels, subject, body))
        heard, failures = heard or not failed, failures + failed
    return heard, failures


def _failure(way: Callable[[], None]) -> list[str]:
    """Why a channel failed; any exception counts, so that the other channel is still tried."""
    try:
        way()
    except OperatorError as error:
        return [str(error)]
    except Exception as error:
        return [defect(error)]
    return []


def _markdown(outcome: Outcome, subject: str, text: str) -> str:
    """The text in a code block, so that names from a host can't mention users or add format."""
    mark = MARKS[outcome.level] if outcome.status else ":white_check_mark:"
    _, _, body = text.replace("`", "'").partition("\n")
    head = f"{mark} **mattermost-host** `{subject.replace('`', chr(39))}`"
    return f"{head}\n```\n{body.strip()}\n```" if body.strip() else head


def post(channels: Channels, text: str) -> None:
    """Post ``text`` to the incoming webhook. Raises OperatorError."""
    assert channels.webhook
    url = channels.webhook.get_secret_value()
    if not _is_private(url):
        raise OperatorError("the webhook's address does not begin with https://")
    context = ssl.create_default_context()
    if channels.authority is not None and channels.authority.is_file():
        context.load_verify_locations(channels.authority)
    pool = urllib3.PoolManager(ssl_context=context, timeout=ANSWER_S, retries=False)
    try:
        answer = pool.request("POST", url, json={"text": text}, redirect=False)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        # The error's own message contains the address.
        why = cause_of(error) or type(error).__name__
        raise OperatorError(f"the webhook gave no answer: {why}") from None
    if answer.status != 200:
        raise OperatorError(f"the webhook answered with status {answer.status}")


def send_mail(channels: Channels, subject: str, text: str) -> None:
    """Send ``text`` to the recipients. Raises OperatorError."""
    settings = channels.mail
    message = EmailMessage()
    message["From"] = settings.sender or f"mattermost-host@{socket.getfqdn()}"
    message["To"] = ", ".join(settings.recipients)
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid()
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")
    where = "{}:{}".format(*settings.address)
    if settings.username and not settings.private:
        raise OperatorError(
            f"{where} would get the password in the clear; write security = starttls"
        )
    try:
        with _connected(settings) as server:
            if settings.username and channels.mail_password is not None:
                server.login(settings.username, channels.mail_password.get_secret_value())
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise OperatorError(f"{where} did not take the mail: status {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        why = cause_of(error) or type(error).__name__
        raise OperatorError(f"{where} did not take the mail: {why}") from None


@contextmanager
def _connected(settings: Mail) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    if settings.private and settings.security == "tls":
        with smtplib.SMTP_SSL(*settings.address, timeout=ANSWER_S, context=context) as server:
            yield server
        return
    with smtplib.SMTP(*settings.address, timeout=ANSWER_S) as server:
        if settings.private:
            server.starttls(context=context)
        yield server


def _is_private(url: str) -> bool:
    """Whether what is sent to ``url`` stays private: by TLS, or on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
