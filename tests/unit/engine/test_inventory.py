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
            ['host "h2": found no role; put it into at least one of: app, db, proxy, etcd'],
        ),
        (
            SITE + 'app = proxy = ["h1"]\ndb = ["h2"]',
            [
                "hosts: found roles spread over hosts: h1 (app and proxy), h2 (db); put each host "
                "into app, db and proxy, so that each is a separate server; or name three hosts in "
                "etcd for a database that survives the loss of one",
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
        f"there is no inventory file {tmp_path}/missing.py; 'mattermost-host init' writes one"
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
    assert sentence.endswith("; correct this Python file")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import sys; sys.exit()", "ends the run (sys.exit); correct the file"),
        ("import os; os._exit(0)", "ends the run (sys.exit); correct the file"),
        ("raise SystemExit(0)", "ends the run (sys.exit); correct the file"),
        ("raise BaseException('odd')", "can't be read: BaseException: odd"),
        ("raise GeneratorExit", "can't be read: GeneratorExit"),
        ("while True: pass", "is still being executed after 0.2 s"),
        ("import time; time.sleep(60)", "is still being executed after 0.2 s"),
        ("try:\n  while True: pass\nexcept Exception: raise", "is still being executed"),
    ],
)
@pytest.mark.parametrize("where", ["inventory", "group data"])
def test_a_file_that_ends_the_run_or_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str, where: str
) -> None:
    monkeypatch.setattr(inventory, "LIMIT_S", 0.2)
    path = _file(tmp_path, SITE + 'app = db = proxy = ["h1"]\n')
    if where == "inventory":
        path.write_text(text)
    else:
        (tmp_path / "group_data").mkdir()
        (tmp_path / "group_data" / "app.py").write_text(text)
    with pytest.raises(OperatorError) as raised:
        inventory.read(path)
    assert sentence in str(raised.value)


def test_what_an_inventory_prints_is_no_part_of_our_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`plan --json -` prints JSON and nothing else."""
    inventory.read(_file(tmp_path, SITE + 'print("hello")\napp = db = proxy = ["h1"]'))
    assert capsys.readouterr() == ("", "hello\n")


def test_it_is_executed_once(tmp_path: Path) -> None:
    text = 'open(__file__ + ".log", "a").write("x")\napp = db = proxy = ["h1"]'
    inventory.read(_file(tmp_path, SITE + text))
    assert (tmp_path / "example.py.log").read_text() == "x"


@pytest.mark.usefixtures("in_the_open")
def test_an_inventory_that_others_may_write_is_not_executed(tmp_path: Path) -> None:
    path = _file(tmp_path, "open(__file__ + '.log', 'w')")
    path.chmod(0o666)
    with pytest.raises(OperatorError, match=r"example\.py was not executed, .* every user"):
        inventory.read(path)
    assert not (tmp_path / "example.py.log").exists()


@pytest.mark.usefixtures("in_the_open")
@pytest.mark.parametrize("folder", ["beside the inventory", "current folder"])
def test_nor_is_group_data_that_others_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    path = _file(tmp_path, SITE + 'app = db = proxy = ["h1"]')
    here = tmp_path if folder == "beside the inventory" else tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    (here / "group_data").mkdir()
    (here / "group_data" / "db.py").write_text("open(__file__ + '.log', 'w')")
    (here / "group_data").chmod(0o777)
    with pytest.raises(OperatorError, match=r"db\.py was not executed, .* every user"):
        inventory.read(path)
    assert len(list((here / "group_data").iterdir())) == 1
