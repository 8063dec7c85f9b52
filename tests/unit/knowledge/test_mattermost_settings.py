"""Mattermost's settings: names, types, secrets, start blockers."""

import json
import time

import pytest
from pydantic import SecretStr

from mattermost_host.knowledge import mattermost_settings as settings
from mattermost_host.knowledge.setting_values import WANTED
from tests.unit.knowledge.sentences import ELEVEN, sentence, sentences


def test_the_table_is_complete_and_typed() -> None:
    known = settings.known()
    assert sum(setting.in_5 is not None for setting in known.values()) > 500
    assert sum(setting.in_11 is not None for setting in known.values()) > 620
    kinds = {kind for setting in known.values() for kind in (setting.in_5, setting.in_11)}
    assert kinds == {*WANTED, None}


def test_environment_names() -> None:
    assert settings.environment_name("ServiceSettings.SiteURL") == "MM_SERVICESETTINGS_SITEURL"
    assert (
        settings.environment_name("MessageExportSettings.GlobalRelaySettings.SMTPPassword")
        == "MM_MESSAGEEXPORTSETTINGS_GLOBALRELAYSETTINGS_SMTPPASSWORD"
    )


def test_no_two_settings_of_one_release_share_a_variable() -> None:
    for release in ("5.37.0", ELEVEN):
        names = [each.name for each in settings.known().values() if each.type_in(release)]
        assert len({settings.environment_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EmailSettings.SMTPServer", "smtp.example.com"),
        ("EmailSettings.SMTPPort", "587"),
        ("EmailSettings.SendEmailNotifications", True),
        ("TeamSettings.MaxUsersPerTeam", 5_000),
        ("ServiceSettings.TLSOverwriteCiphers", ["TLS_AES_128_GCM_SHA256"]),
        ("PluginSettings.Plugins", {"com.mattermost.calls": {"udpserverport": 8443}}),
        ("LogSettings.AdvancedLoggingJSON", {"console": {"type": "console", "options": {}}}),
        ("FeatureFlags.CJKSearch", True),
        ("FeatureFlags.SomethingNewer", "on"),
        ("SqlSettings.AnalyticsQueryTimeout", 300),
    ],
)
def test_documented_settings_are_taken(name: str, value: object) -> None:
    assert sentences({name: value}) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("EmailSettings.SMTPPort", 587, "found 587; it needs a string in quotes"),
        (
            "TeamSettings.MaxUsersPerTeam",
            "many",
            "found 'many'; it needs a whole number, without quotes",
        ),
        (
            "TeamSettings.MaxUsersPerTeam",
            True,
            "found True; it needs a whole number, without quotes",
        ),
        (
            "TeamSettings.MaxUsersPerTeam",
            2**63,
            "found 9223372036854775808; it needs a whole number, without quotes",
        ),
        (
            "EmailSettings.SendEmailNotifications",
            "yes",
            "found 'yes'; it needs True or False",
        ),
        ("EmailSettings.SendEmailNotifications", 1, "found 1; it needs True or False"),
        (
            "ThemeSettings.AllowedThemes",
            "one two",
            "found 'one two'; it needs a list of strings without spaces",
        ),
        (
            "ThemeSettings.AllowedThemes",
            ["one two"],
            "found ['one two']; it needs a list of strings without spaces",
        ),
        (
            "PluginSettings.Plugins",
            {"x": {1, 2}},
            "found a value that is not shown; it needs a table with strings as keys",
        ),
        (
            "TeamSettings.SiteName",
            "one\nMM_SQLSETTINGS_TRACE=true",
            "found 'one\\nMM_SQLSETTINGS_TRACE=true'; it needs a text without line breaks and NUL "
            "characters",
        ),
        (
            "TeamSettings.SiteName",
            "a\0b",
            "found 'a\\x00b'; it needs a text without line breaks and NUL characters",
        ),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object, expected: str) -> None:
    assert sentence(name, value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "EmailSettings.SMTPServr",
            "no known release of Mattermost has this setting: "
            "did you mean `EmailSettings.SMTPServer`?",
        ),
        (
            "emailsettings.smtpserver",
            "no known release of Mattermost has this setting: "
            "did you mean `EmailSettings.SMTPServer`?",
        ),
        (
            "MM_EMAILSETTINGS_SMTPSERVER",
            "no known release of Mattermost has this setting: "
            "did you mean `EmailSettings.SMTPServer`?",
        ),
        (
            "SMTPServer",
            "no known release of Mattermost has this setting: "
            "did you mean `EmailSettings.SMTPServer`?",
        ),
        (
            "Nonsense.AtAll",
            "no known release of Mattermost has this setting: remove it; "
            "a setting newer than the table can "
            "be set in the System Console",
        ),
        (
            "ElasticsearchSettings.ConnectionUrl",
            "release 5.37 had this setting, but release 11.7.9 does not: did you mean "
            "`ElasticsearchSettings.ConnectionURL`?",
        ),
        (
            "BleveSettings.IndexDir",
            "release 5.37 had this setting, but release 11.7.9 does not: remove it",
        ),
        (
            "PluginSettings.Plugins.com.mattermost.calls.udpserverport",
            'write `"PluginSettings.Plugins": {"id of the plugin": {"its key": its value}}`',
        ),
    ],
)
def test_an_unknown_name_is_refused_with_what_comes_closest(name: str, expected: str) -> None:
    # The value may be a secret that stands behind a misspelt name.
    found = "'x'" if name in settings.known() else "an unknown name"
    assert sentence(name, "x") == f"found {found}; {expected}"


def test_a_setting_of_a_later_release_says_so() -> None:
    assert sentence("CacheSettings.CacheType", "lru", "5.37.0") == (
        "found 'lru'; release 11 has this setting, but release 5.37.0 does not: remove it"
    )
    assert sentence("FileSettings.AzureContainer", "files", "11.7.9") == (
        "found 'files'; release 11.9 has this setting, but release 11.7.9 does not: remove it"
    )
    assert sentences({"FileSettings.AzureContainer": "files"}, "11.9.1") == []


def test_releases_between_the_two_that_were_read_take_either() -> None:
    either = {"BleveSettings.EnableIndexing": True, "CacheSettings.CacheType": "lru"}
    assert sentences(dict(either), "9.11.1") == []


def test_all_mistakes_come_at_once_and_under_the_callers_path() -> None:
    wrong = {"EmailSettings.SMTPServr": "x", "EmailSettings.SMTPPort": 25, "LdapSettings.No": 1}
    found = settings.mistakes(wrong, ELEVEN, path="settings")
    assert [mistake.path for mistake in found] == [f'settings."{name}"' for name in wrong]


# What belongs to others


def test_every_owned_setting_exists_and_names_its_place() -> None:
    for name, place in settings.OWNED.items():
        assert name in settings.known()
        assert sentence(name, "x").endswith(f"remove it: {place}")


def test_lists_of_tables_cannot_go_through_the_environment() -> None:
    assert sentence("SqlSettings.ReplicaLagSettings", []) == (
        "found a value that is not shown; remove it and set it in the System Console: the "
        "environment cannot carry it"
    )


# Secrets


def test_the_secret_names_of_the_table_are_these_and_no_others() -> None:
    assert {name for name in settings.known() if settings.is_secret(name)} == {
        "AutoTranslationSettings.LibreTranslate.APIKey",
        "CacheSettings.RedisPassword",
        "ElasticsearchSettings.Password",
        "EmailSettings.SMTPPassword",
        "FileSettings.AmazonS3SecretAccessKey",
        "FileSettings.AzureAccessKey",
        "FileSettings.ExportAmazonS3SecretAccessKey",
        "FileSettings.PublicLinkSalt",
        "GitLabSettings.Secret",
        "GoogleSettings.Secret",
        "ImageProxySettings.RemoteImageProxyOptions",
        "LdapSettings.BindPassword",
        "MessageExportSettings.GlobalRelaySettings.SMTPPassword",
        "MessageExportSettings.GlobalRelaySettings.SmtpPassword",
        "Office365Settings.Secret",
        "OpenIdSettings.Secret",
        "ServiceSettings.GfycatApiKey",
        "ServiceSettings.GfycatApiSecret",
        "ServiceSettings.GiphySdkKey",
        "ServiceSettings.GoogleDeveloperKey",
        "ServiceSettings.ImageProxyOptions",
        "ServiceSettings.SplitKey",
        "SqlSettings.AtRestEncryptKey",
        "SqlSettings.DataSource",
        "SqlSettings.DataSourceReplicas",
        "SqlSettings.DataSourceSearchReplicas",
        "SqlSettings.ReplicaLagSettings",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"EmailSettings.SMTPPassword": "hunter\n2"},
        {"EmailSettings.SMTPPasword": "hunter2"},
        {"SqlSettings.AtRestEncryptKey": "hunter2"},
        {"SqlSettings.DataSource": "postgres://u:hunter2@h/d"},
        {"TeamSettings.MaxUsersPerTeam": SecretStr("hunter2")},
        {"PluginSettings.Plugins": {"p": {"token": {"hunter2"}}}},
        {"SqlSettings.DataSourceReplicas": ["postgres://u:hunter2 @h/d"]},
    ],
)
def test_no_secret_is_ever_shown(values: dict[str, object]) -> None:
    found = sentences(values)
    assert found
    assert "hunter" not in "".join(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EmailSettings.SMTPPassword", "s3cret"),
        ("TeamSettings.MaxUsersPerTeam", "50"),
        ("EmailSettings.EnableSMTPAuth", "true"),
        ("SqlSettings.DataSourceReplicas", "postgres://a/b postgres://c/d"),
        ("PluginSettings.Plugins", '{"p": {"token": "s3cret"}}'),
    ],
)
def test_texts_of_the_secrets_file_stand_for_every_type(name: str, text: str) -> None:
    assert sentences({name: SecretStr(text)}) == []


@pytest.mark.parametrize(
    ("name", "text", "needed"),
    [
        ("TeamSettings.MaxUsersPerTeam", "5O", WANTED["int"]),
        ("EmailSettings.EnableSMTPAuth", "yes", WANTED["bool"]),
        ("PluginSettings.Plugins", "{", WANTED["map"]),
        ("PluginSettings.Plugins", json.dumps([1]), WANTED["map"]),
        ("SqlSettings.DataSourceReplicas", "a  b", WANTED["list"]),
    ],
)
def test_and_are_refused_where_they_do_not(name: str, text: str, needed: str) -> None:
    assert sentence(name, SecretStr(text)) == f"found a value that is not shown; {needed}"


def test_many_unknown_names_take_no_time() -> None:
    """As when somebody pastes another program's settings; it took 20 ms for each."""
    wrong = {f"ServiceSettings.SiteURL{number}": "x" for number in range(300)}
    began = time.process_time()
    found = settings.mistakes(wrong, ELEVEN, settled=False)
    assert time.process_time() - began < 2
    assert len(found) == 300
    assert all("did you mean `ServiceSettings.SiteURL`?" in str(one) for one in found[:100])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EmailSettings.SMTPSever", "EmailSettings.SMTPServer"),
        ("EmailSetting.SMTPServer", "EmailSettings.SMTPServer"),
        ("SMTPServr", "EmailSettings.SMTPServer"),
        ("emailsettings.smtpserver", "EmailSettings.SMTPServer"),
        ("EmailSettings_SMTPServer", "EmailSettings.SMTPServer"),
        ("MM_EMAILSETTINGS_SMTPSERVR", "EmailSettings.SMTPServer"),
        ("TeamSettings.MaxUserPerTeam", "TeamSettings.MaxUsersPerTeam"),
        ("ServiceSettings.EnableBotAccountCreaton", "ServiceSettings.EnableBotAccountCreation"),
    ],
)
def test_the_name_that_was_meant(name: str, meant: str) -> None:
    (found,) = settings.mistakes({name: "x"}, ELEVEN)
    assert f"did you mean `{meant}`?" in str(found)


def test_a_name_as_long_as_a_file_is_compared_with_nothing() -> None:
    (found,) = settings.mistakes({"x" * 1_000_000: "x"}, ELEVEN)
    assert "did you mean" not in str(found)
