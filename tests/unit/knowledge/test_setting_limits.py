"""Settings of the right type that can't be right: too large, too long, not to be here."""

import pytest
from pydantic import SecretStr

from mattermost_host.knowledge import process_environment
from mattermost_host.knowledge.mattermost_settings import known, mistakes
from mattermost_host.knowledge.user_limits import user_limit

SECRET = "hunter2"


def _said(name: str, value: object) -> list[str]:
    return [str(mistake) for mistake in mistakes({name: value}, "11.7.9")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SqlSettings.MaxOpenConns", 10**9),
        ("SqlSettings.MaxIdleConns", 10**9),
        ("ClusterSettings.GossipPort", 70_000),
        ("LdapSettings.LdapPort", 0),
        ("PasswordSettings.MinimumLength", 4),
        ("PasswordSettings.MinimumLength", 73),
        ("TeamSettings.MaxUsersPerTeam", 0),
        ("TeamSettings.MaxUsersPerTeam", 2**40),
        ("EmailSettings.EmailBatchingInterval", 1),
        ("ServiceSettings.SessionLengthWebInHours", 2**40),
        ("EmailSettings.SMTPPort", "smtp"),
        ("EmailSettings.SMTPPort", "99999"),
        ("EmailSettings.FeedbackEmail", "nobody"),
        ("EmailSettings.FeedbackEmail", "A <a@b.c>"),
        ("SupportSettings.SupportEmail", "a@b@c"),
        ("EmailSettings.ReplyToAddress", "a@b.c,d@e.f"),
        ("TeamSettings.CustomBrandText", "x" * 140_000),
        ("TeamSettings.CustomBrandText", "a\rb"),
        ("TeamSettings.CustomBrandText", "a\0b"),
        ("TeamSettings.CustomBrandText", "a\x1bb"),
        ("TeamSettings.CustomBrandText", "a\ud800b"),
        ("PluginSettings.Plugins", {"p": {"x": "y" * 140_000}}),
        ("SamlSettings.IdpURL", "https://a b"),
    ],
)
def test_a_value_that_cannot_be_right(name: str, value: object) -> None:
    (sentence,) = _said(name, value)
    assert name in sentence
    assert len(sentence) < 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EmailSettings.SMTPPassword", SECRET),
        ("FileSettings.AmazonS3SecretAccessKey", SECRET),
        ("ElasticsearchSettings.ConnectionURL", f"https://elastic:{SECRET}@es.example.com:9200"),
        ("SamlSettings.IdpURL", f"https://u:{SECRET}@x/"),
        ("PluginSettings.Plugins", {"github": {"githuboauthclientsecret": SECRET}}),
        ("PluginSettings.Plugins", {"jira": {"Secret": SECRET}}),
        ("PluginSettings.Plugins", {"p": {"url": f"https://u:{SECRET}@x/"}}),
        ("PluginSettings.Plugins", {"p": {"encryptionkey": SECRET}}),
    ],
)
def test_a_secret_belongs_into_its_file(name: str, value: object) -> None:
    for sentence in _said(name, value):
        assert SECRET not in sentence
        assert "secrets file" in sentence or "release" in sentence
    assert _said(name, value)


def test_the_secrets_file_may_have_them() -> None:
    secret = {"EmailSettings.SMTPPassword": SecretStr(SECRET)}
    assert mistakes(secret, "11.7.9") == []
    assert _said("EmailSettings.SMTPPassword", "") == []


def test_every_number_has_an_end() -> None:
    numbers = [one.name for one in known().values() if one.type_in("11.7.9") == "int"]
    assert len(numbers) > 50
    for name in numbers:
        assert _said(name, 2**62), name


def test_variables_of_the_process() -> None:
    wrong = {"A": "a\rb", "B": "a\0", "C": f"{SECRET}\n", "D": "x" * 140_000, "E-F": SECRET}
    found = [str(one) for one in process_environment.mistakes(wrong)]
    assert len(found) == len(wrong)
    assert SECRET not in "".join(found)
    assert not list(process_environment.mistakes({"NO_PROXY": "localhost,10.0.0.0/8"}))


def test_accounts_without_a_licence() -> None:
    limit = user_limit("11.7.9")
    assert limit is not None
    assert (limit.soft, limit.hard) == (200, 250)
    assert user_limit("10.11.23") is None
