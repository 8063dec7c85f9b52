"""The internal authority and what it issues."""

import ipaddress
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from mattermost_host.certificates import authority as certificates
from mattermost_host.certificates.authority import Pair

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "mm.example.com"


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
