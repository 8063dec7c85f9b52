"""The site's certificate: the remaining time of one that we push, and what an ACME client needs."""

from collections.abc import Iterator
from datetime import UTC, datetime

from mattermost_host.certificates.authority import Pair
from mattermost_host.certificates.check import days_left, days_of_life
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.acme_client import is_lego
from mattermost_host.preflight import conflicts, dnf, hardening, host
from mattermost_host.preflight.finding import Finding, Requirement, Verdict

WARNING_DAYS = 21
"""For an operator's own certificate, which a person has to renew in time."""
MOST_DAYS = 825
"""Of a certificate's whole life; Apple's systems refuse one that is longer (support.apple.com,
"Requirements for trusted certificates in iOS 13 and macOS 10.15")."""


def time(mode: str, pair: Pair) -> Requirement:
    """``pair``, from the operator or the site's authority, is valid long enough."""

    def check(_: HostFacts) -> Iterator[Finding]:
        yield time_left(mode, pair, datetime.now(UTC))

    return Requirement(
        "certificate-time",
        check,
        "The certificate that we push is valid long enough to be renewed.",
    )


def time_left(mode: str, pair: Pair, now: datetime) -> Finding:
    """The finding about the time of ``pair``, whose source is ``mode``."""
    content = pair.certificate.encode()
    days, life = days_left(content, now), days_of_life(content)
    if days >= WARNING_DAYS and life > MOST_DAYS:
        return Finding(
            "certificate-time",
            "warning",
            f"{life} days from its first to its last",
            f"at most {MOST_DAYS} days: Apple's systems refuse a certificate that is longer",
            "Have one issued for a year at most, put it into the same file, and deploy.",
        )
    remedy = (
        "Have it renewed, put the new one into the same file, and deploy."
        if mode == "files"
        else "The authority itself ends: remove the table [authority] from the secrets file, "
        "deploy, and give the new NAME.ca.pem to your users."
    )
    verdict: Verdict = "error" if days < 0 else "ok"
    if 0 <= days < WARNING_DAYS:
        verdict = "warning"
    return Finding(
        "certificate-time",
        verdict,
        f"{days} days left",
        f"at least {WARNING_DAYS} days",
        "" if verdict == "ok" else remedy,
    )


def of_client(stated: str | None) -> list[Requirement]:
    """What the ``stated`` ACME client, else the family's default, needs of a host."""
    certbot = (conflicts.no_certbot_of_snap(), dnf.epel())
    lego = (host.executable_opt(), hardening.fapolicyd())
    return [
        *(one.where(lambda facts: not is_lego(stated, facts.family)) for one in certbot),
        *(one.where(lambda facts: is_lego(stated, facts.family)) for one in lego),
    ]
