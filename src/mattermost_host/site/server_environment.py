"""The settings of the server that we own, as the variables of its process."""

from collections.abc import Mapping

from pydantic import SecretStr

from mattermost_host.components import mattermost
from mattermost_host.knowledge.mattermost_settings import environment_name, environment_value
from mattermost_host.ops.state_files import CONFIGURATION, LOGS, STATE

USERS_PER_TEAM = 50
"""The server's default MaxUsersPerTeam, too low for a team with all users of a larger site."""


def variables(
    settings: mattermost.Settings,
    url: str,
    data_source: SecretStr,
    secret_settings: Mapping[str, SecretStr],
    users: int,
) -> dict[str, str]:
    """The settings that we own as environment variables; see docs/settings.md for the list."""
    owned: dict[str, object] = {
        "ServiceSettings.SiteURL": url,
        "ServiceSettings.ListenAddress": f"{mattermost.LISTEN[0]}:{mattermost.LISTEN[1]}",
        "ServiceSettings.EnableLocalMode": True,
        "ServiceSettings.LocalModeSocketLocation": mattermost.LOCAL_SOCKET,
        "ServiceSettings.TrustedProxyIPHeader": ["X-Real-IP"],
        "SqlSettings.DriverName": "postgres",
        "SqlSettings.DataSource": data_source.get_secret_value(),
        "FileSettings.Directory": f"{STATE}/data/",
        "FileSettings.MaxFileSize": settings.max_file_size_mb * 1024 * 1024,
        "PluginSettings.Directory": f"{STATE}/plugins",
        "PluginSettings.ClientDirectory": f"{STATE}/client-plugins",
        "LogSettings.FileLocation": LOGS,
    }
    if settings.licence:
        owned["ServiceSettings.LicenseFileLocation"] = mattermost.LICENCE_FILE
    stated = {
        "TeamSettings.MaxUsersPerTeam": max(users, USERS_PER_TEAM),
        **settings.settings,
        **{name: value.get_secret_value() for name, value in secret_settings.items()},
    }
    return {
        **settings.environment,
        "MM_CONFIG": CONFIGURATION,
        "MM_LOG_PATH": LOGS,
        **{environment_name(name): environment_value(value) for name, value in stated.items()},
        **{environment_name(name): environment_value(value) for name, value in owned.items()},
    }
