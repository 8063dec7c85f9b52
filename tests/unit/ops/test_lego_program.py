"""lego on a host: kept as it was unpacked, by the real shell in a temporary folder."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from mattermost_host.ops import lego_program
from mattermost_host.ops.lego_program import AskProgram, Found
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.lego import LegoTarball
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, plan

DIGEST = "ab" * 32
TARBALL = LegoTarball(DIGEST, lambda: Tarball(Path("/lego.tar.gz"), DIGEST))


def _planned(found: Found) -> Plan:
    return apply(
        lambda: lego_program.unpacked(name="lego is unpacked", tarball=TARBALL),
        answer=answering({AskProgram(): found}),
    )


def test_as_it_was_unpacked_nothing_is_done() -> None:
    assert _planned(Found(DIGEST, there=True, unchanged=True)).changed == []


@pytest.mark.parametrize(
    "found",
    [
        Found(),
        Found("cd" * 32, there=True, unchanged=True),
        Found(DIGEST, there=True),
        Found(DIGEST),
    ],
)
def test_anything_else_is_put_right_from_the_tarball(found: Found) -> None:
    (step,) = _planned(found).steps
    assert list(step.uploads.values()) == ["/lego.tar.gz"]
    assert f"echo '{DIGEST}  " in step.shell


def test_a_plan_fetches_nothing() -> None:
    def never() -> Tarball:
        raise AssertionError("fetched")

    def wanted() -> None:
        lego_program.unpacked(name="lego is unpacked", tarball=LegoTarball(DIGEST, never))

    assert plan(wanted).changed == ["lego is unpacked"]


def _unpack(folder: Path, program: str, digest: str = "") -> int:
    """The script by the real shell."""
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("lego")
        member.size = len(program)
        archive.addfile(member, io.BytesIO(program.encode()))
    (folder / ".arrived").write_bytes(buffer.getvalue())
    digest = digest or hashlib.sha256(buffer.getvalue()).hexdigest()
    script = lego_program._unpack(f"{lego_program.FOLDER}/.arrived", digest)
    done = local.run(local.moved(script, {lego_program.FOLDER: folder}))
    assert not list(folder.glob(".arrived*"))
    return done.returncode


def _asked(folder: Path) -> Found:
    return local.ask_here(AskProgram(), places={lego_program.FOLDER: folder})


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the program must be root's")


@needs_root
def test_what_was_unpacked_is_known_again_and_each_change_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    assert _asked(folder) == Found()
    assert _unpack(folder, "#!/bin/sh\n") == 0
    found = _asked(folder)
    assert (found.there, found.unchanged, len(found.tarball)) == (True, True, 64)
    program = folder / "lego"
    assert program.stat().st_mode & 0o777 == 0o755
    program.chmod(0o700)
    program.chmod(0o755)
    assert not _asked(folder).unchanged
    program.unlink()
    assert _asked(folder) == Found(found.tarball)


@needs_root
@pytest.mark.parametrize(
    ("program", "digest"), [("#!/bin/sh\nexit 1\n", ""), ("#!/bin/sh\n", DIGEST)]
)
def test_what_does_not_run_or_is_not_the_tarball_takes_no_place(
    tmp_path: Path, program: str, digest: str
) -> None:
    folder = tmp_path / "bin"
    assert _unpack(folder, "#!/bin/sh\n") == 0
    before = _asked(folder)
    assert _unpack(folder, program, digest) != 0
    assert _asked(folder) == before
