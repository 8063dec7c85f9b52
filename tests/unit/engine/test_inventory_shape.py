"""Values of an inventory that can't be copied: a sentence. What can be is plain afterwards."""

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
