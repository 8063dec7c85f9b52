"""Values of an inventory that can't be copied: a sentence. What can be is plain afterwards."""

import time
from pathlib import Path

import pytest

from mattermost_host.engine import inventory
from mattermost_host.engine.inventory_shape import plain
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

SITE = 'site = {"url": "https://chat.example.com", "users": 50}\n'
HOSTS = 'app = db = proxy = ["h1"]\n'


def _read(folder: Path, text: str) -> inventory.Inventory:
    path = folder / "example.py"
    path.write_text(text)
    return inventory.read(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f"{SITE}site['mattermost'] = site\n{HOSTS}",
            "site.mattermost: found a value that contains itself; write it out",
        ),
        (
            f"x = {{}}\nfor _ in range(5000):\n    x = {{'a': x}}\n{SITE}site['tls'] = x\n{HOSTS}",
            "found tables or lists nested more than 20 deep",
        ),
        (f"{SITE}app = db = proxy = []\napp.append(app)\n", "app: found a value that contains it"),
        (
            f"{SITE}site['users'] = 10**5000\n{HOSTS}",
            "site.users: found a number of more than 19 digits; write a smaller one",
        ),
        (
            f"{SITE}app = db = proxy = [('h1', {{'ssh_port': -(10**5000)}})]\n",
            "app.ssh_port: found a number of more than 19 digits",
        ),
        (
            f"class D(dict):\n    def items(self): 1 / 0\n{SITE}site['x'] = D(a=1)\n{HOSTS}",
            "can't be read: ZeroDivisionError: division by zero; correct this Python file",
        ),
    ],
)
def test_what_can_not_be_copied_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(OperatorError) as caught:
        _read(tmp_path, text)
    assert f"{tmp_path / 'example.py'}" in str(caught.value)
    assert sentence in str(caught.value)


def test_classes_of_an_inventory_s_own_are_plain_afterwards(tmp_path: Path) -> None:
    text = (
        "class T(str):\n    def encode(self, *_): 1 / 0\n"
        "class L(list): pass\nclass D(dict): pass\n"
        "site = D(url=T('https://chat.example.com'), users=True)\n"
        "app = db = proxy = L([(T('h1'), D(ssh_port=22))])\n"
    )
    read = _read(tmp_path, text)
    assert [type(read.description[key]) for key in ("url", "users")] == [str, bool]
    assert type(read.description) is dict
    (host,) = read.hosts
    assert (type(host.name), host.data) == (str, {"ssh_port": 22})


def test_the_same_table_twice_does_not_contain_itself() -> None:
    table = {"a": 1}
    assert plain({"x": table, "y": [table, table]}, "site") == {"x": table, "y": [table, table]}
    assert plain((2**64 - 1, -1, 1.5, None, b"x"), "") == (2**64 - 1, -1, 1.5, None, b"x")


def test_half_a_character_in_a_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(SITE.replace('"users"', '"\\ud800": 1, "users"') + HOSTS)
    with pytest.raises(
        OperatorError, match=r"site: found the key '\\ud800', which no file can hold"
    ):
        Site.described(path)


@pytest.mark.parametrize("name", ["root:hunter2@mm", "ssh://root:hunter2@mm", "@ssh/u:hunter2@mm"])
def test_a_host_with_a_password_in_its_name_is_told_by_its_place(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorError) as caught:
        Site.described(_written(tmp_path, f"{SITE}app = db = proxy = ['h1', {name!r}]\n"))
    assert (
        "app[1]: found a name with a user and a password in it; write the host's name alone"
        in str(caught.value)
    )
    assert "hunter2" not in str(caught.value)


def test_a_label_that_no_name_has_is_refused(tmp_path: Path) -> None:
    """The resolver would raise something else than a sentence."""
    for name in ("a" * 64, "a..b", f"b.{'a' * 64}"):
        with pytest.raises(OperatorError, match="is not the name or address of a host"):
            Site.described(_written(tmp_path, f"{SITE}app = db = proxy = [{name!r}]\n"))


@pytest.mark.parametrize(
    "text",
    [
        f"{SITE}{HOSTS}numbers = [0] * 100_000\n",
        f"{SITE}{HOSTS}site['mattermost'] = {{'settings': {{f'Other.X{{n}}': 1 "
        "for n in range(2_000)}}\n",
        f"{SITE}app = db = proxy = [(f'h{{n}}', {{'ssh_prot': 1}}) for n in range(500)]\n",
    ],
    ids=["a list of something else", "another program's settings", "many hosts"],
)
def test_many_mistakes_are_told_soon_and_not_all(tmp_path: Path, text: str) -> None:
    path = _written(tmp_path, text)
    began = time.process_time()
    with pytest.raises(OperatorError) as caught:
        Site.described(path)
    assert time.process_time() - began < 2
    lines = str(caught.value).splitlines()
    assert 100 <= len(lines) - 1 <= 301
    if len(lines) == 302:
        assert lines[-1].endswith(" more: correct these, and run again")


def _written(folder: Path, text: str) -> Path:
    path = folder / "example.py"
    path.write_text(text)
    return path
