"""The internal authority, what it issues, and the judgement of an operator's own files."""

import ipaddress
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from mattermost_host.certificates import authority as certificates
from mattermost_host.certificates.authority import Pair
from mattermost_host.certificates.check import check_pair, covers, days_left

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "mm.example.com"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@pytest.fixture(scope="module")
def authority() -> Pair:
    return certificates.new_authority("trial", NOW)


@pytest.fixture(scope="module")
def leaf(authority: Pair) -> Pair:
    return certificates.new_leaf(authority, [NAME, "10.0.0.5", "fd00::5"], NOW)


def test_leaf_is_accepted_by_an_independent_verifier(authority: Pair, leaf: Pair) -> None:
    verifier = PolicyBuilder().store(Store([authority.leaf])).time(NOW)
    verifier.build_server_verifier(x509.DNSName(NAME)).verify(leaf.leaf, [])
    address = x509.IPAddress(ipaddress.ip_address("10.0.0.5"))
    verifier.build_server_verifier(address).verify(leaf.leaf, [])
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName("other.example.com")).verify(leaf.leaf, [])


def test_leaf_is_accepted_by_openssl_in_its_strict_mode(
    authority: Pair, leaf: Pair, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed on this machine")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    (tmp_path / "leaf.pem").write_text(leaf.certificate)
    at = str(int(NOW.timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", at]
    files = ["-verify_hostname", NAME, "-CAfile", "ca.pem", "leaf.pem"]
    result = subprocess.run(
        [*command, *files], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "leaf.pem: OK\n"), result.stderr


def test_authority_signs_servers_and_nothing_below(authority: Pair) -> None:
    certificate = authority.leaf
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature
    assert certificate.not_valid_after_utc.year == 2036


def test_leaf_keeps_to_mozillas_intermediate_profile(authority: Pair, leaf: Pair) -> None:
    certificate = leaf.leaf
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(365)
    extensions = certificate.extensions
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    signer = authority.leaf.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == signer.digest
    assert certificates.names_of(certificate) == {NAME, "10.0.0.5", "fd00::5"}


def test_leaf_ends_no_later_than_its_authority(authority: Pair) -> None:
    late = NOW + timedelta(days=3600)
    leaf = certificates.new_leaf(authority, [NAME], late)
    assert leaf.leaf.not_valid_after_utc <= authority.leaf.not_valid_after_utc


def test_name_longer_than_a_common_name_and_international_name(authority: Pair) -> None:
    long = f"{'a' * 60}.example.com"
    leaf = certificates.new_leaf(authority, [long, "bücher.example"], NOW)
    assert certificates.names_of(leaf.leaf) == {long, "xn--bcher-kva.example"}


@pytest.mark.parametrize(("days", "due"), [(0, False), (243, False), (244, True), (400, True)])
def test_renewal_is_due_in_the_last_third(leaf: Pair, days: int, due: bool) -> None:
    assert certificates.needs_renewal(leaf.leaf, NOW + timedelta(days=days)) is due


def test_leaf_is_current_only_for_its_authority_names_and_time(authority: Pair, leaf: Pair) -> None:
    names = ["10.0.0.5", NAME.upper(), "fd00:0::5"]
    assert certificates.is_current(leaf, authority.certificate, names, NOW)
    assert not certificates.is_current(leaf, authority.certificate, [NAME], NOW)
    assert not certificates.is_current(
        leaf, authority.certificate, names, NOW + timedelta(days=300)
    )
    other = certificates.new_authority("trial", NOW)
    assert not certificates.is_current(leaf, other.certificate, names, NOW)


def test_placeholder_lives_a_day() -> None:
    certificate = certificates.new_placeholder(NAME, NOW).leaf
    assert certificate.not_valid_after_utc - NOW < timedelta(days=1)
    assert certificates.names_of(certificate) == {NAME}


def test_key_is_never_shown(leaf: Pair) -> None:
    assert "PRIVATE" not in f"{leaf!r} {leaf} {leaf.model_dump()}"


def test_whole_pair_has_the_key_of_its_certificate(authority: Pair, leaf: Pair) -> None:
    assert leaf.is_whole()
    assert not Pair(certificate=leaf.certificate, key=authority.key).is_whole()
    assert not Pair(certificate="no PEM", key=leaf.key).is_whole()


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


# An operator's own files: a small public authority with an intermediate.


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
