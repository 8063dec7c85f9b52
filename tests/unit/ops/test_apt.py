"""dpkg itself, in a folder, with what keeps the vendor's packages out."""

import subprocess
from pathlib import Path

import pytest

from mattermost_host.ops import apt
from mattermost_host.ops.entries import File
from mattermost_host.site import leaving
from tests.unit.parsers import needs

REFUSED = "mattermost is not installed, and neither is anything else of this run"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a database of dpkg, its root, our program, and two packages."""
    for folder in ("db/info", "db/updates", "root", "packages"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("db/status", "db/available"):
        (tmp_path / file).touch()
    _package(tmp_path, "mattermost")
    _package(tmp_path, "hello")
    program = tmp_path / "keep-out"
    program.write_text(_content(apt.KEEP_OUT), encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def _content(path: str) -> str:
    (entry,) = (
        one
        for one in apt.kept_out(("mattermost", "mattermost-omnibus"), "apt")
        if isinstance(one, File) and one.path == path
    )
    assert isinstance(entry.content, str)
    return entry.content


def _package(folder: Path, name: str) -> None:
    control = folder / name / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: Nobody\nDescription: none\n"
    )
    tree = folder / name / "opt" / name
    tree.mkdir(parents=True)
    (tree / "file").touch()
    made = folder / "packages" / f"of-{name}.deb"
    command = [needs("dpkg-deb"), "--root-owner-group", "-b", str(folder / name), str(made)]
    subprocess.run(command, check=True, capture_output=True)


def _dpkg(folder: Path, *arguments: str) -> str:
    """What dpkg says; the line of its configuration is an option here."""
    (hook,) = (line for line in _content(apt.HOOK).splitlines() if line.startswith("pre-invoke="))
    done = subprocess.run(
        [
            needs("dpkg"),
            f"--admindir={folder}/db",
            f"--instdir={folder}/root",
            "--force-not-root,bad-path",
            "--log=/dev/null",
            f"--{hook.replace(apt.KEEP_OUT, str(folder / 'keep-out'))}",
            *arguments,
        ],
        cwd=folder / "packages",
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{done.stdout}{done.stderr}ended with {done.returncode}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", "of-mattermost.deb"),
        ("--unpack", "of-hello.deb", "../packages/of-mattermost.deb"),
        ("-i", "-R", "."),
    ],
    ids=" ".join,
)
def test_the_vendors_package_is_refused_with_a_sentence(
    made: Path, arguments: tuple[str, ...]
) -> None:
    said = _dpkg(made, *arguments)
    assert REFUSED in said
    assert said.endswith("ended with 2")
    assert list((made / "root").iterdir()) == []


def test_other_packages_come_and_go(made: Path) -> None:
    assert _dpkg(made, "-i", "of-hello.deb").endswith("ended with 0")
    assert (made / "root/opt/hello/file").exists()
    assert _dpkg(made, "--configure", "-a").endswith("ended with 0")
    assert _dpkg(made, "-P", "hello").endswith("ended with 0")


def test_without_our_program_dpkg_does_its_work(made: Path) -> None:
    (made / "keep-out").unlink()
    assert _dpkg(made, "-i", "of-hello.deb").endswith("ended with 0")


def test_one_that_was_there_before_can_be_removed(made: Path) -> None:
    program = made / "keep-out"
    program.rename(made / "away")
    assert _dpkg(made, "-i", "of-mattermost.deb").endswith("ended with 0")
    (made / "away").rename(program)
    assert _dpkg(made, "-P", "mattermost").endswith("ended with 0")


def test_where_there_is_no_apt_there_is_nothing_to_keep_out() -> None:
    assert list(apt.kept_out(("mattermost",), "dnf")) == []


def test_an_uninstall_removes_all_of_it() -> None:
    files = {one.path for one in apt.kept_out(("mattermost",), "apt") if isinstance(one, File)}
    assert files == set(apt.KEPT_OUT)
    assert files < set(leaving.of_server())
