"""What is said of settings of Mattermost."""

from mattermost_host.knowledge import mattermost_settings

ELEVEN = "11.7.9"


def sentences(
    values: dict[str, object], release: str = ELEVEN, url: str | None = None
) -> list[str]:
    """Every mistake in ``values``."""
    return [str(mistake) for mistake in mattermost_settings.mistakes(values, release, site_url=url)]


def sentence(name: str, value: object, release: str = ELEVEN) -> str:
    """The only mistake, without the setting's name."""
    (only,) = sentences({name: value}, release)
    prefix = f'mattermost.settings."{name}": '
    assert only.startswith(prefix)
    return only.removeprefix(prefix)
