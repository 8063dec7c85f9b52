"""Build the stand-in's release tarball, in the layout of the official one.

``python tests/standin/build.py OUTDIR [--version 11.7.9] [--habit exits]``. The same input
gives the same bytes. The libraries come from the package index that pip is configured for, pinned
by digest, and are kept in the cache of the user.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))  # as a program, too
from tests.standin import contents  # noqa: E402

DEFAULT_VERSION = "11.7.9"
OLDEST_PYTHON = "3.9"  # Debian 11
HABITS = ("exits", "fails-after-migrations", "hangs", "refuses-log-ins", "refuses-posts")
"""Of broken releases: exit 1 at the start, before or after the schema is migrated; never READY and
not a word; 401 for each log-in; 500 for each post."""
_CHANGED = {"LogSettings.ConsoleLevel": "INFO"}  # in the packaged config.json


class BuildError(Exception):
    """Why there is no tarball: a sentence."""


def build(outdir: Path, version: str = DEFAULT_VERSION, habits: Collection[str] = ()) -> Path:
    """Write the tarball to ``outdir`` and return its path; raises BuildError.

    ``habits`` are those of ``HABITS`` that the release has.
    """
    outdir.mkdir(parents=True, exist_ok=True)
    named = "".join(f"-{habit}" for habit in sorted(habits))
    target = outdir / f"mattermost-standin-{version}{named}-linux-amd64.tar.gz"
    handle, aside = tempfile.mkstemp(dir=outdir, prefix=".standin-")
    try:
        with os.fdopen(handle, "wb") as file:
            _pack(file, sorted(_entries(version, habits)))
        Path(aside).chmod(0o644)
        Path(aside).replace(target)
    except BaseException:
        Path(aside).unlink()
        raise
    return target


def _entries(version: str, habits: Collection[str]) -> Iterator[tuple[str, bytes, int]]:
    """Path, bytes and mode of every file."""
    for name, data in contents.programs():
        yield name, data, 0o755
    for name, data in contents.files(version):
        yield name, data, 0o644
    yield "config/config.json", _configuration(), 0o600
    for source in sorted((HERE / "server").iterdir()):
        if source.is_file():
            yield f"lib/mattermost_standin/{source.name}", source.read_bytes(), 0o644
    yield "lib/mattermost_standin/VERSION", f"{version}\n".encode(), 0o644
    told = "".join(f"{habit}\n" for habit in sorted(habits))
    yield "lib/mattermost_standin/HABITS", told.encode(), 0o644
    for wheel in sorted(_wheels().glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    yield f"lib/{name}", archive.read(name), 0o644


def _configuration() -> bytes:
    """The packaged config.json: every known setting with its default."""
    tree: dict[str, object] = {}
    for line in (HERE / "server" / "settings.tsv").read_text(encoding="utf-8").splitlines():
        name, _, default = line.split("\t")
        *parents, key = name.split(".")
        node = tree
        for parent in parents:
            inner = node.setdefault(parent, {})
            assert isinstance(inner, dict)
            node = inner
        node[key] = _CHANGED.get(name, json.loads(default))
    return (json.dumps(tree, indent=4) + "\n").encode()


def _pack(file: io.BufferedIOBase, entries: list[tuple[str, bytes, int]]) -> None:
    folders = {parent for name, _, _ in entries for parent in Path("mattermost", name).parents}
    with (
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for folder in sorted(str(path) for path in folders - {Path()}):
            archive.addfile(_head(folder, 0o755, tarfile.DIRTYPE))
        for name, data, mode in entries:
            head = _head(f"mattermost/{name}", mode, tarfile.REGTYPE)
            head.size = len(data)
            archive.addfile(head, io.BytesIO(data))


def _head(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    head = tarfile.TarInfo(name)
    head.mode, head.type = mode, kind
    return head


def _wheels() -> Path:
    """The folder with exactly the wheels of wheels.txt, fetched when it is not there yet."""
    pins = HERE / "wheels.txt"
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = base / "mattermost-host" / "standin" / digest
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        fetched = Path(work) / "wheels"
        _fetch(pins, fetched)
        try:
            fetched.rename(target)
        except OSError:
            if not target.is_dir():  # else another build was quicker
                raise
    return target


def _fetch(pins: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--require-hashes", "--requirement", str(pins), "--dest", str(target)]
    command += ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"]
    command += [f"--python-version={OLDEST_PYTHON}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BuildError(f"pip could not fetch the libraries of the stand-in server: {last}")


def main() -> int:
    """Print the path of the tarball."""
    parser = argparse.ArgumentParser(description="Build the stand-in server's tarball.")
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--version", default=DEFAULT_VERSION)
    parser.add_argument("--habit", action="append", choices=HABITS, default=[])
    arguments = parser.parse_args()
    try:
        print(build(arguments.outdir, arguments.version, arguments.habit))
    except BuildError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
