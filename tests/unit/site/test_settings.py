"""Wrong types and values of every key: a sentence that names it and shows no secret."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from mattermost_host.site.settings import Description, describe
from tests.unit.examples import mistakes_of

SECRET = "hunter2-correct-horse"
ODD: tuple[Any, ...] = (
    SECRET,
    f"postgres://u:{SECRET}@h/d",
    [SECRET],
    {"key": SECRET},
    {SECRET: 1},
    (SECRET,),
    SECRET.encode(),
    [[f"x {SECRET}"]],
    {"a": {"b": [SECRET]}},
    f"{SECRET}\n",
)


def _keys(model: type[BaseModel] = Description, prefix: tuple[str, ...] = ()) -> Iterator[Any]:
    for name, field in model.model_fields.items():
        yield (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, (*prefix, name))


KEYS = tuple(_keys())


def _said(path: tuple[str, ...], value: object) -> list[str]:
    for part in reversed(path):
        value = {part: value}
    assert isinstance(value, dict)
    _, mistakes = describe({"url": "https://chat.example.com", "users": 50, **value})
    return [str(mistake) for mistake in mistakes]


@pytest.mark.parametrize("path", KEYS, ids=".".join)
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_no_sentence_shows_what_may_be_a_secret(path: tuple[str, ...], value: object) -> None:
    for sentence in _said(path, value):
        found = sentence.partition(": found ")[2]
        if f"'{SECRET}'" not in found:  # a word in the place of a number is shown
            assert SECRET not in found


@pytest.mark.parametrize(
    "path",
    [("url",), ("postgres",), ("postgres", "dsn"), ("mattermost", "settings"), ("tls", "directory"),
     ("mattermost", "environment"), ("mattermost", "release", "mirror"), ("drift", "mail"),
     ("mattermost", "release"), ("drift", "mail", "server"), ("drift", "mail", "username"),
     ("mattermost",), ("mattermost", "licence"), ("skip",)],
    ids=".".join,
)  # fmt: skip
def test_not_even_a_word_where_a_secret_may_stand(path: tuple[str, ...]) -> None:
    for value in (*ODD, 12345, 1.5, b"12345"):
        for sentence in _said(path, value):
            found = sentence.partition(": found ")[2]
            assert SECRET not in found
            assert "12345" not in found or not isinstance(value, int)


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("users",), True, "True"),
        (("users",), "200", "'200'"),
        (("users",), 10**9, "1000000000"),
        (("users",), 1.0, "1.0"),
        (("users",), None, "None"),
        (("firewall", "ssh_port"), "22", "'22'"),
        (("firewall", "enabled"), 1, "1"),
        (("firewall", "enabled"), "yes", "'yes'"),
        (("firewall", "ssh_port"), 65536, "65536"),
        (("firewall", "ssh_port"), 0, "0"),
        (("drift", "mail", "port"), 65536, "65536"),
        (("drift", "mail", "port"), 0, "0"),
        (("mattermost", "log_days"), 10**9, "1000000000"),
        (("postgres", "version"), 99, "99"),
        (("postgres", "dsn"), 5432, "a number"),
        (("postgres",), "postgres://u:p@h/d", "a text"),
        (("mattermost", "settings"), ["x"], "a list"),
    ],
)
def test_a_value_of_the_wrong_type(path: tuple[str, ...], value: object, found: str) -> None:
    (sentence,) = _said(path, value)
    assert sentence.startswith(f"{'.'.join(path)}: found {found};")


@pytest.mark.parametrize("path", [("firewall", "ssh_port"), ("drift", "mail", "port")])
def test_every_port_there_is_can_be_stated(path: tuple[str, ...]) -> None:
    assert _said(path, 1) == _said(path, 65535) == []


def test_a_key_that_is_no_text_is_named_by_its_type_or_in_ascii() -> None:
    odd: dict[Any, Any] = {1: 2, "\udcff": 3}
    _, mistakes = describe({"url": "https://chat.example.com", "users": 50, **odd})
    assert [str(mistake) for mistake in mistakes] == [
        "site: found a key of the type int; keys must be strings",
        "site: found the key '\\udcff', which no file can hold; keys must be strings",
    ]


def test_the_url_is_the_one_that_browsers_send() -> None:
    settings, mistakes = describe({"url": "https://Chat.Example.com:443", "users": 50})
    assert not mistakes
    assert (settings.url, settings.name) == ("https://chat.example.com", "chat.example.com")
    settings, _ = describe({"url": "https://[FD00::1]:8443", "users": 50})
    assert (settings.name, settings.authority) == ("fd00::1", "[fd00::1]:8443")


@pytest.mark.parametrize("key", ["tls.mode", "users", "postgres.pgdg", "file_use"])
@pytest.mark.parametrize(
    "secret",
    [
        "s3cret-Hunter2",
        "hunter2",
        "aB3dE5fG7hJ9",
        "correcthorsebatterystaple",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_a_secret_in_a_line_of_no_secret_is_not_repeated(key: str, secret: str) -> None:
    table, _, last = key.rpartition(".")
    found = mistakes_of(**({table: {last: secret}} if table else {last: secret}))
    assert found
    assert not [one for one in found if secret in one]


@pytest.mark.parametrize("word", ["internal_ca", "let's encrypt", "Files", "acme2"])
def test_a_word_is_repeated_where_it_looks_like_one(word: str) -> None:
    (found,) = mistakes_of(tls={"mode": word})
    assert (repr(word) in found) == (word in ("internal_ca", "Files"))
