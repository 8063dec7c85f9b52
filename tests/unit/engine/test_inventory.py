"""Inventories: plain data; hosts, roles and connection data out of the lists that pyinfra reads."""

from pathlib import Path

import pytest

from mattermost_host.engine import inventory
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.support.errors import OperatorError

SITE = 'site = {"url": "https://chat.example.com", "users": 50}\n'


def _file(folder: Path, text: str) -> Path:
    path = folder / "example.py"
    path.write_text(text)
    return path


def _mistakes(folder: Path, text: str) -> list[str]:
    return [str(mistake) for mistake in inventory.read(_file(folder, text)).mistakes]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('app = db = proxy = ["h1"]', {}),
        ('app = db = proxy = [("h1", {"ssh_user": "root"})]', {"ssh_user": "root"}),
        ('app = db = proxy = (["h1"], {"ssh_port": 2222})', {"ssh_port": 2222}),
        (
            'app = db = proxy = ([("h1", {"ssh_port": 22022})], {"ssh_port": 2222})',
            {"ssh_port": 22022},
        ),
    ],
)
def test_hosts_in_every_form_that_pyinfra_reads(
    tmp_path: Path, text: str, data: dict[str, object]
) -> None:
    read = inventory.read(_file(tmp_path, SITE + text))
    assert read.hosts == (SiteHost("h1", ("app", "db", "proxy"), data),)
    assert read.mistakes == ()
    assert read.description == {"url": "https://chat.example.com", "users": 50}


def test_helpers_with_an_underscore_are_no_groups(tmp_path: Path) -> None:
    text = '_names = ["h1", "h2"]\napp = db = proxy = _names[:1]'
    assert [host.name for host in inventory.read(_file(tmp_path, SITE + text)).hosts] == ["h1"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            SITE,
            [
                'app: found no host; write app = ["name-of-a-host"]',
                'db: found no host; write db = ["name-of-a-host"]',
                'proxy: found no host; write proxy = ["name-of-a-host"]',
            ],
        ),
        (
            SITE + 'app = db = ["h1"]',
            ['proxy: found no host; write proxy = ["name-of-a-host"]'],
        ),
        (
            SITE + 'app = db = proxy = ["h1"]\nweb = ["h2"]',
            ['host "h2": found no role; put it into at least one of the lists app, db, proxy'],
        ),
        (
            SITE + 'app = proxy = ["h1"]\ndb = ["h2"]',
            [
                "hosts: found roles spread over hosts: h1 (app and proxy), h2 (db); put each host "
                "into all roles; this version deploys whole hosts only, of which each is a server "
                "of its own",
            ],
        ),
        (
            'site = "chat.example.com"\napp = db = proxy = ["h1"]',
            ['site: found str; write site = {"url": "https://…", "users": …}'],
        ),
        (
            'app = db = proxy = ["h1"]',
            ['site: found nothing; write site = {"url": "https://…", "users": …}'],
        ),
    ],
)
def test_each_mistake_is_a_sentence(tmp_path: Path, text: str, sentences: list[str]) -> None:
    assert _mistakes(tmp_path, text) == sentences


def test_an_external_database_needs_no_host(tmp_path: Path) -> None:
    text = 'site = {"postgres": {"dsn": "postgres://db.example.com/mm"}}\napp = proxy = ["h1"]'
    assert _mistakes(tmp_path, text) == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as raised:
        inventory.read(tmp_path / "missing.py")
    assert str(raised.value) == (
        f"there is no inventory {tmp_path}/missing.py; see inventories/single.py for one"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("site = {", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("site = undefined", "NameError: name 'undefined' is not defined"),
    ],
)
def test_a_file_that_is_no_python(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(OperatorError) as raised:
        inventory.read(_file(tmp_path, text))
    sentence = str(raised.value)
    assert sentence.startswith(f"{tmp_path}/example.py can't be read: {reason}")
    assert sentence.endswith("; correct the file, it is Python")
