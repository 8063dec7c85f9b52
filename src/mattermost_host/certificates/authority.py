"""The site's internal certificate authority and the certificates that it issues.

The authority's key never leaves the control machine. Lifetimes: people install an authority by
hand, so it lasts ten years; a server's certificate lasts 366 days, the most that Mozilla's
intermediate profile allows.
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
"""Certificates are backdated by this much, for hosts whose clock is behind."""
Purpose = Literal["server", "client", "both"]
PURPOSES = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}
"""Extended key usages of the certificates that each end of a connection has."""
COMMON_NAME_MAX = 64
"""X.520's limit; a longer name is only put into the alternative names, which is enough."""


class Pair(BaseModel):
    """A certificate and its private key, both PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    certificate: str
    key: SecretStr

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself, without its chain. Raises ValueError if it is not PEM."""
        return x509.load_pem_x509_certificate(self.certificate.encode())

    def is_whole(self) -> bool:
        """Whether both are PEM and the key is an ECDSA key that matches the certificate."""
        try:
            return _private_key(self).public_key() == self.leaf.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return False


def new_authority(site: str, now: datetime) -> Pair:
    """A certificate authority for one site.

    Without name constraints: names of hosts change, and if every new host needed a new authority,
    people would stop verifying it.
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

    It does not outlive its authority. Without ``common_name`` the names are alternative names only:
    etcd refuses client certificates that have a common name.
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
        # RFC 5280: critical if the subject is empty.
        .add_extension(_alternative_names(names), critical=not common_name)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return _pair(certificate, key)


def new_placeholder(name: str, now: datetime) -> Pair:
    """A self-signed pair for one day, for a server that must start before it has its real one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    until = now + timedelta(days=1)
    builder = _builder(subject, subject, key.public_key(), now, until)
    certificate = builder.add_extension(_alternative_names([name]), critical=False).sign(
        key, hashes.SHA256()
    )
    return _pair(certificate, key)


def needs_renewal(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether less than a third of its lifetime is left."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now < (end - begin) / 3


def is_certificate(text: str) -> bool:
    """Whether ``text`` begins with a PEM certificate."""
    try:
        x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return False
    return True


def is_current(leaf: Pair, authority: str, names: Sequence[str], now: datetime) -> bool:
    """Whether this authority issued ``leaf`` for exactly these names, and it needs no renewal."""
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
    """The canonical form of a name: addresses as Python prints them, DNS names in punycode."""
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
