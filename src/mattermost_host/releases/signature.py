"""Detached GPG signatures, checked by gpgv against one key file only."""

import subprocess
import tempfile
from pathlib import Path

from mattermost_host.support.errors import OperatorError

ARMOUR = b"-----BEGIN PGP"

COMPLAINTS = {
    "BADSIG": "the signature does not match: the tarball was changed. Do not deploy it",
    "EXPKEYSIG": "the key that signed it has expired; get the vendor's current key",
    "EXPSIG": "its signature has expired; get the vendor's current release",
    "REVKEYSIG": "the key that signed it was revoked. Do not deploy it",
    "NO_PUBKEY": "another key signed it than the one in the key file; get the vendor's key",
}
"""What gpgv reports -> what it means; any of them refuses the tarball."""


def check_signature(key: Path, signature: bytes, signed: Path) -> str | None:
    """What is wrong with the ``signature`` of the file ``signed``; None if it is good.

    ``key`` is a file of public keys, armoured or not. Raises OperatorError if it can't be read or
    if gpg or gpgv is missing.
    """
    if not key.is_file():
        raise OperatorError(
            f"{key} does not exist. Put the public key of the release there, or correct "
            "`mattermost.release.signature_key`."
        )
    with tempfile.TemporaryDirectory() as home:
        keyring, detached = Path(home, "keyring.gpg"), Path(home, "detached.sig")
        keyring.write_bytes(_binary(key.read_bytes(), key, home))
        detached.write_bytes(signature)
        options = ["--homedir", home, "--keyring", str(keyring), "--status-fd", "1"]
        result = _run(["gpgv", *options, "--", str(detached), str(signed.absolute())])
    reported = {
        line.split()[1]
        for line in result.stdout.decode("utf-8", "replace").splitlines()
        if line.startswith("[GNUPG:] ")
    }
    complaint = next((why for sign, why in COMPLAINTS.items() if sign in reported), None)
    if complaint is None and result.returncode == 0 and "GOODSIG" in reported:
        return None
    return f"{complaint or 'its signature cannot be read; download it again'}."


def _binary(content: bytes, key: Path, home: str) -> bytes:
    """The keys in binary form, which gpgv needs."""
    if not content.lstrip().startswith(ARMOUR):
        return content
    result = _run(["gpg", "--batch", "--homedir", home, "--dearmor"], content)
    if result.returncode:
        raise OperatorError(
            f"{key} is not a GPG key. Get the release's public key again; its vendor's is at "
            "https://deb.packages.mattermost.com/pubkey.gpg."
        )
    return result.stdout


def _run(command: list[str], content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=content, capture_output=True, check=False)
    except FileNotFoundError:
        raise OperatorError(
            f"{command[0]} is not installed on this machine, and it checks the release's "
            "signature. Install the packages gnupg and gpgv (gnupg2 on Enterprise Linux)."
        ) from None
