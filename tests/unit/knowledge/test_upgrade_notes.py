"""What lies between two releases."""

from mattermost_host.knowledge import upgrade_notes
from mattermost_host.knowledge.releases import numbers


def test_only_what_lies_between_is_told() -> None:
    texts = [note.line for note in upgrade_notes.between("10.11.20", "11.7.9")]
    assert set(texts) == {"11.0", "11.3", "11.4", "11.7"}
    assert list(upgrade_notes.between("11.7.1", "11.7.9")) == []
    assert list(upgrade_notes.between("11.7.9", "10.11.20")) == []


def test_migrations_and_the_tables_that_they_write_anew() -> None:
    assert [one.line for one in upgrade_notes.migrations("5.37.10", "11.7.9")] == ["6.0", "11.0"]
    assert [one.rewrites for one in upgrade_notes.migrations("5.37.10", "11.7.9")] == [True, False]
    assert upgrade_notes.migrations("11.7.9", "11.7.10") == []


def test_the_tables_are_in_order() -> None:
    for table in (upgrade_notes.NOTES, upgrade_notes.MIGRATIONS):
        lines = [numbers(row.line) for row in table]
        assert lines == sorted(lines)
