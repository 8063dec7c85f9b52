"""archive.info of pgBackRest's repository: whose database it is, read without pgBackRest.

pgBackRest encrypts as `openssl enc -aes-256-cbc -md sha1` does; the file is a table of JSON values.
"""

import re
from hashlib import sha1

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

MAGIC = b"Salted__"
KEY_BYTES, BLOCK_BYTES = 32, 16


class OtherKey(Exception):
    """It is encrypted with another key, or is no such file."""


def system_of(content: bytes, key: str) -> str:
    """The system identifier of the database that the repository holds. Raises OtherKey."""
    text = _opened(content, key)
    found = re.search(rb"^\[db\]$(?:\n[^\[\n]*)*?\ndb-system-id=(\d+)$", text, re.MULTILINE)
    if not found:
        raise OtherKey
    return found[1].decode()


def _opened(content: bytes, key: str) -> bytes:
    if not content.startswith(MAGIC):
        return content  # a repository that is not encrypted
    salt, body = content[len(MAGIC) : BLOCK_BYTES], content[BLOCK_BYTES:]
    derived = last = b""
    while len(derived) < KEY_BYTES + BLOCK_BYTES:
        last = sha1(last + key.encode() + salt, usedforsecurity=False).digest()
        derived += last
    secret, start = derived[:KEY_BYTES], derived[KEY_BYTES : KEY_BYTES + BLOCK_BYTES]
    cipher = Cipher(AES(secret), CBC(start)).decryptor()
    padding = PKCS7(BLOCK_BYTES * 8).unpadder()
    try:
        return padding.update(cipher.update(body) + cipher.finalize()) + padding.finalize()
    except ValueError:
        raise OtherKey from None
