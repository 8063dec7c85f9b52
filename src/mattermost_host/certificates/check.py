"""Checks of an operator's certificate and key, made before any connection."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID as AccessOID
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, PublicKeyAlgorithmOID

from mattermost_host.certificates.authority import canonical, is_issued_by, names_of
from mattermost_host.certificates.pem import (
    CERTIFICATE,
    KEY,
    plain,
    read_chain,
    read_key,
    refusal_of_openssl,
)
from mattermost_host.support.addresses import file_mistakes
from mattermost_host.support.errors import Mistake

BROWSERS_CURVES = ("secp256r1", "secp384r1")
BROWSERS_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
RSA_MIN_BITS = 2048
"""From the CA/Browser Forum's baseline requirements; browsers reject shorter keys."""


def check_files(
    certificate: str | None, key: str | None, server_name: str, now: datetime
) -> Iterator[Mistake]:
    """The mistakes in an operator's two files, given by their paths on this machine."""
    contents: list[bytes] = []
    for setting, file in ((CERTIFICATE, certificate), (KEY, key)):
        if not file:
            yield Mistake(setting, "nothing", 'a file is needed with mode "files"')
        elif wrong := list(file_mistakes(setting, file)):
            yield from wrong
        else:
            contents.append(Path(file).read_bytes())
    if len(contents) == 2:
        yield from check_pair(contents[0], contents[1], server_name, now)


def check_pair(certificate_pem: bytes, key_pem: bytes, name: str, now: datetime) -> list[Mistake]:
    """All mistakes of a certificate, its chain and its key, for the site ``name``."""
    certificate_pem, key_pem = plain(certificate_pem), plain(key_pem)
    key = read_key(key_pem)
    mistakes = [key] if isinstance(key, Mistake) else []
    chain = read_chain(certificate_pem)
    if isinstance(chain, Mistake):
        return [chain, *mistakes]
    if not isinstance(key, Mistake):
        mistakes += _check_key(chain, key)
    if name:
        mistakes += _check_name(chain[0], name)
    mistakes += _check_dates(chain, now)
    mistakes += _check_chain(chain)
    mistakes += _check_strength(chain)
    mistakes += _check_use(chain[0])
    mistakes += _check_extensions(chain[0])
    if not mistakes and (refusal := refusal_of_openssl(certificate_pem, key_pem)):
        found = f"a certificate and a key that OpenSSL does not load ({refusal})"
        needed = "each block must begin at the start of a line; NGINX loads them with OpenSSL, too"
        mistakes.append(Mistake(CERTIFICATE, found, needed))
    return mistakes


def days_left(certificate_pem: bytes, now: datetime) -> int:
    """Whole days until the first certificate in the file expires; negative if it has expired."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return (certificate.not_valid_after_utc - now).days


def days_of_life(certificate_pem: bytes) -> int:
    """Whole days from the beginning to the end of the first certificate in the file."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days


def covers(pattern: str, name: str) -> bool:
    """Whether ``pattern`` covers ``name`` (RFC 6125): a star is the whole leftmost label."""
    if not pattern.startswith("*."):
        return pattern == name
    try:
        ip_address(name)
    except ValueError:
        label, _, parent = name.partition(".")
        return bool(label) and parent == pattern[2:]
    return False


def _check_key(chain: Sequence[x509.Certificate], key: PrivateKeyTypes) -> Iterator[Mistake]:
    wanted = _raw(key.public_key())
    position = next((i for i, one in enumerate(chain) if _raw(one.public_key()) == wanted), None)
    if position is None:
        yield Mistake(
            KEY,
            f"a key that does not match the certificate {_subject(chain[0])}",
            "use the key that the certificate was requested with",
        )
    elif position > 0:
        yield Mistake(
            CERTIFICATE,
            f"the certificate of the key, {_subject(chain[position])}, at place {position + 1}",
            "it must be the first in the file, each other one after the one it issued",
        )


def _check_name(leaf: x509.Certificate, name: str) -> Iterator[Mistake]:
    names = names_of(leaf)
    wanted = canonical(name)
    if not any(covers(pattern, wanted) for pattern in names):
        found = ", ".join(sorted(names)) or "no subject alternative name"
        yield Mistake(
            CERTIFICATE,
            f"a certificate for {found}",
            f"the site is {name}: it needs a certificate with that name as alternative name",
        )


def _check_dates(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[Mistake]:
    for certificate in chain:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end:
            found = f"{_subject(certificate)}, which expired on {end:%Y-%m-%d}"
            yield Mistake(CERTIFICATE, found, f"renew it ({(now - end).days} days over)")
        elif now < begin:
            found = f"{_subject(certificate)}, which is not valid before {begin:%Y-%m-%d %H:%M} UTC"
            yield Mistake(CERTIFICATE, found, "wait until then, or correct this machine's clock")


def _check_chain(chain: Sequence[x509.Certificate]) -> Iterator[Mistake]:
    for certificate, following in pairwise(chain):
        if not is_issued_by(certificate, following):
            yield Mistake(
                CERTIFICATE,
                f"{_subject(certificate)} followed by {_subject(following)}, which did not issue "
                "it",
                f"next must come the certificate of its issuer, {_issuer(certificate)}",
            )
            return
    # A certificate that names the address of its issuer's comes from an authority with
    # intermediates, and clients do not fetch what the server leaves out.
    if len(chain) == 1 and (address := _issuer_address(chain[0])):
        yield Mistake(
            CERTIFICATE,
            f"{_subject(chain[0])} without its issuer, {_issuer(chain[0])}",
            f"append the issuer's certificate in PEM form ({address})",
        )


def _check_strength(chain: Sequence[x509.Certificate]) -> Iterator[Mistake]:
    for certificate in chain:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_MIN_BITS:
            yield Mistake(
                CERTIFICATE,
                f"{_subject(certificate)} with an RSA key of {key.key_size} bits",
                f"browsers reject it: use at least {RSA_MIN_BITS}, better an ECDSA key (P-256)",
            )
        # Clients don't verify the self-signature of a root at the end of the chain.
        if certificate is not chain[0] and certificate.issuer == certificate.subject:
            continue
        digest = certificate.signature_hash_algorithm
        if digest is not None and not isinstance(digest, BROWSERS_DIGESTS):
            found = f"{_subject(certificate)} signed with {digest.name}"
            yield Mistake(CERTIFICATE, found, "browsers reject it: reissue it with SHA-256")


def _check_use(leaf: x509.Certificate) -> Iterator[Mistake]:
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)} with a key that is neither RSA nor ECDSA",
            "browsers accept only these, not even Ed25519: use an ECDSA key (P-256)",
        )
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in BROWSERS_CURVES:
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)} with a key on the curve {key.curve.name}",
            "browsers accept P-256 and P-384: reissue it for a key on one of these",
        )
    elif leaf.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)} with a key for RSA-PSS only",
            "browsers reject it: use a plain RSA key, better an ECDSA key (P-256)",
        )
    if _is_authority(leaf):
        found = f"{_subject(leaf)}, a CA certificate"
        yield Mistake(CERTIFICATE, found, "use the certificate that was issued for the site")
    usage = _extension(leaf, x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usage is not None and not allowed.intersection(usage.value):
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)}, which is not valid for TLS servers",
            "reissue it with the extended key usage serverAuth",
        )
    bits = _extension(leaf, x509.KeyUsage)
    # With ECDHE and with TLS 1.3 the server signs, whatever its key is.
    if bits is not None and not bits.value.digital_signature:
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)}, whose key usage does not allow TLS handshakes",
            "reissue it with the key usage digitalSignature",
        )


def _check_extensions(leaf: x509.Certificate) -> Iterator[Mistake]:
    unknown = [
        one.oid.dotted_string
        for one in leaf.extensions
        if one.critical and isinstance(one.value, x509.UnrecognizedExtension)
    ]
    if unknown:
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)} with the critical extension {', '.join(unknown)}",
            "whoever does not know it must reject the certificate: reissue it without",
        )
    if _extension(leaf, x509.TLSFeature) is not None:
        yield Mistake(
            CERTIFICATE,
            f"{_subject(leaf)} with OCSP Must-Staple",
            "Firefox rejects it from a server that staples no answer, and authorities have ended "
            "OCSP: reissue it without",
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    self_signed = certificate.issuer == certificate.subject
    # A self-signed certificate is both CA and leaf, and works for clients that trust it.
    return constraints is not None and constraints.value.ca and not self_signed


def _extension(certificate: x509.Certificate, kind: type[Any]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _issuer_address(certificate: x509.Certificate) -> str:
    if certificate.issuer == certificate.subject:
        return ""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return ""
    addresses = (one for one in access.value if one.access_method == AccessOID.CA_ISSUERS)
    return next((str(one.access_location.value) for one in addresses), "")


def _raw(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _subject(certificate: x509.Certificate) -> str:
    return _common_name(certificate.subject) or ", ".join(sorted(names_of(certificate)))


def _issuer(certificate: x509.Certificate) -> str:
    return _common_name(certificate.issuer) or certificate.issuer.rfc4514_string()


def _common_name(name: x509.Name) -> str:
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f"'{attributes[0].value!s}'" if attributes else ""
