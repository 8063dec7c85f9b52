"""Settings that keep release 11 from starting."""

import pytest
from pydantic import SecretStr

from tests.unit.knowledge.sentences import sentence, sentences


def test_a_mysql_driver_is_shown_the_way_to_postgresql() -> None:
    assert sentence("SqlSettings.DriverName", "mysql") == (
        "found 'mysql'; release 11 runs on PostgreSQL only, and 10.11 was the last extended "
        "support release with MySQL: stay on 10.11, move the database to PostgreSQL with the "
        "vendor's migration-assist and pgloader, and deploy release 11 then"
    )
    assert "remove it: the database is PostgreSQL" in sentence(
        "SqlSettings.DriverName", "mysql", "10.11.23"
    )


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        (
            "TeamSettings.ExperimentalViewArchivedChannels",
            False,
            "archived channels can always be viewed since 11.0: remove it or write True",
        ),
        (
            "ExperimentalSettings.ClientSideCertEnable",
            True,
            "the log-in by certificate is gone since 11.0: remove it; NGINX can still ask for "
            "client certificates",
        ),
        ("SqlSettings.MaxOpenConns", 0, "it needs 1 or more"),
        ("SqlSettings.MaxIdleConns", -1, "it needs 1 or more"),
        ("SqlSettings.QueryTimeout", 0, "it needs 1 or more"),
        ("FileSettings.AmazonS3PathPrefix", "files ", "remove the spaces at its ends"),
        (
            "FileSettings.DriverName",
            "azureblob",
            "it needs `local` or `amazons3`; `azureblob` comes with release 11.9",
        ),
        (
            "EmailSettings.ConnectionSecurity",
            "SSL",
            'it needs "", "TLS" or "STARTTLS"',
        ),
        (
            "LdapSettings.ConnectionSecurity",
            "ldaps",
            'it needs "", "TLS" or "STARTTLS"',
        ),
    ],
)
def test_a_value_that_stops_the_server(name: str, value: object, needed: str) -> None:
    assert sentence(name, value) == f"found {value!r}; {needed}"


@pytest.mark.parametrize("name", ["FileSettings.PublicLinkSalt", "SqlSettings.AtRestEncryptKey"])
def test_short_salts_and_keys(name: str) -> None:
    assert "it needs 32 characters or more" in sentence(name, SecretStr("x" * 31))
    assert sentences({name: SecretStr("x" * 32)}) == []
    assert sentences({name: SecretStr("")}) == []


def test_azure_from_11_9_on() -> None:
    assert sentences({"FileSettings.DriverName": "azureblob"}, "11.9.1") == []
    assert sentence("FileSettings.DriverName", "ftp", "11.9.1") == (
        "found 'ftp'; it needs `local`, `amazons3` or `azureblob`"
    )


def test_batched_mail_in_a_cluster() -> None:
    both: dict[str, object] = {
        "ClusterSettings.Enable": True,
        "EmailSettings.EnableEmailBatching": True,
    }
    assert sentences(both) == [
        'mattermost.settings."EmailSettings.EnableEmailBatching": found True; a cluster cannot '
        "batch its mail: write False, or switch ClusterSettings.Enable off"
    ]
    assert sentences({"EmailSettings.EnableEmailBatching": True}) == []


@pytest.mark.parametrize(
    "name", ["EmailSettings.EnableEmailBatching", "ServiceSettings.AllowCookiesForSubdomains"]
)
def test_what_needs_the_sites_url(name: str) -> None:
    assert "need" in "".join(sentences({name: True}, url=""))
    assert sentences({name: True}, url="https://chat.example.com") == []
    assert sentences({name: False}, url="") == []
    assert sentences({name: True}, url=None) == []


def test_redis_needs_an_address_and_a_database_because_its_defaults_stop_the_server() -> None:
    assert sentences({"CacheSettings.CacheType": "redis"}) == [
        'mattermost.settings."CacheSettings.RedisAddress": found nothing; CacheSettings.CacheType '
        "is redis: write its address, `host:6379`",
        'mattermost.settings."CacheSettings.RedisDB": found nothing; CacheSettings.CacheType is '
        "redis, and the default of -1 stops the server: write 0",
    ]
    complete = {
        "CacheSettings.CacheType": "redis",
        "CacheSettings.RedisAddress": "redis:6379",
        "CacheSettings.RedisDB": 0,
    }
    assert sentences(dict(complete)) == []
    assert len(sentences(complete | {"CacheSettings.RedisDB": "0"})) == 1


def test_release_10_is_not_judged_by_the_rules_of_11() -> None:
    assert sentences({"TeamSettings.ExperimentalViewArchivedChannels": False}, "10.11.23") == []
