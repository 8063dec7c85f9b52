"""What a host says of a server that somebody else installed is understood, and never shown."""

import subprocess

from mattermost_host.ops.foreign import AskForeign, flat
from mattermost_host.ops.foreign_data import AskData
from tests.unit.foreign_examples import CONFIG, foreign, lines

ASK_DATA = AskData("mattermost", "mmuser", 5432, "/opt/mattermost/data", "/var/lib/mattermost/data")


def test_an_installation_by_hand_is_understood() -> None:
    found = AskForeign().parse(lines())
    assert (found.unit, found.user, found.home) == (
        "mattermost.service",
        "mattermost",
        "/opt/mattermost",
    )
    assert (found.version, found.edition, found.enabled) == ("11.7.9", "enterprise", True)
    assert found.setting("FileSettings.MaxFileSize") == 52428800


def test_a_variable_overrides_what_is_stored() -> None:
    found = AskForeign().parse(lines(environment="MM_TEAMSETTINGS_SITENAME=Other=one\0"))
    assert found.setting("TeamSettings.SiteName") == "Other=one"


def test_a_host_without_a_server_is_one() -> None:
    found = AskForeign().parse([])
    assert (found.units, found.unit, found.config) == ((), "", {})


def test_no_secret_is_in_what_is_printed_of_it() -> None:
    shown = repr(foreign())
    assert CONFIG["SqlSettings"]["AtRestEncryptKey"] not in shown
    assert "h%40rd" not in shown


def test_tables_that_are_settings_stay_tables() -> None:
    stored = '{"PluginSettings": {"Plugins": {"a": {"b": 1}}}, "A": {"B": {"C": 2}}}'
    assert flat(stored) == {"PluginSettings.Plugins": {"a": {"b": 1}}, "A.B.C": 2}
    assert flat("no JSON") == flat("[1]") == {}


def test_the_questions_are_shell() -> None:
    for script in (AskForeign().script(), ASK_DATA.script()):
        for shell in ("dash", "bash"):
            done = subprocess.run(
                [shell, "-n"], input=script, text=True, capture_output=True, check=False
            )
            assert (done.returncode, done.stderr) == (0, "")


def test_names_are_quoted_for_shell_and_sql() -> None:
    odd = AskData("o'r $(x)", "r'r", 5432, "/a b", "/var/lib/mattermost/data", "/c d", "/k")
    for part in ("readlink -e '/a b'", "'\"'\"'o'\"'\"''\"'\"'r $(x)", "[ -f '/c d' ]"):
        assert part in odd.script()


def test_what_is_behind_it_is_understood() -> None:
    said = ["server=15.8 (Debian)", "database=mattermost", "owner=mmuser", "encoding=UTF8"]
    said += ["collation=C.UTF-8", "database_mb=9", "superuser=yes", "role=other", "answered=yes"]
    said += ["data_folder=/srv/pg", "access=/srv/pg_hba.conf"]
    said += ["people=3", "folder=/srv/data", "apart=yes", "data_mb=", "odd=/srv/data/link"]
    found = ASK_DATA.parse(said)
    assert (found.server, found.databases, found.superuser) == ("15.8", ("mattermost",), True)
    assert (found.people, found.posts, found.data_mb) == (3, -1, -1)
    assert (found.data_folder, found.access) == ("/srv/pg", "/srv/pg_hba.conf")
    assert (found.apart, found.mounted, found.odd) == (True, False, ("/srv/data/link",))
