"""A folder of another host, looked into before a run as the host will reach it. Nothing is written.

As with a bucket (``backup_bucket``), the connection begins on the host and is spoken from here: the
private key has not to be there yet.
"""

import stat
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from pyinfra.api import Host

from mattermost_host.engine.sftp import (
    Files,
    Login,
    NoFiles,
    NotLetIn,
    SftpError,
    Status,
    files_of,
)
from mattermost_host.engine.tunnel import SILENT, NotAsked, TunnelError
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.backup_places import Access, OtherHost
from mattermost_host.ops.backup_target import Target
from mattermost_host.ops.pgbackrest_state import MARK
from mattermost_host.preflight.backup_held import INFO, MOST_BYTES, Held, PlaceRefused, shown

ANSWERS = "a server of SFTP that answers the host"
OF_INVENTORY = "the host whose public keys are backup.host_keys"


@dataclass(frozen=True)
class _Way:
    """Another host as a host reaches it."""

    host: Host
    other: OtherHost
    keys: tuple[str, ...]
    """The other host's public keys, each with its type first."""
    own: SecretStr
    """The private key that opens it."""

    @property
    def told(self) -> str:
        """Its name in a sentence."""
        return self.other.known_as

    def held(self) -> Held:
        """What is there of ours."""
        other = self.other
        login = Login(other.host, other.port, other.user, self.own)
        with files_of(self.host, login, self._recognise) as files:
            folder = _Folder(files, self.told, other)
            folder.judge()
            return folder.held()

    def _recognise(self, key: str) -> None:
        known = [" ".join(one.split()[:2]) for one in self.keys]
        if key in known:
            return
        kind, _, content = key.partition(" ")
        digest = b64encode(sha256(b64decode(content)).digest()).decode().rstrip("=")
        if not any(one.startswith(f"{kind} ") for one in known):
            raise PlaceRefused(
                f"{self.told}: its key {kind} SHA256:{digest} is of a type that backup.host_keys "
                "has none of",
                "all public keys of that host: pgBackRest asks for this one",
                f"Compare it with /etc/ssh/ssh_host_*_key.pub there, and add it: {key}",
            )
        raise PlaceRefused(
            f"{self.told}: it shows another host key than backup.host_keys has "
            f"({kind} SHA256:{digest})",
            "the host whose public keys are backup.host_keys",
            "Somebody may stand in between. Compare it with /etc/ssh/ssh_host_*_key.pub of that "
            "host; if it has new ones, correct backup.host_keys.",
        )

    def not_let_in(self) -> PlaceRefused:
        """The sentences of an account that the key does not open."""
        text = self.own.get_secret_value().strip().encode()
        key = serialization.load_ssh_private_key(text, password=None)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        return PlaceRefused(
            f"{self.told}: it does not let {self.other.user} in with backup_ssh_key",
            f"an account {self.other.user} there that the key opens",
            f"Write its public key into that account's authorized keys there: {public}",
        )

    def without_files(self) -> PlaceRefused:
        """The sentences of an account without SFTP."""
        return PlaceRefused(
            f"{self.told}: it lets {self.other.user} in, but has no SFTP for that account",
            ANSWERS,
            "Let sshd there have `Subsystem sftp internal-sftp`, and the account use it.",
        )

    def unreached(self, why: str) -> PlaceRefused:
        """The sentences of a host that does not answer."""
        remedy = f"Let {self.host.name} reach it (name, route, firewall), or correct backup.to."
        return PlaceRefused(f"{self.told}: {why}", ANSWERS, remedy, away=True)


@dataclass(frozen=True)
class _Folder:
    """The folder of backups on the other host."""

    files: Files
    told: str
    other: OtherHost

    def judge(self) -> None:
        """It is there, or can be made, as far as owner and mode tell. Raises PlaceRefused."""
        place, found = self.other.path, self._status(self.other.path)
        while found is None and place != "/":
            place = place.rpartition("/")[0] or "/"
            found = self._status(place)
        if found and not stat.S_ISDIR(found.mode):
            raise self._refused(f"{place} is no folder", "a folder", "Correct backup.to.")
        if found and not self._may_write(found):
            missing = "" if place == self.other.path else f"there is no {self.other.path}, and "
            raise self._refused(
                f"{missing}{self.other.user} may not write into {place}",
                f"a folder that belongs to {self.other.user}",
                f"There: mkdir -p FOLDER && chown {self.other.user}: FOLDER && chmod 700 FOLDER, "
                f"where FOLDER is what that account sees as {self.other.path}.",
            )

    def held(self) -> Held:
        """The two files that tell whose the repository is."""
        mark, info = (self._content(f"{self.other.database}/{one}") for one in (MARK, INFO))
        return Held(mark.decode(errors="replace").strip(), info)

    def _status(self, path: str) -> Status | None:
        try:
            return self.files.status(path)
        except PermissionError:
            raise self._closed(path) from None

    def _may_write(self, found: Status) -> bool:
        """As far as it can be told without writing: SFTP does not say who we are."""
        if found.mode & (stat.S_IWOTH | stat.S_IWGRP):
            return True
        if not found.mode & stat.S_IWUSR:
            return False
        # The account's own number, where it sees /proc; in a closed root it does not.
        process = self._status("/proc/self")
        if process:
            return process.owner in (found.owner, 0)
        return found.owner != 0 or self.other.user == "root"

    def _content(self, path: str) -> bytes:
        try:
            return self.files.content(path, MOST_BYTES)
        except PermissionError:
            raise self._closed(path) from None

    def _closed(self, path: str) -> PlaceRefused:
        return self._refused(
            f"{self.other.user} may not read {path}",
            f"a folder that belongs to {self.other.user}",
            f"Let it belong to {self.other.user} with all that is in it, or correct backup.to.",
        )

    def _refused(self, found: str, needed: str, remedy: str) -> PlaceRefused:
        return PlaceRefused(f"{self.told}: {found}", needed, remedy)


def look(host: Host, facts: HostFacts, target: Target, access: Access, secrets_file: str) -> Held:
    """What the folder holds of ours. Raises PlaceRefused, and NotAsked."""
    assert isinstance(target.place, OtherHost)
    assert access.ssh_key  # a secret of the component
    way = _Way(host, target.place, target.host_keys, access.ssh_key)
    try:
        return way.held()
    except NotAsked:
        raise
    except TunnelError as error:
        raise way.unreached(str(error)) from None
    except NotLetIn:
        raise way.not_let_in() from None
    except NoFiles:
        raise way.without_files() from None
    except TimeoutError:
        raise way.unreached(SILENT) from None
    except SftpError as error:
        raise way.unreached(f"it does not answer as ssh does ({shown(str(error))})") from None
