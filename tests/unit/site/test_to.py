"""A release that the command line names."""

import pytest

from mattermost_host.site.to import To, what_to_write
from mattermost_host.support.errors import OperatorError

TO = To("11.7.9")


def test_it_takes_the_place_of_what_is_stated() -> None:
    release = {"version": "10.11.23", "sha256": "ab", "mirror": "https://m.example.com"}
    site = {"users": 5, "mattermost": {"log_days": 7, "release": release}}
    assert TO.restated(site) == {
        "users": 5,
        "mattermost": {
            "log_days": 7,
            "release": {"version": "11.7.9", "mirror": "https://m.example.com"},
        },
    }
    assert release["sha256"] == "ab", "what was read stays as it is"
    digest = To("11.7.9", "cd").restated(site)["mattermost"]["release"]["sha256"]
    assert digest == "cd"


@pytest.mark.parametrize("site", [{}, {"mattermost": {}}, {"mattermost": "x"}])
def test_nothing_needs_to_be_stated(site: dict[str, object]) -> None:
    assert TO.restated(site)["mattermost"]["release"] == {"version": "11.7.9"}


def test_the_digest_of_the_same_release_stays() -> None:
    site = {"mattermost": {"release": {"version": "11.7.9", "sha256": "ab"}}}
    assert TO.restated(site) == site


def test_a_file_is_one_release() -> None:
    with pytest.raises(OperatorError, match="state the file of the new release there"):
        TO.restated({"mattermost": {"release": {"file": "/x.tar.gz"}}})


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (None, "nothing is to be written"),
        ("11.7.9", "states this release already"),
        ("10.11.23", 'Write there: "mattermost": {"release": {"version": "11.7.9"}}'),
    ],
)
def test_the_operator_reads_what_to_write(stated: str | None, said: str) -> None:
    assert said in what_to_write(stated, TO)
