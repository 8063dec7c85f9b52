"""The names that `uninstall --delete` knows."""

import pytest

from mattermost_host.site.deletion import mistakes
from mattermost_host.site.settings import describe
from tests.unit.examples import URL

DSN = "postgres://mattermost@db.example.com:5432/mattermost"


@pytest.mark.parametrize(
    ("names", "inventory", "said"),
    [
        (("database", "files"), {}, []),
        (("backups",), {"backup": {"to": "/srv/backup"}}, []),
        ((), {}, ["--delete: found nothing; what is to be deleted, with commas: "]),
        (
            ("uploads", "backups", "database", "Files"),
            {"postgres": {"dsn": DSN}},
            [
                '--delete: found "uploads"; one of database, files, backups',
                '--delete: found "Files"; one of database, files, backups',
                '--delete: found "backups", and the inventory has no backup.to; an inventory with',
                '--delete: found "database", and postgres.dsn is on another host; delete an ext',
            ],
        ),
    ],
)
def test_all_wrong_names_are_said_at_once(
    names: tuple[str, ...], inventory: dict[str, object], said: list[str]
) -> None:
    settings, _ = describe({"url": URL, "users": 500, **inventory})
    found = [str(one) for one in mistakes(names, settings)]
    assert [text[: len(begin)] for text, begin in zip(found, said, strict=True)] == said


def test_backups_elsewhere_are_not_deleted() -> None:
    place = {"to": "s3://backups/chat", "endpoint": "https://s3.example.com"}
    settings, _ = describe({"url": URL, "users": 50, "backup": place})
    (found,) = mistakes(["backups"], settings)
    assert "they are at s3://backups/chat; delete them there yourself" in str(found)
