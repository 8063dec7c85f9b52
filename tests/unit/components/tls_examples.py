"""What the tests of TLS have in common: an authority, a pair, settings, hosts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from mattermost_host.certificates import authority as certificates
from mattermost_host.certificates.authority import Pair
from mattermost_host.components import tls
from mattermost_host.components.tls import Settings
from mattermost_host.engine.batch import Question
from mattermost_host.knowledge.families import DEBIAN, Family
from mattermost_host.ops import certbot
from mattermost_host.ops.acme import AskCertificate, CertificateState
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.lego import LegoTarball
from tests.unit.fake_host import Plan, answering, plan

CLIENT = certbot.client(DEBIAN.certbot)
TARBALL = LegoTarball("ab" * 32, lambda: Tarball(Path("/lego.tar.gz"), "ab" * 32))
NAME = "mm.example.com"
NOW = datetime.now(UTC)
AUTHORITY = certificates.new_authority("test", NOW - timedelta(minutes=1))
PAIR = certificates.new_leaf(AUTHORITY, [NAME], NOW)
ACME = Settings(mode="acme", directory="https://acme.test/dir", email="admin@example.com")
STANDING = "a temporary certificate is in place"
ISSUED = "the certificate is issued"


def leaf(names: tuple[str, ...] = (NAME,), age_days: int = 0) -> x509.Certificate:
    """A certificate for ``names``, made ``age_days`` ago."""
    return certificates.new_leaf(AUTHORITY, names, NOW - timedelta(days=age_days)).leaf


def right() -> CertificateState:
    """A host whose certificate is as ``ACME`` wants it."""
    return CertificateState(
        fits=True, installed=True, issued=leaf(), directory="https://acme.test/dir"
    )


def deployed(settings: Settings, family: Family, pair: Pair | None = None) -> None:
    """Deploy TLS on a host of ``family``."""
    tls.deploy(settings=settings, family=family, server_name=NAME, pair=pair, lego_tarball=TARBALL)


def planned(settings: Settings, state: CertificateState, pair: Pair | None = None) -> Plan:
    """Deploy and issue on a Debian host in ``state``."""

    def both() -> None:
        deployed(settings, DEBIAN, pair)
        tls.issue(settings=settings, family=DEBIAN, server_name=NAME)

    question: Question[CertificateState] = AskCertificate(CLIENT, tls.SERVED)
    return plan(both, answer=answering({question: state}))
