"""Data of hosts: from every place that pyinfra takes it, and every wrong key a sentence."""

import json
import os
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from paramiko import SSHClient

from mattermost_host.engine import connect_arguments, inventory
from mattermost_host.engine.host_data import Connection
from mattermost_host.engine.inventory import CommandLine, SiteHost

SITE = 'site = {"url": "https://chat.example.com", "users": 50}\n'
PYINFRA = Path(sys.executable).with_name("pyinfra")


def _written(folder: Path, text: str, **group_data: str) -> Path:
    path = folder / "example.py"
    path.write_text(SITE + text)
    for group, data in group_data.items():
        (folder / "group_data").mkdir(exist_ok=True)
        (folder / "group_data" / f"{group}.py").write_text(data)
    return path


def _mistakes(folder: Path, text: str, **group_data: str) -> list[str]:
    return [str(one) for one in inventory.read(_written(folder, text, **group_data)).mistakes]


PLACES: dict[str, tuple[str, dict[str, str]]] = {
    "host": ('app = db = proxy = [("h1", {"ssh_port": 2222})]', {}),
    "group": ('app = db = proxy = (["h1"], {"ssh_port": 2222})', {}),
    "host before group": (
        'app = db = proxy = ([("h1", {"ssh_port": 2222})], {"ssh_port": 22})',
        {},
    ),
    "a group without a role": (
        'app = db = proxy = ["h1"]\nberlin = (["h1"], {"ssh_port": 2222})',
        {},
    ),
    "the last group": (
        'app = (["h1"], {"ssh_port": 22})\ndb = proxy = (["h1"], {"ssh_port": 2222})',
        {},
    ),
    "the group all": (
        'app = db = proxy = ["h1"]\nall = (["h1"], {"ssh_port": 2222})',
        {},
    ),
    "group_data of a role": ('app = db = proxy = ["h1"]', {"app": "ssh_port = 2222"}),
    "group_data of all": ('app = db = proxy = ["h1"]', {"all": "ssh_port = 2222"}),
    "group_data named like the file": (
        'app = db = proxy = ["h1"]',
        {"example": "ssh_port = 2222"},
    ),
    "group_data before the group": (
        'app = db = proxy = (["h1"], {"ssh_port": 22})',
        {"proxy": "ssh_port = 2222"},
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_data_mean_what_they_mean_to_pyinfra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    text, group_data = PLACES[place]
    monkeypatch.chdir(tmp_path)
    path = _written(tmp_path, text, **group_data)
    (host,) = inventory.read(path).hosts
    assert host.data == {"ssh_port": 2222}
    assert host.connection.port == 2222
    assert _of_pyinfra(path)["h1"] == 2222


def _of_pyinfra(path: Path) -> dict[str, int]:
    """The port of each host, by pyinfra's own command."""
    said = subprocess.run(
        [PYINFRA, "--json", str(path), "debug-inventory"],
        cwd=path.parent,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return {host["name"]: host["data"]["ssh_port"] for host in json.loads(said)}


def test_group_data_of_the_current_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inventories").mkdir()
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "app.py").write_text("ssh_user = 'admin'")
    monkeypatch.chdir(tmp_path)
    path = _written(tmp_path / "inventories", 'app = db = proxy = ["h1"]')
    assert inventory.read(path).hosts[0].connection.user == "admin"


def test_what_is_read_again_is_read_anew(tmp_path: Path) -> None:
    for user in ("one", "other"):
        path = _written(tmp_path, 'app = db = proxy = ["h1"]', app=f"ssh_user = {user!r}")
        assert inventory.read(path).hosts[0].connection.user == user


def test_the_command_line_goes_before_everything(tmp_path: Path) -> None:
    path = _written(tmp_path, 'app = db = proxy = [("h1", {"ssh_port": 22})]')
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "app.py").write_text("ssh_user = 'admin'")
    told = CommandLine({"ssh_port": 2222}, [str(tmp_path / "more")])
    (host,) = inventory.read(path, told).hosts
    assert (host.connection.port, host.connection.user) == (2222, "admin")


def test_a_group_named_like_the_file_is_no_role(tmp_path: Path) -> None:
    path = tmp_path / "db.py"
    path.write_text(SITE + 'app = proxy = ["h1"]')
    read = inventory.read(path)
    assert read.hosts[0].roles == ("app", "proxy")
    assert "db: found no host" in str(read.mistakes[0])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ('{"ssh_prot": 22}', "ssh_prot: found an unknown key; write ssh_port"),
        ('{"shh_user": "x"}', "shh_user: found an unknown key; write ssh_user"),
        ('{"_sudo_pasword": "S3cret"}', "_sudo_pasword: found an unknown key; write _sudo_passwor"),
        ('{"privat_address": "10.0.0.1"}', "privat_address: found an unknown key; write private_a"),
        (
            '{"colour": "S3cret"}',
            "colour: found an unknown key; known keys are pyinfra's ssh_… and _sudo… keys, and "
            "private_address, priority; remove it",
        ),
        ('{7: "S3cret"}', "found an unknown key"),
        ('{"ssh_port": "22"}', "ssh_port: found '22' (str); write a whole number, without quotes"),
        ('{"ssh_port": None}', "ssh_port: found None; write a whole number, without quotes, or le"),
        ('{"ssh_port": True}', "ssh_port: found True (bool); write a whole number"),
        ('{"ssh_port": 22.0}', "ssh_port: found 22.0 (float); write a whole number"),
        ('{"ssh_port": 70000}', "ssh_port: found 70000; write a port from 1 to 65535"),
        ('{"ssh_port": 0}', "ssh_port: found 0; write a port from 1 to 65535"),
        (
            '{"ssh_key": __import__("pathlib").Path("k")}',
            "ssh_key: found a value of type PosixPath; wr",
        ),
        ('{"ssh_key": ""}', "ssh_key: found an empty text; write a text"),
        ('{"ssh_user": None}', "ssh_user: found None; write a text"),
        ('{"ssh_user": "-oProxyCommand=x"}', "ssh_user: found '-oProxyCommand=x'; write the name"),
        ('{"ssh_user": "a b"}', "ssh_user: found 'a b'; write the name of a user"),
        ('{"ssh_user": "a;b"}', "ssh_user: found 'a;b'; write the name of a user"),
        ('{"ssh_user": "a\\n"}', "ssh_user: found 'a\\n'; write the name of a user"),
        ('{"ssh_hostname": "-oX=1"}', "ssh_hostname: found '-oX=1'; write the name or the address"),
        ('{"ssh_hostname": "a b"}', "ssh_hostname: found 'a b'; write the name or the address"),
        ('{"ssh_password": 12345}', "ssh_password: found a value of type int; write a text"),
        ('{"_sudo": "yes"}', "_sudo: found a value of type str; write True or False"),
        ('{"_sudo_user": "-i"}', "_sudo_user: found '-i'; write the name of an account"),
        ('{"_su_user": "a b"}', "_su_user: found 'a b'; write the name of an account"),
        ('{"ssh_allow_agent": 1}', "ssh_allow_agent: found 1 (int); write True or False"),
        (
            '{"ssh_strict_host_key_checking": "maybe"}',
            "ssh_strict_host_key_checking: found 'maybe'; write one of yes, accept-new, ask, no",
        ),
        ('{"ssh_strict_host_key_checking": True}', "found True (bool); write a text"),
        ('{"ssh_file_transfer_protocol": "ftp"}', "found 'ftp'; write one of sftp, scp"),
        ('{"ssh_paramiko_connect_kwargs": []}', "found a value of type list; write a dict"),
        ('{"private_address": "10.0.0.300"}', "found '10.0.0.300'; write an IP address"),
        ('{"priority": 0}', "priority: found 0; write a whole number from 1 to 255"),
        ('{"priority": "high"}', "priority: found a value of type str; write a whole number"),
        ('{"priority": None}', "priority: found None; write a whole number"),
        ('{"priority": []}', "priority: found a value of type list; write a whole number"),
        ('{"priority": float("nan")}', "priority: found nan (float); write a whole number"),
        ('{"ssh_connect_retries": -1}', "ssh_connect_retries: found -1; write a whole number from"),
        ('{"ssh_connect_retries": 10**9}', "found 1000000000; write a whole number from 0 to 100"),
        ('{"ssh_connect_retry_min_delay": float("nan")}', "found nan; write a number of seconds "),
        ('{"ssh_connect_retry_max_delay": float("inf")}', "found inf; write a number of seconds "),
        ('{"ssh_connect_retry_max_delay": -0.1}', "found -0.1; write a number of seconds from 0 t"),
        ('{"_timeout": -5}', "_timeout: found -5; write a whole number from 0 to 604800"),
        ('{"_retries": -1}', "_retries: found -1; write a whole number from 0 to 100"),
        ('{"_retry_delay": "5"}', "_retry_delay: found '5'; write a number of seconds from 0 to"),
        ('{"_retry_delay": float("nan")}', "_retry_delay: found nan; write a number of seconds"),
        ('{"_parallel": -1}', "_parallel: found -1; write a whole number from 0 to 1000"),
        ('{"_get_pty": True}', "_get_pty: found a key that can't be used here"),
    ],
)
def test_a_wrong_key_is_a_sentence_without_a_secret(
    tmp_path: Path, data: str, sentence: str
) -> None:
    (mistake,) = _mistakes(tmp_path, f'app = db = proxy = [("h1", {data})]')
    assert mistake.startswith('host "h1"')
    assert sentence in mistake
    assert "S3cret" not in mistake and "12345" not in mistake


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('{"passwrd": "S3cret"}', ".passwrd: found an argument that can't be given here; use ssh"),
        ('{"hostname": "S3cret"}', ".hostname: found an argument that can't be given here; use ss"),
        ('{"password": "S3cret"}', ".password: found an argument that can't be given here; use s"),
        ('{"sock": 5}', ".sock: found an argument that can't be given here; use ProxyJump in ssh"),
        ('{"banner_timeot": 5}', ".banner_timeot: found an argument that can't be given here; wri"),
        ("{5: 5}", "ssh_paramiko_connect_kwargs: found an argument that can't be given here; wr"),
        (
            '{"passphrase": 12345}',
            '.passphrase: found a value that doesn\'t fit; write a text: "…"',
        ),
        ('{"gss_host": ""}', ".gss_host: found a value that doesn't fit; write a text"),
        ('{"compress": "S3cret"}', ".compress: found a value that doesn't fit; write True or Fals"),
        ('{"banner_timeout": -1}', ".banner_timeout: found a value that doesn't fit; write a numb"),
        ('{"auth_timeout": float("nan")}', "write a number of seconds from 0 to 3600"),
        ('{"channel_timeout": None}', "write a number of seconds from 0 to 3600"),
        ('{"disabled_algorithms": ["kex"]}', "write a dict of lists of names, by kind (ciphers,"),
        ('{"disabled_algorithms": {"kx": ["x"]}}', "write a dict of lists of names, by kind"),
        ('{"disabled_algorithms": {"kex": "x"}}', "write a dict of lists of names, by kind"),
        ('{"disabled_algorithms": {"kex": [1]}}', "write a dict of lists of names, by kind"),
    ],
)
def test_a_wrong_argument_of_paramiko_is_a_sentence_without_its_value(
    tmp_path: Path, arguments: str, sentence: str
) -> None:
    data = f'{{"ssh_paramiko_connect_kwargs": {arguments}}}'
    (mistake,) = _mistakes(tmp_path, f'app = db = proxy = [("h1", {data})]')
    assert mistake.startswith('host "h1": ssh_paramiko_connect_kwargs')
    assert sentence in mistake
    assert "S3cret" not in mistake and "12345" not in mistake


@pytest.mark.parametrize("argument", ["gss_auth", "gss_kex"])
def test_gss_api_needs_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    text = f'app = db = proxy = [("h1", {{"ssh_paramiko_connect_kwargs": {{"{argument}": True}}}})]'
    monkeypatch.setattr(connect_arguments, "GSS_AUTH_AVAILABLE", False)
    (mistake,) = _mistakes(tmp_path, text)
    assert "found True, but this Python has no GSS-API; install python-gssapi" in mistake
    monkeypatch.setattr(connect_arguments, "GSS_AUTH_AVAILABLE", True)
    assert _mistakes(tmp_path, text) == []


def test_every_argument_of_paramiko_is_allowed_or_pyinfra_s() -> None:
    objects = {"transport_factory", "auth_strategy"}
    every = set(signature(SSHClient.connect).parameters) - {"self"} - objects
    assert every == {*connect_arguments.ARGUMENTS, *connect_arguments.KEYS}
    assert not {*connect_arguments.ARGUMENTS} & {*connect_arguments.KEYS}


def test_a_number_that_python_writes_not_out_is_a_sentence(tmp_path: Path) -> None:
    text = 'app = db = proxy = ["h1"]'
    for key in ("priority", "ssh_port", "ssh_connect_retry_min_delay"):
        (mistake,) = _mistakes(tmp_path, text, app=f"{key} = 10 ** 5000")
        assert f"{key}: found a number of more than 19 digits; write a" in mistake


@pytest.mark.parametrize("address", ["5", "'x'", "None", "'10.0.0.300'"])
def test_a_mistaken_address_of_a_cluster_is_one_mistake(tmp_path: Path, address: str) -> None:
    hosts = [f'("h{at}", {{"private_address": "10.0.0.{at}"}})' for at in (2, 3)]
    listed = f'[("h1", {{"private_address": {address}}}), {", ".join(hosts)}]'
    (mistake,) = _mistakes(tmp_path, f'etcd = db = {listed}\napp = proxy = ["h1"]')
    assert mistake.startswith('host "h1": private_address: found ')


@pytest.mark.parametrize(
    "data",
    [
        {"ssh_user": "admin", "ssh_port": 2222, "ssh_key": "~/.ssh/id", "ssh_hostname": "fd00::5"},
        {"ssh_user": "DOMAIN\\\\ann.b-c", "ssh_hostname": "fe80::1%eth0"},
        {"ssh_user": "ann@example.com", "ssh_hostname": "bücher.example"},
        {"ssh_password": "x", "ssh_key_password": "y", "ssh_forward_agent": True},
        {"ssh_config_file": "c", "ssh_known_hosts_file": "k", "ssh_connect_retries": 3},
        {"ssh_strict_host_key_checking": "yes", "ssh_connect_retry_min_delay": 1},
        {"ssh_paramiko_connect_kwargs": {"banner_timeout": 5}, "ssh_look_for_keys": False},
        {"ssh_paramiko_connect_kwargs": {"compress": True, "passphrase": "x", "auth_timeout": 2.5}},
        {"ssh_paramiko_connect_kwargs": {"disabled_algorithms": {"pubkeys": ["rsa-sha2-512"]}}},
        {"ssh_connect_retries": 0, "ssh_connect_retry_max_delay": 0, "_retry_delay": 0.5},
        {"_sudo": True, "_sudo_password": "x", "_use_sudo_login": False},
        {"_su_user": "root", "_su_password": "x", "_doas": False, "_shell_executable": "bash"},
        {"_env": {"X": "1"}, "_timeout": 5, "_retries": 1, "_parallel": 0, "_temp_dir": "/x"},
        {"private_address": "10.0.0.5", "priority": 200},
    ],
)
def test_what_pyinfra_knows_is_known(tmp_path: Path, data: dict[str, Any]) -> None:
    assert _mistakes(tmp_path, f'app = db = proxy = [("h1", {data!r})]') == []


def test_all_mistakes_at_once_wherever_they_stand(tmp_path: Path) -> None:
    text = (
        'app = db = proxy = ([("h1", {"ssh_prot": 1})], {"ssh_user": 5})\n'
        'all = (["h1"], {"ssh_key": None})'
    )
    found = _mistakes(tmp_path, text, db="ssh_hostnam = 'x'")
    assert [one.partition(":")[0] for one in found] == [
        'group "all"',
        'group "app"',
        'group "db"',
        'host "h1"',
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('app = db = proxy = "h1"', "app: found a value of type str; write ["),
        ('app = db = proxy = ("h1", "h2")', "app: found a tuple of 2; write ["),
        ('app = db = proxy = (["h1"],)', "app: found a tuple of 1; write ["),
        ('app = db = proxy = {"h1": {}}', "app: found a value of type dict; write ["),
        ("app = db = proxy = 7", "app: found a value of type int; write ["),
        ("app = db = proxy = [7]", 'app[0]: found a value of type int; write "name-of-a-host"'),
        ('app = db = proxy = [["h1"]]', "app[0]: found a value of type list; write"),
        ('app = db = proxy = [("h1",)]', "app[0]: found a tuple of 1; write"),
        ('app = db = proxy = [("h1", {}, 1)]', "app[0]: found a tuple of 3; write"),
        ('app = db = proxy = [("h1", ["x"])]', "app[0]: found a tuple of 2; write"),
        ("app = db = proxy = [(None, {})]", "app[0]: found a tuple of 2; write"),
        ("app = db = proxy = [None]", "app[0]: found nothing; write"),
        ('app = db = proxy = [b"h1"]', "app[0]: found a value of type bytes; write"),
        ('app = db = proxy = [""]', 'host "": found a name that is not the name or address'),
        ('app = db = proxy = ["-oProxyCommand=x"]', 'host "-oProxyCommand=x": found a name that'),
        ('app = db = proxy = ["a b"]', 'host "a b": found a name that is not'),
        ('app = db = proxy = ["root@h1"]', 'host "root@h1": found a name that is not'),
        ('app = db = proxy = ["h1;reboot"]', 'host "h1;reboot": found a name that is not'),
        ('app = db = proxy = ["h1\\n"]', "found a name that is not"),
        ('app = db = proxy = ["@ssh/-oX"]', 'host "@ssh/-oX": found a name that is not'),
        ('app = db = proxy = ["@docker/x"]', 'host "@docker/x": found the connector @docker;'),
        ('app = db = proxy = ["@nowhere"]', 'host "@nowhere": found the connector @nowhere; write'),
        ('app = db = proxy = ["@local/x"]', 'host "@local/x": found the connector @local;'),
    ],
)
def test_lists_of_every_shape(tmp_path: Path, text: str, sentence: str) -> None:
    found = _mistakes(tmp_path, text)
    assert sentence in found[0]
    assert not [one for one in found if "no host" in one], "one mistake brings no other with it"


@pytest.mark.parametrize(
    "host",
    [
        '"root:hunter2@h1"',
        '"ssh://root:hunter2@h1"',
        '"@ssh/root:hunter2@h1"',
        '("h1", {"ssh_hostname": "root:hunter2@h1"})',
        '("h1", {"ssh_user": "root:hunter2@h1"})',
    ],
)
def test_a_password_before_a_host_s_name_is_not_repeated(tmp_path: Path, host: str) -> None:
    found = _mistakes(tmp_path, f"app = db = proxy = [{host}]")
    assert found
    assert "hunter2" not in "".join(found)


def test_an_alias_is_looked_up_where_ssh_would(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host mm\n HostName 192.0.2.7\n")
    data = {"ssh_config_file": str(config)}
    assert SiteHost("mm", (), data).address == "192.0.2.7"
    assert SiteHost("other", (), data).address == "other"
    assert SiteHost("mm", (), {**data, "ssh_hostname": "192.0.2.8"}).address == "192.0.2.8"
    assert SiteHost("@local", (), {}).address == "127.0.0.1"
    assert SiteHost("@ssh/h1", (), {"ssh_hostname": "h1"}).address == "h1"


def test_typed_data() -> None:
    host = SiteHost("h1", (), {"private_address": "10.0.0.5", "priority": 7, "ssh_user": "ann"})
    assert (host.private_address, host.priority) == ("10.0.0.5", 7)
    assert host.connection == Connection(user="ann")
    assert (SiteHost("h1", (), {}).private_address, SiteHost("h1", (), {}).priority) == (None, 100)
