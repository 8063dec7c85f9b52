"""Which roles hosts may have together, where the database is on several of them."""

from pathlib import Path

import pytest

from tests.unit.engine.test_inventory import SITE, _mistakes

THREE = '[("a", {"private_address": "10.0.0.1"}), ("b", {"private_address": "10.0.0.2"}), '
THREE += '("c", {"private_address": "10.0.0.3"})]'
SERVER = '[("s", {"private_address": "10.0.0.9"})]'


def _of(tmp_path: Path, **lists: str) -> list[str]:
    return _mistakes(tmp_path, SITE + "\n".join(f"{name} = {text}" for name, text in lists.items()))


def test_a_database_on_three_hosts_and_a_server_on_its_own(tmp_path: Path) -> None:
    assert _of(tmp_path, etcd=THREE, db=THREE, app=SERVER, proxy=SERVER) == []


def test_the_server_may_share_a_host_with_a_database(tmp_path: Path) -> None:
    one = '[("a", {"private_address": "10.0.0.1"})]'
    assert _of(tmp_path, etcd=THREE, db=THREE, app=one, proxy=one) == []


def test_a_name_that_is_an_address_needs_no_other(tmp_path: Path) -> None:
    hosts = '["10.0.0.1", "10.0.0.2", "fd00::3"]'
    assert _of(tmp_path, etcd=hosts, db=hosts, app='["10.0.0.9"]', proxy='["10.0.0.9"]') == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"etcd": THREE.rpartition(", (")[0] + "]"},
            "etcd: found 2 hosts: a, b; write three or five: a majority has to be left when one "
            "is lost, and an even number survives no more losses than one host less",
        ),
        (
            {"etcd": THREE[:-1] + ', ("s", {"private_address": "10.0.0.9"})]'},
            "etcd: found 4 hosts: a, b, c, s; write three or five: a majority has to be left when "
            "one is lost, and an even number survives no more losses than one host less",
        ),
        (
            {"db": '[("a", {"private_address": "10.0.0.1"})]'},
            "db: found one host, a, together with etcd; write two hosts or more, or leave etcd out",
        ),
        (
            {"app": THREE},
            "hosts: found app and proxy on 4 hosts: a, b, c, s; put one and the same host into "
            "app and proxy; this version deploys only the database on several hosts",
        ),
        (
            {"app": '["s"]', "proxy": '["s"]'},
            'host "s": private_address: found nothing; write the address by which the site\'s '
            'other hosts reach it, such as "10.0.0.5"',
        ),
        (
            {
                "app": '[("s", {"private_address": "10.0.0.2"})]',
                "proxy": '[("s", {"private_address": "10.0.0.2"})]',
            },
            'host "s": private_address: found 10.0.0.2, as for b; write its own address',
        ),
        (
            {
                "app": '[("s", {"private_address": "127.0.0.1"})]',
                "proxy": '[("s", {"private_address": "127.0.0.1"})]',
            },
            'host "s": private_address: found 127.0.0.1; write an address that the other hosts '
            "can reach",
        ),
    ],
)
def test_each_mistake_is_a_sentence(tmp_path: Path, changed: dict[str, str], sentence: str) -> None:
    lists = {"etcd": THREE, "db": THREE, "app": SERVER, "proxy": SERVER, **changed}
    assert _of(tmp_path, **lists) == [sentence]


def test_an_external_database_has_no_etcd(tmp_path: Path) -> None:
    external = 'site = {"url": "https://chat.example.com", "users": 50, '
    external += '"postgres": {"dsn": "postgres://m@db.example.com/m"}}\n'
    text = f"{external}etcd = {THREE}\napp = proxy = {SERVER}"
    assert _mistakes(tmp_path, text) == [
        "etcd: found hosts, together with postgres.dsn; leave one out: etcd is for our database"
    ]


@pytest.mark.parametrize("other", ["H.INVALID", "h.invalid.", "H.invalid."])
def test_a_name_written_two_ways_is_one_host(tmp_path: Path, other: str) -> None:
    hosts = f'["h.invalid", "{other}"]'
    assert _of(tmp_path, app=hosts, db=hosts, proxy=hosts) == [
        f'host "{other}": found the same host as "h.invalid"; write its name one way'
    ]
