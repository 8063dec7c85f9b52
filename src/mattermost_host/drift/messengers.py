"""Words on their way to people: an incoming webhook of Mattermost, and mail."""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr

from mattermost_host.site.drift_settings import Mail
from mattermost_host.support.causes import cause_of
from mattermost_host.support.tls_adapter import TlsAdapter

ANSWER = 30.0  # seconds that a server may take for one answer


class Undelivered(Exception):
    """Why nobody got the words. No secret is in it: a webhook's address is one."""


def post(webhook: SecretStr, text: str, authority: Path | None) -> None:
    """Give ``text`` to an incoming webhook; ``authority`` is trusted beside this machine's own.

    Raises Undelivered.
    """
    url = webhook.get_secret_value()
    if not _is_private(url):
        raise Undelivered("the webhook's address is none that begins with https://")
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", TlsAdapter(_tls(authority)))
        try:
            answer = session.post(url, json={"text": text}, timeout=ANSWER, allow_redirects=False)
        except (requests.RequestException, ValueError) as error:
            # The error's own words hold the address.
            raise Undelivered(f"the webhook gave no answer: {_reason(error)}") from None
    if answer.status_code != 200:
        raise Undelivered(f"the webhook answered with status {answer.status_code}")


def mail(settings: Mail, password: SecretStr | None, subject: str, text: str) -> None:
    """Send ``text`` to the recipients of ``settings``. Raises Undelivered."""
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
        raise Undelivered(f"{where} would get the password in the clear; write security = starttls")
    try:
        with _connected(settings) as server:
            if settings.username and password is not None:
                server.login(settings.username, password.get_secret_value())
            server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(f"{where} did not take the mail: {_reason(error)}") from None


@contextmanager
def _connected(settings: Mail) -> Iterator[smtplib.SMTP]:
    host, port = settings.address
    if settings.private and settings.security == "tls":
        context = ssl.create_default_context()
        with smtplib.SMTP_SSL(host, port, timeout=ANSWER, context=context) as server:
            yield server
        return
    with smtplib.SMTP(host, port, timeout=ANSWER) as server:
        if settings.private:
            server.starttls(context=ssl.create_default_context())
        yield server


def _tls(authority: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authority is not None and authority.is_file():
        context.load_verify_locations(authority)
    return context


def _is_private(url: str) -> bool:
    """Whether nobody else reads what goes to ``url``: by TLS, or on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"status {error.smtp_code}"
    return cause_of(error) or type(error).__name__
