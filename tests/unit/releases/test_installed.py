"""Which release a host runs, whatever became of its link."""

import pytest

from mattermost_host.releases.installed import Installed, installed, meaning_of_move

OLD, NEW = "10.11.0-0123abcd", "11.7.9-a22e631a"


@pytest.mark.parametrize(
    ("current", "noted", "folders", "version"),
    [
        ("", "", [], None),
        (f"releases/{OLD}", "", [OLD, NEW], "10.11.0"),
        (f"/opt/mattermost/releases/{OLD}", "", [OLD, NEW], "10.11.0"),
        (f"releases/{OLD}/", NEW, [OLD, NEW], "10.11.0"),
        ("releases/10.11.0", "", ["10.11.0", NEW], "10.11.0"),
        ("releases/10.11.0-team", "", ["10.11.0-team", NEW], "10.11.0"),
        # The link is lost, foreign, or leads to what is not there: what was noted counts.
        ("", OLD, [OLD, NEW], "10.11.0"),
        ("/srv/mattermost", OLD, [OLD, NEW], "10.11.0"),
        ("releases/11.8.0", OLD, [OLD, NEW], "10.11.0"),
        ("releases/../../etc", OLD, [OLD, NEW], "10.11.0"),
        # Both are lost.
        ("", "", [OLD], "10.11.0"),
        ("", "", [OLD, "by-hand"], "10.11.0"),
        ("", "", [OLD, NEW], None),
        ("releases/by-hand", "", ["by-hand"], None),
    ],
)
def test_the_release_of_a_host(
    current: str, noted: str, folders: list[str], version: str | None
) -> None:
    found = installed(current, noted, folders)
    assert (found.version if found else None) == version


@pytest.mark.parametrize(
    ("before", "wanted", "said"),
    [
        (OLD, NEW, "an UPGRADE to 11.7.9. The server restarts and migrates its database"),
        (NEW, OLD, "10.11.0 is older: a DOWNGRADE"),
        (NEW, "11.7.9-ffffffff", "11.7.9-ffffffff is another build of it"),
    ],
)
def test_what_a_move_means(before: str, wanted: str, said: str) -> None:
    one, other = Installed.parse(before), Installed.parse(wanted)
    assert one
    assert other
    assert said in meaning_of_move(one, other)


def test_a_build_is_known_by_its_digest() -> None:
    found = Installed.parse(OLD)
    assert found
    assert found.may_be_of("0123abcd" + "0" * 56)
    assert not found.may_be_of("f" * 64)
    unnamed = Installed.parse("10.11.0")
    assert unnamed
    assert unnamed.may_be_of("f" * 64)
