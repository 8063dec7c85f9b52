"""The ops host without one: who it is, what is refused, and what it would be given."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from mattermost_host.drift import ops_host
from mattermost_host.drift.repair import Heal
from mattermost_host.engine import connections
from mattermost_host.engine.inventory import Inventory, read
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError, SiteError
from mattermost_host.support.templates import render
from tests.unit import local

SITE = 'site = {"url": "https://chat.example.com", "users": 10}\napp = db = proxy = ["a.test"]\n'


def _inventory(folder: Path, more: str = "") -> Path:
    path = folder / "chat.py"
    path.write_text(SITE + more)
    return path


def test_a_host_of_ops_is_none_of_the_site(tmp_path: Path) -> None:
    found = read(_inventory(tmp_path, 'ops = (["o.test"], {"ssh_user": "admin"})\n'))
    assert [host.name for host in found.hosts] == ["a.test"]
    assert [(host.name, host.data) for host in found.ops] == [("o.test", {"ssh_user": "admin"})]
    assert found.mistakes == ()


def test_an_ops_host_may_have_a_role(tmp_path: Path) -> None:
    found = read(_inventory(tmp_path, 'ops = ["a.test"]\n'))
    assert [host.roles for host in found.hosts] == [("app", "db", "proxy")]
    assert [host.name for host in found.ops] == ["a.test"]


def test_without_the_group_it_is_this_machine(tmp_path: Path) -> None:
    assert read(_inventory(tmp_path)).ops == ()


def test_several_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"ops: found several hosts: o\.test, p\.test; name one"):
        Site.load(_inventory(tmp_path, 'ops = ["o.test", "p.test"]\n'))


def test_it_heals_nothing(tmp_path: Path) -> None:
    found = read(_inventory(tmp_path, 'ops = ["o.test"]\n'))
    with pytest.raises(OperatorError, match="would undo what you have deployed since"):
        ops_host.schedule(found, found.ops[0], "daily", Heal("safe"))


def _packed(inventory: Path) -> dict[str, bytes]:
    """What the ops host would get, by name; fails where others could read it."""
    stream = io.BytesIO()
    ops_host._pack(read(inventory), stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        return {
            one.name: (file.read() if (file := archive.extractfile(one)) else b"")
            for one in archive
        }


def test_it_gets_the_code_the_site_and_the_files_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chat.pem").write_text("certificate")
    named = 'site["tls"] = {"mode": "files", "certificate": "chat.pem", "key": "/elsewhere.pem"}\n'
    path = _inventory(tmp_path, named)
    secrets = path.with_suffix(".secrets.toml")
    secrets.touch(0o600)
    secrets.write_text('drift_webhook = "https://hook"\n')
    packed = _packed(path)
    assert packed.keys() >= {
        "config.py",
        "requirements/runtime.txt",
        "scripts/setup",
        "deploys/site.py",
        "src/mattermost_host/site/site.py",
        "tests/host/conftest.py",
        "inventories/chat.py",
        "inventories/chat.secrets.toml",
        "chat.pem",
    }
    assert b"https://hook" in packed["inventories/chat.secrets.toml"]
    assert not [
        name
        for name in packed
        for part in ("__pycache__", "elsewhere", "tests/unit", "tests/lab", "docs/", ".git")
        if part in name
    ]


@pytest.mark.parametrize("older", [False, True], ids=["a file of its own", "in the secrets file"])
def test_it_never_gets_the_authoritys_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = _inventory(tmp_path, 'site["skip"] = {"clock": "chat.authority-key.pem"}\n')
    Site.load(path).secrets.keep()
    key_file = path.with_suffix(".authority-key.pem")
    key = key_file.read_text()
    if older:
        secrets = path.with_suffix(".secrets.toml")
        text = secrets.read_text().replace("[authority]", f"[authority]\nkey = '''{key}'''")
        secrets.write_text(text)
        key_file.unlink()
        assert Site.load(path).secrets.planned, "not moved yet"
    packed = _packed(path)
    assert key.splitlines()[1].encode() not in b"".join(packed.values())
    copied = tmp_path / "copy"
    copied.mkdir()
    for name in ("chat.py", "chat.secrets.toml", "chat.ca.pem"):
        (copied / name).touch(0o600)
        (copied / name).write_bytes(packed[f"inventories/{name}"])
    assert Site.load(copied / "chat.py").secrets.planned == (), "a plan there needs nothing else"


def test_an_installed_package_has_no_checkout_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops_host, "PROJECT", tmp_path)
    found = read(_inventory(tmp_path, 'ops = ["o.test"]\n'))
    with pytest.raises(OperatorError, match="with --here on a machine that is always on"):
        ops_host.schedule(found, found.ops[0], "daily", None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """A site whose ops host is this machine, where sudo says no."""
    local.program(tmp_path / "programs", "sudo", "echo no route >&2; exit 255")
    monkeypatch.setenv("PATH", str(tmp_path / "programs"), prepend=":")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(connections, "_read_config", lambda _: None)
    return read(_inventory(tmp_path, 'ops = [("@local", {"_sudo": True})]\n'))


def test_what_it_says_is_passed_on(here: Inventory) -> None:
    with pytest.raises(OperatorError) as refused:
        ops_host.schedule(here, here.ops[0], None, None)
    assert "the ops host @local does not do its part (status 255). It said:\nno route" in str(
        refused.value
    )


def test_one_that_hangs_up_at_once_is_told_in_a_sentence(
    here: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is larger than what a pipe takes, so writing it fails half-way."""
    monkeypatch.setattr(Site, "load", lambda path: None)
    with pytest.raises(OperatorError, match="It said:\nno route"):
        ops_host.schedule(here, here.ops[0], "daily", None)


def test_one_that_can_not_be_reached_is_a_sentence(tmp_path: Path) -> None:
    found = read(_inventory(tmp_path, 'ops = ["o.invalid"]\n'))
    with pytest.raises(
        OperatorError, match=r"o\.invalid can't be reached: the name o\.invalid does not"
    ):
        ops_host.schedule(found, found.ops[0], None, None)


def _unpacked(folder: Path) -> None:
    """A new copy for the folder, as its host unpacks it; its inventories are those of one site."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in (("scripts/setup", "#!/bin/sh\n"), ("inventories/chat.py", "new")):
            one = tarfile.TarInfo(name)
            one.size, one.mode = len(text), 0o700
            archive.addfile(one, io.BytesIO(text.encode()))
    script = render("schedule/unpack.sh.j2", folder=folder)
    subprocess.run(["sh", "-c", script], input=stream.getvalue(), check=True, cwd=folder.parent)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut off between its renames"])
def test_a_new_copy_keeps_the_inventories_of_other_sites(tmp_path: Path, cut: bool) -> None:
    folder = tmp_path / "copy"
    _unpacked(folder)
    (folder / "inventories/other.py").write_text("other")
    (folder / ".venv").mkdir()
    if cut:
        folder.rename(tmp_path / "copy~old")
        (tmp_path / "copy~new").mkdir()
    _unpacked(folder)
    there = {path.name: path.read_text() for path in (folder / "inventories").iterdir()}
    assert there == {"chat.py": "new", "other.py": "other"}
    assert (folder / ".venv").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
