"""Certificates of the site: an internal authority, and what it issues.

The authority's key never leaves the control machine. Lifetimes: an authority is trusted by hand,
so it lives ten years; Mozilla's intermediate profile lets a server's certificate live 366 days.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import BaseModel, ConfigDict, SecretStr

AUTHORITY_LIFE = timedelta(days=3652)
LEAF_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(hours=1)
"""A host whose clock is behind by less than this accepts a certificate made just now."""
Purpose = Literal["server", "client", "both"]
PURPOSES = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}
"""What each end of a connection lets a certificate be used for."""
COMMON_NAME_MAX = 64
"""Upper bound of X.520; a longer name stands in the alternative names only, which is enough."""


class Pair(BaseModel):
    """A certificate and its private key, both PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    certificate: str
    key: SecretStr

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself, without its chain; ValueError where it is not PEM."""
        return x509.load_pem_x509_certificate(self.certificate.encode())

    def is_whole(self) -> bool:
        """Whether both are PEM and the key, an ECDSA one, is the certificate's."""
        try:
            return _private_key(self).public_key() == self.leaf.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return False


def new_authority(site: str, now: datetime) -> Pair:
    """A certificate authority for one site.

    It carries no name constraints: the hosts of a site change their names, and an authority that
    would have to be trusted again for each new host is an authority that nobody verifies.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Mattermost authority of {site}")
    builder = _builder(subject, subject, key.public_key(), now, now + AUTHORITY_LIFE)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def new_leaf(
    authority: Pair,
    names: Sequence[str],
    now: datetime,
    purpose: Purpose = "server",
    common_name: bool = True,
) -> Pair:
    """A certificate for ``names`` (DNS names and IP addresses), with a new key.

    It ends no later than its authority. Without ``common_name`` the names are alternative names
    only: etcd refuses clients whose certificate has one.
    """
    issuer = authority.leaf
    signer = _private_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + LEAF_LIFE, issuer.not_valid_after_utc)
    subject = _name(names[0]) if common_name else x509.Name([])
    builder = _builder(subject, issuer.subject, key.public_key(), now, until)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(PURPOSES[purpose]), critical=False)
        # RFC 5280: critical where the subject is empty.
        .add_extension(_alternative_names(names), critical=not common_name)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return _pair(certificate, key)


def new_placeholder(name: str, now: datetime) -> Pair:
    """A self-signed pair of one day, for a server that must start before its real one is there."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    until = now + timedelta(days=1)
    builder = _builder(subject, subject, key.public_key(), now, until)
    certificate = builder.add_extension(_alternative_names([name]), critical=False).sign(
        key, hashes.SHA256()
    )
    return _pair(certificate, key)


def needs_renewal(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether less than a third of its life is left."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now < (end - begin) / 3


def is_certificate(text: str) -> bool:
    """Whether ``text`` begins with a certificate in PEM."""
    try:
        x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return False
    return True


def is_current(leaf: Pair, authority: str, names: Sequence[str], now: datetime) -> bool:
    """Whether ``leaf`` is of the authority with this certificate, for exactly these names, and
    not due for renewal.
    """
    certificate = leaf.leaf
    return (
        not needs_renewal(certificate, now)
        and names_of(certificate) == {canonical(name) for name in names}
        and is_issued_by(certificate, x509.load_pem_x509_certificate(authority.encode()))
    )


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """The DNS names (lower case) and addresses that the certificate is valid for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    dns = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return frozenset([*map(canonical, dns), *map(str, addresses)])


def canonical(name: str) -> str:
    """One spelling for each name: addresses as Python writes them, names as they travel in DNS."""
    try:
        return str(ip_address(name.strip("[]")))
    except ValueError:
        return name.rstrip(".").lower() if name.isascii() else name.encode("idna").decode().lower()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - CLOCK_SKEW)
        .not_valid_after(until.astimezone(UTC) - CLOCK_SKEW)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:COMMON_NAME_MAX])])


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return x509.SubjectAlternativeName([general(canonical(name)) for name in names])


def _private_key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key.get_secret_value().encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an ECDSA key")
    return key


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return Pair(certificate=public.decode(), key=SecretStr(private.decode()))
