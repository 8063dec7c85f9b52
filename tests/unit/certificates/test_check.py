"""An operator's own certificate and key: a sentence for each mistake."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from mattermost_host.certificates.check import check_pair, covers, days_left

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "mm.example.com"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("mm.example.com", "mm.example.com", True),
        ("*.example.com", "mm.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.mm.example.com", False),
        ("m*.example.com", "mm.example.com", False),
        ("*.0.0.5", "10.0.0.5", False),
    ],
)
def test_wildcards_as_rfc_6125(pattern: str, name: str, covered: bool) -> None:
    assert covers(pattern, name) is covered


def _certificate(
    subject: str,
    key: Key,
    issuer: str = "",
    signer: Key | None = None,
    *,
    dns: str = NAME,
    begin: datetime = NOW - timedelta(days=10),
    days: int = 90,
    address: str = "",
) -> bytes:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer or subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    )
    if address:
        place = x509.UniformResourceIdentifier(address)
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    certificate = builder.sign(signer or key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem(key: Key, password: bytes = b"") -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
ISSUER = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(65537, 1024)
AIA = "http://ca.example.com/r1.crt"
LEAF = _certificate(NAME, KEY, "R1", ISSUER, address=AIA)
INTERMEDIATE = _certificate("R1", ISSUER, dns="ca.example.com")
STRANGER = _certificate("X9", OTHER, dns="ca.example.com")


def _sentences(certificate: bytes, key: bytes, name: str = NAME) -> list[str]:
    return [str(mistake) for mistake in check_pair(certificate, key, name, NOW)]


def test_right_files_have_no_mistake() -> None:
    assert _sentences(LEAF + INTERMEDIATE, _pem(KEY)) == []
    assert _sentences(_certificate(NAME, KEY, dns="*.example.com"), _pem(KEY)) == []


@pytest.mark.parametrize(
    ("certificate", "key", "name", "sentences"),
    [
        pytest.param(
            b"\x30\x82",
            b"nothing",
            NAME,
            [
                "tls.certificate: found no complete PEM certificate that OpenSSL can read; "
                "it needs complete '-----BEGIN CERTIFICATE-----' blocks; convert a DER file with "
                "'openssl x509 -inform der -in FILE'",
                "tls.key: found no private key in PEM format; it needs a block "
                "'-----BEGIN PRIVATE KEY-----'",
            ],
            id="not-pem",
        ),
        pytest.param(
            LEAF + INTERMEDIATE,
            _pem(KEY, b"hunter2"),
            NAME,
            [
                "tls.key: found a key encrypted with a passphrase; NGINX starts unattended and "
                "needs a key without a passphrase: 'openssl pkey -in FILE -out NEW'"
            ],
            id="encrypted-key",
        ),
        pytest.param(
            LEAF + INTERMEDIATE,
            _pem(OTHER),
            NAME,
            [
                "tls.key: found a key that does not match the certificate "
                "'mm.example.com'; use the key that the certificate was requested with"
            ],
            id="foreign-key",
        ),
        pytest.param(
            LEAF + INTERMEDIATE,
            _pem(KEY),
            "chat.example.com",
            [
                "tls.certificate: found a certificate for mm.example.com; the site is "
                "chat.example.com: it needs a certificate with that name as alternative name"
            ],
            id="other-name",
        ),
        pytest.param(
            _certificate(NAME, KEY, begin=NOW - timedelta(days=100)),
            _pem(KEY),
            NAME,
            [
                "tls.certificate: found 'mm.example.com', which expired on 2026-11-11; "
                "renew it (10 days over)"
            ],
            id="expired",
        ),
        pytest.param(
            _certificate(NAME, KEY, begin=NOW + timedelta(hours=1)),
            _pem(KEY),
            NAME,
            [
                "tls.certificate: found 'mm.example.com', which is not valid before "
                "2026-11-21 13:00 UTC; wait until then, or correct this machine's clock"
            ],
            id="not-yet-valid",
        ),
        pytest.param(
            LEAF,
            _pem(KEY),
            NAME,
            [
                "tls.certificate: found 'mm.example.com' without its issuer, 'R1'; append the "
                f"issuer's certificate in PEM form ({AIA})"
            ],
            id="missing-intermediate",
        ),
        pytest.param(
            LEAF + STRANGER + INTERMEDIATE,
            _pem(KEY),
            NAME,
            [
                "tls.certificate: found 'mm.example.com' followed by 'X9', which did not issue "
                "it; next must come the certificate of its issuer, 'R1'"
            ],
            id="broken-chain",
        ),
        pytest.param(
            _certificate(NAME, WEAK),
            _pem(WEAK),
            NAME,
            [
                "tls.certificate: found 'mm.example.com' with an RSA key of 1024 bits; browsers "
                "reject it: use at least 2048, better an ECDSA key (P-256)"
            ],
            id="weak-key",
        ),
        pytest.param(
            LEAF + INTERMEDIATE + _pem(KEY),
            _pem(KEY),
            NAME,
            [
                "tls.certificate: found a private key in the same file; this file is readable by "
                "everybody on the host: leave only the certificates in it, and name the key's "
                "file as tls.key"
            ],
            id="key-among-certificates",
        ),
    ],
)
def test_each_mistake_has_its_sentence(
    certificate: bytes, key: bytes, name: str, sentences: list[str]
) -> None:
    assert _sentences(certificate, key, name) == sentences


def test_chain_upside_down_names_the_certificate_of_the_key() -> None:
    found = _sentences(INTERMEDIATE + LEAF, _pem(KEY))
    assert found[0] == (
        "tls.certificate: found the certificate of the key, 'mm.example.com', at place 2; it must "
        "be the first in the file, each other one after the one it issued"
    )


def test_all_mistakes_at_once() -> None:
    old = _certificate(NAME, WEAK, begin=NOW - timedelta(days=100))
    assert len(_sentences(old, _pem(KEY), "chat.example.com")) == 4


def test_days_left() -> None:
    assert days_left(LEAF + INTERMEDIATE, NOW) == 80
    assert days_left(_certificate(NAME, KEY, begin=NOW - timedelta(days=100)), NOW) == -10
