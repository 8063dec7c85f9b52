"""A repository's key is taken only by its fingerprint. By the real shell and the real gpg."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.knowledge.families import Key
from mattermost_host.ops import signing_key
from mattermost_host.ops.signing_key import HasKey
from tests.unit import local
from tests.unit.fake_host import answering, plan
from tests.unit.parsers import needs

URL = "https://keys.example.com/KEY"


class Keyring:
    """Keys that gpg makes in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)

    def new(self, name: str) -> tuple[str, str]:
        """A key's fingerprint, and the key as text."""
        self._gpg("--passphrase", "", "--quick-gen-key", name, "ed25519", "sign")
        shown = self._gpg("--with-colons", "--list-keys", name)
        (print_,) = (line.split(":")[9] for line in shown.splitlines() if line[:3] == "fpr")
        return print_, self._gpg("--armor", "--export", name)

    def _gpg(self, *words: str) -> str:
        command = ["gpg", "--homedir", str(self.folder), "--batch", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[Keyring]:
    needs("gpg")
    made = Keyring(tmp_path / "keyring")
    yield made
    subprocess.run(["gpgconf", "--homedir", str(made.folder), "--kill", "all"], check=True)


def _fetch(key: Key, served: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the operation's shell where the URL serves this text."""
    (folder / "served").write_text(served)
    programs = folder / "programs"
    out = 'while [ "$1" != -o ]; do shift; done'
    local.program(programs, "curl", f'{out}; cp {folder}/served "$2"')
    question = HasKey(key)
    result = plan(
        signing_key.present,
        name="the key is there",
        key=key,
        answer=answering({question: False}),
    )
    return local.run(local.moved(result.shell, {question.note: folder / "note"}), (), programs)


def test_the_right_key_is_put_in_place_and_known_again(keyring: Keyring, tmp_path: Path) -> None:
    fingerprint, text = keyring.new("right")
    key = Key(str(tmp_path / "KEY"), URL, fingerprint)
    done = _fetch(key, text, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "KEY").read_text() == text
    places = {HasKey(key).note: tmp_path / "note"}
    assert local.ask_here(HasKey(key), places=places)
    (tmp_path / "KEY").write_text(f"{text}\n")
    assert not local.ask_here(HasKey(key), places=places)


def test_another_key_is_refused_even_behind_the_right_one(keyring: Keyring, tmp_path: Path) -> None:
    fingerprint, right = keyring.new("right")
    other, wrong = keyring.new("other")
    key = Key(str(tmp_path / "KEY"), URL, fingerprint)
    for served in (wrong, right + wrong, ""):
        done = _fetch(key, served, tmp_path)
        assert done.returncode == 1
        assert "is not accepted" in done.stderr
        assert not (tmp_path / "KEY").exists()
    assert other in _fetch(key, wrong, tmp_path).stderr


def test_a_key_that_is_there_is_not_fetched() -> None:
    key = Key("/etc/KEY", URL, "AB")
    answer = answering({HasKey(key): True})
    assert plan(signing_key.present, name="it is there", key=key, answer=answer).changed == []
