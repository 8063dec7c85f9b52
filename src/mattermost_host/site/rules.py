"""Rules that cross components, and the components' own: each broken one is a mistake."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from mattermost_host.facts.place import About, Place
from mattermost_host.knowledge import mattermost_settings
from mattermost_host.site.secrets import Secrets
from mattermost_host.site.settings import ROOMS, Description
from mattermost_host.support.errors import Mistake


def mistakes(settings: Description, place: Place) -> Iterator[Mistake]:
    """Everything wrong with a description that is right in its types."""
    yield from _url(settings.url)
    for name, room in ROOMS.items():
        yield from room.mistakes(getattr(settings, name), place)


def mistakes_with_secrets(
    settings: Description, site: About, secrets: Secrets
) -> Iterator[Mistake]:
    """What shows only when the secrets are known."""
    if not settings.postgres.local and secrets.database_password is None:
        yield Mistake(
            "database_password",
            "nothing",
            "write it into the secrets file beside the inventory, or into the environment as "
            "MATTERMOST_HOST_DATABASE_PASSWORD",
        )
    yield from mattermost_settings.mistakes(
        secrets.settings, site.version, path="settings", settled=site.version_is_stated
    )


def _url(url: str) -> Iterator[Mistake]:
    parts = urlsplit(url)
    wanted = f'write "https://{parts.hostname or parts.path.strip("/") or "chat.example.com"}"'
    if parts.scheme != "https":
        what = f"{url!r}, without https://"
        yield Mistake("url", what, f"{wanted}; users reach the site by TLS only")
    elif parts.path == "/":
        yield Mistake("url", f"{url!r}, with a slash at the end", wanted)
    elif parts.path or parts.query or parts.fragment or parts.username:
        yield Mistake("url", repr(url), f"{wanted}; a site has its name to itself, without a path")
    elif not parts.hostname:
        yield Mistake("url", repr(url), wanted)
