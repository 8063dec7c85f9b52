"""The site's certificate and protocol, from the control machine."""

import ssl
from datetime import UTC, datetime

from cryptography import x509

from mattermost_host.components import tls
from tests.host import asking
from tests.host import judge_web as judge
from tests.host.asking import Seen
from tests.host.judge import differs, holds
from tests.host.outside import Outside

ON_HOST = "which the host has"
IN_SITE = "which the site has; deploy to bring it to the host"


def _served(proxy: Outside) -> x509.Certificate:
    handshake = proxy.handshake()
    holds(judge.verified(handshake))
    return x509.load_der_x509_certificate(handshake.certificate)


def test_the_certificate_is_trusted(proxy: Outside) -> None:
    """The certificate chain is trusted by the site's clients."""
    holds(judge.verified(proxy.handshake()))


def test_the_certificate_is_for_the_name_of_the_site(seen: Seen, proxy: Outside) -> None:
    """The certificate is for the site's name."""
    holds(judge.names(_served(proxy), seen.settings.name))


def test_the_certificate_lasts(proxy: Outside) -> None:
    """The certificate has time left."""
    holds(judge.lasts(_served(proxy), datetime.now(UTC)))


def test_the_certificate_is_the_one_of_the_site(seen: Seen, proxy: Outside) -> None:
    """The proxy serves the site's current certificate."""
    served = _served(proxy)
    pem = seen.answers[asking.CERTIFICATE]
    if not pem:
        holds([differs(tls.CERTIFICATE, "a certificate", "nothing there")])
    holds(judge.same_certificate(served, x509.load_pem_x509_certificate(pem.encode()), ON_HOST))
    # With ACME the certificate is on the host only.
    if pair := seen.site.certificate:
        holds(judge.same_certificate(served, pair.leaf, IN_SITE))


def test_tls_1_1_is_refused(proxy: Outside) -> None:
    """TLS 1.1 is refused."""
    holds(judge.refused("TLS 1.1", proxy.speaks(ssl.TLSVersion.TLSv1_1)))


def test_modern_tls_is_accepted(proxy: Outside) -> None:
    """TLS 1.2 and 1.3 are accepted."""
    modern = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
    for shown, version in modern.items():
        holds(judge.spoken(shown, proxy.speaks(version)))


def test_http_2_is_offered(proxy: Outside) -> None:
    """HTTP/2 is offered."""
    chosen = proxy.agrees_on(["h2", "http/1.1"])
    if chosen != "h2":
        holds([differs("protocol chosen by ALPN", "h2", chosen or "none")])
