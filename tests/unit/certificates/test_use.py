"""Certificates for each end of a connection, and files that OpenSSL or browsers do not accept."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from mattermost_host.certificates.authority import Pair, Purpose, new_authority, new_leaf
from mattermost_host.certificates.check import check_pair
from mattermost_host.certificates.pem import check_authorities, pem_blocks
from tests.unit.parsers import needs

NOW = datetime.now(UTC)
NAME = "chat.example.com"
AUTHORITY = new_authority("trial", NOW)


def _files(pair: Pair) -> tuple[bytes, bytes]:
    return pair.certificate.encode(), pair.key.get_secret_value().encode()


def _said(certificate: bytes, key: bytes) -> list[str]:
    return [str(mistake) for mistake in check_pair(certificate, key, NAME, datetime.now(UTC))]


@pytest.mark.parametrize(
    ("purpose", "usages"),
    [
        ("server", [Usage.SERVER_AUTH]),
        ("client", [Usage.CLIENT_AUTH]),
        ("both", [Usage.SERVER_AUTH, Usage.CLIENT_AUTH]),
    ],
)
def test_a_certificate_for_each_purpose(
    purpose: Purpose, usages: list[x509.ObjectIdentifier]
) -> None:
    leaf = new_leaf(AUTHORITY, [NAME], NOW, purpose).leaf
    found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(found) == usages


def test_a_client_without_a_common_name() -> None:
    leaf = new_leaf(AUTHORITY, [NAME], NOW, "client", common_name=False).leaf
    assert list(leaf.subject) == []
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    store = PolicyBuilder().store(Store([AUTHORITY.leaf])).time(NOW)
    store.build_client_verifier().verify(leaf, [])
    with pytest.raises(VerificationError):
        store.build_server_verifier(x509.DNSName(NAME)).verify(leaf, [])


def test_a_pair_as_it_is_issued_is_right() -> None:
    assert _said(*_files(new_leaf(AUTHORITY, [NAME], NOW))) == []


def test_a_client_certificate_is_no_server() -> None:
    (sentence,) = _said(*_files(new_leaf(AUTHORITY, [NAME], NOW, "client")))
    assert "which is not valid for TLS servers" in sentence


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "neither RSA nor ECDSA"),
        (ec.generate_private_key(ec.SECP521R1()), "on the curve secp521r1"),
        (ec.generate_private_key(ec.SECP256K1()), "on the curve secp256k1"),
    ],
    ids=["ed25519", "p-521", "k1"],
)
def test_keys_that_browsers_refuse(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, words: str
) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    leaf = new_leaf(AUTHORITY, [NAME], NOW).leaf
    builder = x509.CertificateBuilder(name, name, key.public_key(), leaf.serial_number)
    builder = builder.not_valid_before(leaf.not_valid_before_utc)
    builder = builder.not_valid_after(leaf.not_valid_after_utc)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    pem = builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (sentence,) = _said(pem, key_pem)
    assert words in sentence


@pytest.mark.parametrize("around", ["Größe: 1".encode("latin-1"), b"Bag Attributes\n  x: y", b"\t"])
def test_text_around_the_blocks_is_left_out(around: bytes) -> None:
    certificate, key = _files(new_leaf(AUTHORITY, [NAME], NOW))
    written = around + b"\n" + certificate + around + b"\n"
    assert _said(written, around + b"\n" + key) == []
    assert pem_blocks(written) == certificate.decode()


def test_a_mark_and_line_ends_of_another_system() -> None:
    certificate, key = (
        b"\xef\xbb\xbf" + one.replace(b"\n", b"\r\n")
        for one in _files(new_leaf(AUTHORITY, [NAME], NOW))
    )
    assert _said(certificate, key) == []
    assert pem_blocks(certificate).startswith("-----BEGIN CERTIFICATE-----\n")
    assert "\r" not in pem_blocks(key)


@pytest.mark.parametrize("armour", ["end", "begin", "middle", "base64", "second"])
def test_a_broken_block_is_said(armour: str) -> None:
    certificate, key = _files(new_leaf(AUTHORITY, [NAME], NOW))
    lines = certificate.decode().splitlines()
    broken = {
        "end": lines[:-1],
        "begin": lines[1:],
        "middle": [*lines[:3], *lines[5:]],
        "base64": [lines[0], f"!{lines[1]}", *lines[2:]],
        "second": [*lines, *lines[:-3]],
    }[armour]
    (sentence,) = _said("\n".join([*broken, ""]).encode(), key)
    assert sentence.startswith("tls.certificate: found no complete PEM certificate that OpenSSL")


def _openssl(*arguments: str) -> None:
    subprocess.run([needs("openssl"), *arguments], check=True, capture_output=True)


def test_sha_1_is_refused_but_for_the_root_s_own_signature(tmp_path: Path) -> None:
    """Browsers know a root by its key, and verify nothing that it says of itself."""
    root, leaf = (str(tmp_path / name) for name in ("root", "leaf"))
    alternative = ("-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=CA:FALSE")
    for name, subject in ((root, "/CN=R1"), (leaf, f"/CN={NAME}")):
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", f"{name}.key")
        extensions = alternative if name == leaf else ()
        own = ("-subj", subject, "-out", f"{name}.crt", "-sha1")
        _openssl("req", "-x509", "-new", "-key", f"{name}.key", *own, *extensions)
    key = Path(f"{leaf}.key").read_bytes()
    (sentence,) = _said(Path(f"{leaf}.crt").read_bytes(), key)
    assert "signed with sha1; browsers reject it" in sentence
    issued = ("-CA", f"{root}.crt", "-CAkey", f"{root}.key", "-sha256", "-out", f"{leaf}.new")
    _openssl(
        "req", "-x509", "-new", "-key", f"{leaf}.key", "-subj", f"/CN={NAME}", *alternative, *issued
    )
    chain = Path(f"{leaf}.new").read_bytes() + Path(f"{root}.crt").read_bytes()
    # The key's file begins with a block of its own, EC PARAMETERS.
    assert _said(chain, key) == []


def test_what_only_openssl_refuses_is_said() -> None:
    certificate, key = _files(new_leaf(AUTHORITY, [NAME], NOW))
    (sentence,) = _said(certificate, b"  " + key)
    assert "a certificate and a key that OpenSSL does not load" in sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (AUTHORITY.certificate.encode(), ""),
        ("Größe\n".encode("latin-1") + AUTHORITY.certificate.encode(), ""),
        (b"nothing", "no complete PEM certificate"),
        (AUTHORITY.certificate.encode()[:-40], "no complete PEM certificate"),
        (AUTHORITY.key.get_secret_value().encode(), "a private key in the same file"),
    ],
    ids=["right", "latin-1", "text", "half", "key"],
)
def test_authorities_are_read_before_anything_else(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content)
    said = [str(mistake) for mistake in check_authorities("postgres.ca_certificate", str(file))]
    assert len(said) == bool(words)
    assert all(one.startswith("postgres.ca_certificate: ") and words in one for one in said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048", "with a key for RSA-PSS only"),
        ("-newkey rsa:2048 -sha224", "signed with sha224"),
        ("-newkey rsa:2048 -addext keyUsage=keyEncipherment", "key usage digitalSignature"),
        ("-newkey rsa:2048 -addext tlsfeature=status_request", "with OCSP Must-Staple"),
        (
            "-newkey rsa:2048 -addext 1.2.3.4=critical,ASN1:UTF8String:x",
            "with the critical extension 1.2.3.4",
        ),
        ("-newkey rsa:2048 -sha512 -addext keyUsage=digitalSignature,keyEncipherment", ""),
    ],
    ids=["rsa-pss", "sha224", "usage", "must-staple", "critical", "right"],
)
def test_what_openssl_makes_and_browsers_reject(tmp_path: Path, options: str, words: str) -> None:
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "pem")]
    named = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    argv = ["openssl", "req", "-x509", "-nodes", "-days", "90", *options.split(), *files, *named]
    subprocess.run(argv, check=True, capture_output=True)
    said = _said((tmp_path / "pem").read_bytes(), (tmp_path / "key").read_bytes())
    assert (words in "".join(said)) and len(said) == bool(words)
