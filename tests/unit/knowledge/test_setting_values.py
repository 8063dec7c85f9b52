"""The text that the server reads for each kind of value."""

import pytest
from pydantic import SecretStr

from mattermost_host.knowledge.setting_values import environment_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (587, "587"),
        (-1, "-1"),
        ("", ""),
        ("smtp.example.com", "smtp.example.com"),
        (["a", "b"], "a b"),
        ([], ""),
        ({"b": {"Enable": True}, "a": 'é"'}, '{"a":"\\u00e9\\"","b":{"Enable":true}}'),
        (SecretStr("s3cret"), "s3cret"),
    ],
)
def test_values_as_the_server_reads_them(value: object, text: str) -> None:
    assert environment_value(value) == text


def test_a_type_that_no_setting_has_is_an_error_of_ours() -> None:
    with pytest.raises(TypeError, match="no setting is a float"):
        environment_value(1.5)
