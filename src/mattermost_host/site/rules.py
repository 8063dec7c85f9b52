"""Collects the mistakes of a description: rules across components, and the components' own."""

from collections.abc import Iterator

from mattermost_host.facts.place import About, Place
from mattermost_host.knowledge import mattermost_settings, setting_limits
from mattermost_host.knowledge.surface import Wanted
from mattermost_host.preflight import backup_place
from mattermost_host.site.secrets import Secrets
from mattermost_host.site.settings import ROOMS, Description
from mattermost_host.support.errors import Mistake

PASSWORD_MIN, PASSWORD_MAX = setting_limits.PASSWORD_BYTES


def mistakes(settings: Description, place: Place) -> Iterator[Mistake]:
    """All mistakes of a description whose types are valid."""
    for name, room in ROOMS.items():
        yield from room.mistakes(getattr(settings, name), place)
    if settings.backup.to is not None and not settings.postgres.local:
        yield Mistake(
            "backup.to",
            "a place for backups, together with postgres.dsn",
            "an external PostgreSQL is backed up where it runs; leave one of them out",
        )
    if place.having("etcd"):
        yield from _of_cluster(settings)


def _of_cluster(settings: Description) -> Iterator[Mistake]:
    """What a database on several hosts can't have yet."""
    if settings.backup.drill and "drill" in settings.backup.model_fields_set:
        yield Mistake(
            "backup.drill",
            "True, together with etcd",
            "leave it out: drills restore a site that is on one host",
        )
    for key in ("pgdg", "folders"):
        if getattr(settings.postgres, key):
            yield Mistake(
                f"postgres.{key}",
                "a value, together with etcd",
                "leave it out: on several hosts PostgreSQL comes from the distribution, and has "
                "the folders of its package",
            )


def mistakes_with_secrets(
    settings: Description, site: About, secrets: Secrets
) -> Iterator[Mistake]:
    """The mistakes that can be found only when the secrets are known."""
    if not settings.postgres.local and secrets.database_password is None:
        yield Mistake(
            "database_password",
            "nothing",
            "write it into the secrets file beside the inventory, or into the environment as "
            "MATTERMOST_HOST_DATABASE_PASSWORD",
        )
    size = len(secrets.admin_password.get_secret_value().encode(errors="replace"))
    if not PASSWORD_MIN <= size <= PASSWORD_MAX:
        yield Mistake(
            "admin_password",
            f"a password of {size} bytes",
            f"Mattermost takes {PASSWORD_MIN} to {PASSWORD_MAX} (PasswordSettings.MinimumLength "
            "says whether it takes the shorter ones)",
        )
    yield from backup_place.access_mistakes(settings.backup, secrets.backup_access)
    yield from mattermost_settings.mistakes(
        secrets.settings, site.version, path="settings", settled=site.version_is_stated
    )


def wanted(settings: Description, place: Place) -> Wanted:
    """All secrets that the components need."""
    all_of_them = Wanted()
    for name, room in ROOMS.items():
        all_of_them |= room.secrets(getattr(settings, name), place)
    return all_of_them
