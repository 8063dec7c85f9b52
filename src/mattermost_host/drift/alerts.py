"""Telling people about drift: once when it begins, once when it has ended, and never twice."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from mattermost_host.drift import messengers
from mattermost_host.drift.messengers import Undelivered
from mattermost_host.drift.outcome import Found, Outcome
from mattermost_host.plan.plan import ORDER
from mattermost_host.site.drift_settings import Mail
from mattermost_host.support.atomic_file import read_private
from mattermost_host.support.errors import OperatorError

COULD_NOT_TELL = "it could not be told"
SHOWN = 25
"""Lines of one message; the rest is in the journal."""
MARKS = {"critical": ":red_circle:", "warning": ":warning:", "info": ":information_source:"}


class Messenger(Protocol):
    """Somebody who takes words to people."""

    @property
    def configured(self) -> bool:
        """Whether there is anybody to tell."""

    def deliver(self, outcome: Outcome, subject: str, text: str) -> Sequence[str]:
        """Tell; sentences about what went wrong on the way. Raises Undelivered for all of it."""


@dataclass(frozen=True)
class Channels:
    """A site's webhook and mail: mail where there is no other way, or the server is down."""

    webhook: SecretStr | None
    authority: Path | None
    mail: Mail
    mail_password: SecretStr | None

    @property
    def configured(self) -> bool:
        """Whether there is anybody to tell."""
        return self.webhook is not None or bool(self.mail.recipients)

    def deliver(self, outcome: Outcome, subject: str, text: str) -> Sequence[str]:
        """Post, and where that fails or is not enough, mail. Raises Undelivered if nobody heard."""
        failed = []
        heard = False
        if self.webhook is not None:
            try:
                messengers.post(self.webhook, _markdown(outcome, subject, text), self.authority)
                heard = True
            except Undelivered as error:
                failed.append(str(error))
        if self.mail.recipients and (not heard or outcome.server_down):
            body = "\n".join([text, *(f"({sentence})" for sentence in failed)])
            try:
                messengers.mail(self.mail, self.mail_password, subject, body)
                heard = True
            except Undelivered as error:
                failed.append(str(error))
        if not heard:
            raise Undelivered("; ".join(failed))
        return failed


def tell(memory: Path, outcome: Outcome, messenger: Messenger) -> Sequence[str]:
    """Tell people what is new since the last time, by what ``memory`` holds of it.

    The result are sentences about a way that failed while another worked. Raises OperatorError
    where nobody could be told: it is tried again at the next run.
    """
    if not messenger.configured:
        return ()
    known = _remembered(memory)
    now = _now(outcome, known)
    news = [one for one in (*outcome.drift, *outcome.healed) if _fingerprint(one) not in known]
    unheard_of = now - known
    ended = _ended(known, now)
    failed: Sequence[str] = ()
    if news or unheard_of or ended:
        try:
            failed = messenger.deliver(outcome, *message(outcome, news, ended))
        except Undelivered as error:
            raise OperatorError(f"nobody could be told: {error}") from None
    if now != known:
        _remember(memory, now)
    return failed


def message(outcome: Outcome, news: Sequence[Found], ended: str) -> tuple[str, str]:
    """Subject and text. ``ended`` is a sentence about what people were told before, or empty."""
    lines = list(_lines(outcome, news, ended))
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"and {len(lines) - SHOWN} more, which the journal names"]
    return outcome.summary, "\n".join([f"{outcome.summary}.", "", *lines]).strip()


def _ended(known: frozenset[str], now: frozenset[str]) -> str:
    if known and not now:
        return "What was told before has ended."
    return "It can be told again." if COULD_NOT_TELL in known - now else ""


def _lines(outcome: Outcome, news: Sequence[Found], ended: str) -> Iterator[str]:
    if ended:
        yield ended
    for one in sorted(news, key=lambda one: -ORDER[one.severity]):
        right = "put right: " if one in outcome.healed else ""
        yield f"{one.severity}: {right}{one}"
    still = len([one for one in outcome.drift if one not in news])
    if still:
        yield f"{still} that were told before are still there."
    yield from f"{outcome.trouble}\n{outcome.reason}".strip().splitlines()


def _markdown(outcome: Outcome, subject: str, text: str) -> str:
    """A code block, so that names found on a host can't mention people or draw anything."""
    mark = MARKS["critical"] if outcome.reason else MARKS[outcome.severity]
    if outcome.status == 0:
        mark = ":white_check_mark:"
    body = text.partition("\n")[2].strip().replace("`", "'")
    head = f"{mark} **mattermost-host** `{subject.replace('`', chr(39))}`"
    return f"{head}\n```\n{body}\n```" if body else head


def _now(outcome: Outcome, known: frozenset[str]) -> frozenset[str]:
    """What people know after this. Where nothing could be told, nothing has ended either."""
    if outcome.reason:
        return known | {COULD_NOT_TELL}
    return frozenset(map(_fingerprint, outcome.drift))


def _fingerprint(one: Found) -> str:
    text = json.dumps([one.host, one.subject, one.found, one.severity])
    return sha256(text.encode()).hexdigest()


def _remembered(memory: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(read_private(memory) or "[]"))
    except (ValueError, TypeError, OperatorError):
        return frozenset()  # people are rather told once more than never


def _remember(memory: Path, known: frozenset[str]) -> None:
    aside = memory.with_suffix(".new")
    try:
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        aside.touch(mode=0o600)
        aside.write_text(json.dumps(sorted(known)), encoding="utf-8")
        aside.replace(memory)
    except OSError as error:
        raise OperatorError(
            f"{memory} can't be written ({error.strerror}), so people will be told the same again"
        ) from error
