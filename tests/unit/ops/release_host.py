"""The folder of the releases as a host has it, and its real shell."""

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from mattermost_host.ops import release
from mattermost_host.ops.release_scripts import LOCK
from mattermost_host.ops.release_state import (
    CURRENT,
    HOME,
    RELEASES,
    Found,
    ReleaseState,
)
from mattermost_host.releases.choice import Release
from mattermost_host.releases.download import Tarball, sha256_of
from tests.unit import local
from tests.unit.fake_host import answering, apply

STEPS = ("unpacked", "switched", "pruned")


def never(_: str) -> Tarball:
    raise AssertionError("the host has the release; nothing is to be fetched")


def deploy(wanted: Release) -> None:
    release.unpacked(name="unpacked", release=wanted)
    release.switched(name="switched", release=wanted)
    release.pruned(name="pruned", release=wanted)


class Host:
    """The folder /opt/mattermost of a host, in a temporary folder, and its real shell."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.home = folder / "opt"
        self.home.mkdir()
        for name in ("releases", "manifests"):
            (self.home / name).mkdir()
        self.programs = folder / "programs"
        local.program(self.programs, "runuser", 'shift 3; exec "$@"')
        local.program(self.programs, "chown", "true")

    def tarball(self, version: str, *, server: str | None = "exit 0") -> Release:
        """A release of the vendor's layout; ``server`` is what its binary does."""
        path = self.folder / f"{version}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            files = {
                "client/main.js": b"x" * 5000,
                "client/deep/er/part.css": b"y",
                "client/with space.txt": b"z",
                "README": version.encode(),
            }
            if server is not None:
                files["bin/mattermost"] = f"#!/bin/sh\n{server}\n".encode()
            for name, content in files.items():
                member = tarfile.TarInfo(f"mattermost/{name}")
                member.size, member.mode, member.uid = len(content), 0o775, 2000
                archive.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo("mattermost/client/link")
            link.type, link.linkname = tarfile.SYMTYPE, "with space.txt"
            archive.addfile(link)
        return Release(version, lambda _: Tarball(path, sha256_of(path)))

    def ask(self, question: ReleaseState) -> Found:
        answer = local.ask_here(question, self.programs, {HOME: self.home})
        assert isinstance(answer, Found)
        return Found(
            **{
                **answer.__dict__,
                "leftovers": tuple(one.replace(str(self.home), HOME) for one in answer.leftovers),
            }
        )

    def deploy(
        self, wanted: Release, on_the_way: Callable[[bytes], bytes] = bytes
    ) -> tuple[int, str]:
        """Exit status and standard error of the first command that fails, or of the last.

        ``on_the_way`` is what happens to the tarball between this machine and the host.
        """
        changed = False
        question = ReleaseState(wanted.folder, wanted.by_hash)
        for name in STEPS:
            done = apply(lambda: deploy(wanted), answer=answering({question: self.ask(question)}))
            step = done.step(name)
            changed = changed or step.changes
            for at, command in enumerate(step.commands):
                if at == 1 and step.uploads:
                    ((destination, source),) = step.uploads.items()
                    arrived = on_the_way(Path(source).read_bytes())
                    (self.home / Path(destination).name).write_bytes(arrived)
                ran = self.run(command)
                if ran.returncode:
                    return ran.returncode, ran.stderr
        return (0, "") if changed else (-1, "")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        here = command.replace(HOME, str(self.home))
        here = here.replace(LOCK, str(self.folder / "lock"))
        return local.run(here, programs=self.programs)

    def said(self, wanted: Release) -> dict[str, str]:
        """What a plan says is wrong, by path."""
        question = ReleaseState(wanted.folder, wanted.by_hash)
        found = self.ask(question)
        return {
            change.subject.replace(str(self.home), HOME).removeprefix(f"{RELEASES}/"): change.found
            for change in (*release._of_files(wanted, found), *release._of_link(wanted, found))
            if not (found.current == f"releases/{wanted.folder}" and change.subject == CURRENT)
        }

    def tree(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.glob("releases/*")} | {
            path.name for path in self.home.iterdir()
        }


DONE, NOTHING_TO_DO = (0, ""), (-1, "")
