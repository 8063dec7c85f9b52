"""What a site's description says of the site as a whole."""

from pathlib import Path

from mattermost_host.facts.place import About
from mattermost_host.releases.choice import stated_version, version_of
from mattermost_host.site.secrets_file import secrets_path
from mattermost_host.site.settings import PLACEHOLDER, Description


def about(settings: Description, path: Path) -> About:
    """Of the inventory at ``path``."""
    return About(
        url=settings.url,
        # Where the URL is wrong, nothing is judged by a name.
        name="" if settings.url == PLACEHOLDER else settings.name,
        users=settings.users,
        file_use=settings.file_use,
        version=version_of(settings.mattermost.release),
        version_is_stated=stated_version(settings.mattermost.release) is not None,
        secrets_file=str(secrets_path(path)),
    )
