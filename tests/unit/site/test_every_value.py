"""Every documented key with every kind of value, and hosts in every shape: a sentence each.

hypothesis chooses the values; the same ones at each run.
"""

import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from mattermost_host.facts.place import Place
from mattermost_host.site import rules
from mattermost_host.site.about import about
from mattermost_host.site.settings import Description, describe
from mattermost_host.support.errors import Mistake

RIGHT = {"url": "https://chat.example.com", "users": 50}
SECRET = "hunter2-hunter2"
LONGEST = 2_000  # characters of a sentence that somebody reads


class Odd:
    """An object that no key takes, that shows a secret where it is printed, and can't be copied."""

    def __repr__(self) -> str:
        return SECRET

    def __copy__(self) -> "Odd":
        raise TypeError(SECRET)


def _keys(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*prefix, name)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _keys(kind, (*prefix, name))


KEYS = sorted(set(_keys(Description)))
NAMED_TEXTS = [
    "",
    "\0",
    "a\rb",
    "a\nb",
    "x" * 140_000,
    "https://[",
    "https://chat.example.com:99999",
    f"https://user:{SECRET}@chat.example.com",
    f"postgres://user:{SECRET}@[x/db",
    f"postgres://user:{SECRET}@db:port/db",
    f"user:{SECRET}@tcp(db:3306)/mattermost",
    "-oProxyCommand=true",
    "$host;{}",
    "\ud800",
    "/",
    "/dev/null/x",
]
TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(NAMED_TEXTS))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    TEXTS,
    st.binary(max_size=10),
    st.sampled_from([Odd(), Odd, Path("/x"), {1}, {1: 2}, {None: None}, (), range(3), len]),
)
VALUES = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.one_of(st.text(max_size=10), st.integers()), inner, max_size=2),
    ),
    max_leaves=4,
)


def site_with(key: tuple[str, ...], value: Any) -> dict[str, Any]:
    site: dict[str, Any] = dict(RIGHT)
    place = site
    for part in key[:-1]:
        place = place.setdefault(part, {})
    place[key[-1]] = value
    return site


def mistakes_of(site: dict[str, Any]) -> list[Mistake]:
    described, found = describe(site)
    place = Place(about(described, Path("/nowhere/chat.py")))
    return [*found, *rules.mistakes(described, place)]


NAMED_VALUES = [
    *NAMED_TEXTS,
    *("\u202eabc", "a\u200fb", "\x1b[31m", "a\u2028b", "\ufeff", " ", "k" * 5000),
    *(math.nan, -math.inf, 1e308, 2**63, -(2**63), 1j, Decimal("NaN"), ...),
    *(Odd(), Odd, len, math, range(3), memoryview(b"x"), bytearray(b"x"), iter([1])),
    *(Path("/x"), datetime(2026, 1, 1), date(2026, 1, 1), SecretStr(SECRET), MappingProxyType({})),
    *([None], [[[]]], ["\ud800"], ["x"] * 500, {1: 1}, {None: 1}, {b"a": 1}, {math.nan: 1}),
    *({(1, 2): 1}, {"\ud800": 1}, {"": SECRET}, {"a\nb": 1}, {"k" * 5000: SECRET}, {"a.b": {}}),
]
"""Each is tried at each key; hypothesis finds others."""


@pytest.mark.parametrize("key", KEYS, ids=".".join)
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(value=VALUES)
def test_a_key_takes_a_value_or_says_its_name(key: tuple[str, ...], value: Any) -> None:
    _judge(key, value)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_a_key_takes_each_odd_value_or_says_its_name(key: tuple[str, ...]) -> None:
    for value in NAMED_VALUES:
        _judge(key, value)


def _judge(key: tuple[str, ...], value: Any) -> None:
    for mistake in mistakes_of(site_with(key, value)):
        sentence = str(mistake)
        assert mistake.path.partition(".")[0].strip("'\"") in {key[0], "url", "tls", "mattermost"}
        assert SECRET not in sentence
        assert len(sentence) < LONGEST
        assert sentence.isprintable(), ascii(sentence)


@pytest.mark.parametrize("key", KEYS, ids=".".join)
@pytest.mark.parametrize("value", [Odd(), len, object], ids=["object", "function", "class"])
def test_what_no_key_takes_is_refused_with_its_name(key: tuple[str, ...], value: Any) -> None:
    found = [mistake.path for mistake in mistakes_of(site_with(key, value))]
    assert any(path.startswith(".".join(key)) for path in found), found


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**9, True, "50", 50.0])
def test_a_number_of_users_is_a_number_of_users(value: Any) -> None:
    assert [mistake.path for mistake in mistakes_of({**RIGHT, "users": value})] == ["users"]
