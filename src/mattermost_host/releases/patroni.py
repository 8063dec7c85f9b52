"""Where Patroni's wheel comes from: PyPI by this machine's pip, or the operator's file."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from mattermost_host.knowledge.patroni import SHA256, VERSION, WHEEL
from mattermost_host.releases.download import Tarball, sha256_of
from mattermost_host.releases.source import ReleaseError
from mattermost_host.support.paths import CACHE

LIMIT_S = 300
OTHER_WAY = (
    f"get the file where there is a way, by `pip download --no-deps patroni=={VERSION}`, and state "
    "its path as `patroni.wheel`."
)
_fetching = Lock()


@dataclass(frozen=True)
class PatroniWheel:
    """The digest of Patroni's wheel, and how to get the wheel."""

    sha256: str
    fetch: Callable[[], Tarball] = field(compare=False, repr=False)
    """Returns the verified wheel on the control machine. Raises ReleaseError."""


def wheel(file: str | None) -> PatroniWheel:
    """The wheel for all hosts: the operator's ``file``, else PyPI's."""
    return PatroniWheel(SHA256, lambda: _fetched(file))


def _fetched(file: str | None) -> Tarball:
    kept = Path(file) if file else CACHE / "patroni" / WHEEL
    try:
        with _fetching:
            if not file and not (kept.is_file() and sha256_of(kept) == SHA256):
                _download(kept)
            return _verified(kept)
    except OSError as error:
        where = error.filename or kept
        raise ReleaseError(f"{where} cannot be used: {error.strerror or error}.") from None


def _verified(path: Path) -> Tarball:
    found = sha256_of(path)
    if found != SHA256:
        raise ReleaseError(
            f"{path} has the SHA-256 {found}, and {SHA256} was expected: it is not {WHEEL}, or "
            f"somebody changed it. Do not deploy it; {OTHER_WAY}"
        )
    return Tarball(path, found)


def _download(kept: Path) -> None:
    """Fetch it by pip, which knows this machine's proxy, mirror and certificates."""
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".fetching-") as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"patroni=={VERSION} --hash=sha256:{SHA256}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        only = ["--no-deps", "--only-binary=:all:", "--require-hashes"]
        _run([*pip, "download", *only, "--dest", folder, "--requirement", str(wanted)])
        _verified(Path(folder) / WHEEL).path.replace(kept)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"pip has not ended within {LIMIT_S} s"
        raise ReleaseError(
            f"{WHEEL} cannot be fetched: {reason}. Run again, or {OTHER_WAY}"
        ) from None
    if "No module named pip" in done.stderr:
        raise ReleaseError(
            f"{sys.executable} has no pip, which fetches Patroni. Install it "
            f"(`{sys.executable} -m ensurepip`), or {OTHER_WAY}"
        )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {done.returncode}"
        raise ReleaseError(
            f"{WHEEL} cannot be fetched: {reason.rstrip('.')}. Give this machine a way to PyPI or "
            f"a mirror of it, or {OTHER_WAY}"
        )
