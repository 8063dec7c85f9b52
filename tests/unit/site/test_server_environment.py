"""The variables of the server's process."""

import pytest
from pydantic import SecretStr

from mattermost_host.components.mattermost import Settings
from mattermost_host.site.server_environment import variables
from tests.unit.examples import URL

SMTP_PASSWORD = "mail-hunter-3"
DATA_SOURCE = "postgres:///mattermost?host=/var/run/postgresql"


def test_the_environment_owns_what_the_layout_needs() -> None:
    owned = variables(
        Settings(settings={"TeamSettings.SiteName": "Chat", "ServiceSettings.EnableLatex": True}),
        url=URL,
        data_source=SecretStr(DATA_SOURCE),
        secret_settings={"EmailSettings.SMTPPassword": SecretStr(SMTP_PASSWORD)},
        users=50,
    )
    assert owned["MM_CONFIG"] == "/var/lib/mattermost/config/config.json"
    assert owned["MM_SERVICESETTINGS_SITEURL"] == URL
    assert owned["MM_SERVICESETTINGS_LISTENADDRESS"] == "127.0.0.1:8065"
    assert owned["MM_SERVICESETTINGS_ENABLELOCALMODE"] == "true"
    assert owned["MM_SERVICESETTINGS_LOCALMODESOCKETLOCATION"] == "/run/mattermost/local.socket"
    assert owned["MM_SQLSETTINGS_DATASOURCE"] == DATA_SOURCE
    assert owned["MM_FILESETTINGS_MAXFILESIZE"] == str(100 * 1024 * 1024)
    assert owned["MM_TEAMSETTINGS_SITENAME"] == "Chat"
    assert owned["MM_SERVICESETTINGS_ENABLELATEX"] == "true"
    assert owned["MM_EMAILSETTINGS_SMTPPASSWORD"] == SMTP_PASSWORD


@pytest.mark.parametrize(
    ("users", "stated", "wanted"),
    [(10, {}, "50"), (500, {}, "500"), (500, {"TeamSettings.MaxUsersPerTeam": 80}, "80")],
)
def test_everybody_may_be_in_one_team(users: int, stated: dict[str, int], wanted: str) -> None:
    found = variables(
        Settings(settings=stated), URL, SecretStr(DATA_SOURCE), secret_settings={}, users=users
    )
    assert found["MM_TEAMSETTINGS_MAXUSERSPERTEAM"] == wanted
