"""The site's certificate and protocol, from the control machine."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from tests.host import judge_web as judge
from tests.host.asking import Seen
from tests.host.judge import differs, holds
from tests.host.outside import Outside


def _served(proxy: Outside) -> x509.Certificate:
    handshake = proxy.handshake()
    holds(judge.verified(handshake))
    return x509.load_der_x509_certificate(handshake.certificate)


def test_the_certificate_is_trusted(proxy: Outside) -> None:
    holds(judge.verified(proxy.handshake()))


def test_the_certificate_is_for_the_name_of_the_site(seen: Seen, proxy: Outside) -> None:
    holds(judge.names(_served(proxy), seen.settings.name))


def test_the_certificate_lasts(proxy: Outside) -> None:
    holds(judge.lasts(_served(proxy), datetime.now(UTC)))


def test_the_certificate_is_the_one_of_the_site(seen: Seen, proxy: Outside) -> None:
    # With ACME the host has its certificate from the authority; what we know of it is its name.
    if pair := seen.site.certificate:
        holds(judge.same_certificate(_served(proxy), pair.leaf))


def test_tls_1_1_is_refused(proxy: Outside) -> None:
    holds(judge.refused("TLS 1.1", proxy.speaks(ssl.TLSVersion.TLSv1_1)))


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_modern_tls_is_accepted(proxy: Outside, version: str) -> None:
    shown = version.replace("v", " ").replace("_", ".")
    holds(judge.spoken(shown, proxy.speaks(ssl.TLSVersion[version])))


def test_http_2_is_offered(proxy: Outside) -> None:
    chosen = proxy.agrees_on(["h2", "http/1.1"])
    if chosen != "h2":
        holds([differs("protocol chosen by ALPN", "h2", chosen or "none")])
