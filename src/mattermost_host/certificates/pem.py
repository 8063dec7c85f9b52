"""PEM files of certificates and keys, read as OpenSSL reads them."""

import re
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from mattermost_host.support.addresses import file_mistakes
from mattermost_host.support.errors import Mistake

CERTIFICATE = "tls.certificate"
KEY = "tls.key"
BLOCK = re.compile(rb"^-----BEGIN [^\n]*?-----.*?^-----END [^\n]*?-----", re.M | re.S)


def pem_blocks(pem: bytes) -> str:
    """The blocks of a PEM file, without the text around them, whose encoding does not matter."""
    blocks = BLOCK.findall(plain(pem))
    return "".join(f"{block.decode('ascii', 'replace')}\n" for block in blocks)


def plain(pem: bytes) -> bytes:
    """The bytes without a byte order mark, and with Unix line ends."""
    return pem.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def check_authorities(setting: str, file: str | None) -> Iterator[Mistake]:
    """The mistakes in the file of CA certificates that ``setting`` names, if it names one."""
    if not file:
        return
    if wrong := list(file_mistakes(setting, file)):
        yield from wrong
        return
    chain = read_chain(plain(Path(file).read_bytes()), setting)
    if isinstance(chain, Mistake):
        yield chain


def read_chain(pem: bytes, setting: str = CERTIFICATE) -> list[x509.Certificate] | Mistake:
    """The certificates of a file, in the file's order, or what is wrong with it."""
    if b"PRIVATE KEY-----" in pem:
        advice = f", and name the key's file as {KEY}" if setting == CERTIFICATE else ""
        return Mistake(
            setting,
            "a private key in the same file",
            "this file is readable by everybody on the host: leave only the certificates in it"
            f"{advice}",
        )
    try:
        # Text around the blocks does no harm; a block that OpenSSL can't read does.
        chain = x509.load_pem_x509_certificates(pem)
        if len(chain) != len(re.findall(rb"^-----BEGIN ", pem, re.M)):
            raise ValueError
        for one in chain:
            _ = (one.extensions, one.public_key(), one.subject, one.issuer)
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem)
            file.flush()
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file.name)
        return chain
    except (ValueError, UnsupportedAlgorithm, ssl.SSLError):
        return Mistake(
            setting,
            "no complete PEM certificate that OpenSSL can read",
            "it needs complete '-----BEGIN CERTIFICATE-----' blocks; convert a DER file with "
            "'openssl x509 -inform der -in FILE'",
        )


def read_key(pem: bytes) -> PrivateKeyTypes | Mistake:
    """The private key of a file, or what is wrong with it."""
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        return Mistake(
            KEY,
            "a key encrypted with a passphrase",
            "NGINX starts unattended and needs a key without a passphrase: "
            "'openssl pkey -in FILE -out NEW'",
        )
    except (ValueError, UnsupportedAlgorithm):
        return Mistake(
            KEY, "no private key in PEM format", "it needs a block '-----BEGIN PRIVATE KEY-----'"
        )


def refusal_of_openssl(certificate: bytes, key: bytes) -> str:
    """Why OpenSSL refuses the pair, in its own words; empty if it accepts it."""
    with tempfile.NamedTemporaryFile() as chain, tempfile.NamedTemporaryFile() as private:
        for file, content in ((chain, certificate), (private, key)):
            file.write(content)
            file.flush()
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # An empty passphrase keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(chain.name, private.name, password="")
        except (ssl.SSLError, ValueError) as error:
            return getattr(error, "reason", None) or str(error)
    return ""
