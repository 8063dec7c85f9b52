"""Rules of a site that no single component can hold: each broken one is a mistake."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from mattermost_host.certificates.check import check_pair
from mattermost_host.components import tls
from mattermost_host.knowledge import mattermost_settings, releases
from mattermost_host.knowledge.dsn import dsn_mistakes
from mattermost_host.site.secrets import Secrets, secrets_path
from mattermost_host.site.settings import PLACEHOLDER, Description
from mattermost_host.support.errors import Mistake


def mistakes(settings: Description, inventory: Path) -> Iterator[Mistake]:
    """Everything wrong with a description that is right in its types."""
    yield from _url(settings.url)
    yield from _release(settings)
    yield from tls.mistakes(settings.tls, settings.name)
    yield from _certificate(settings)
    yield from _database(settings, inventory)
    yield from _files(settings)
    yield from _environment(settings.mattermost.environment)
    yield from mattermost_settings.mistakes(
        settings.mattermost.settings, version(settings), site_url=settings.url
    )


def version(settings: Description) -> str:
    """The release of the server, ``11.7.9``: stated, in the name of the file, or the default."""
    release = settings.mattermost.release
    named = re.search(r"\d+\.\d+\.\d+", Path(release.file).name) if release.file else None
    return release.version or (named.group() if named else releases.default())


def mistakes_with_secrets(settings: Description, secrets: Secrets) -> Iterator[Mistake]:
    """What shows only when the secrets are known."""
    if not settings.postgres.local and secrets.database_password is None:
        yield Mistake(
            "database_password",
            "nothing",
            "write it into the secrets file beside the inventory, or into the environment as "
            "MATTERMOST_HOST_DATABASE_PASSWORD",
        )
    yield from mattermost_settings.mistakes(secrets.settings, version(settings), path="settings")


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


def _release(settings: Description) -> Iterator[Mistake]:
    release = settings.mattermost.release
    path = "mattermost.release"
    if release.file and release.mirror:
        yield Mistake(path, "file and mirror", "name one place to take the release from")
    if release.file and not (release.sha256 or release.signature_key or release.unverified):
        yield Mistake(
            f"{path}.file",
            f"{release.file!r} without a digest",
            "write sha256 too, from the vendor's page of releases, or unverified = True "
            "if you mean it",
        )
    known = releases.sha256(version(settings), release.edition, "amd64")
    if not (release.file or known or release.sha256 or release.signature_key):
        wanted = releases.digest_wanted(version(settings), release.edition, "amd64")
        yield Mistake(f"{path}.version", f"{release.version!r}, a release without a digest", wanted)


def _certificate(settings: Description) -> Iterator[Mistake]:
    if settings.tls.mode != "files" or settings.url == PLACEHOLDER:
        return
    contents: dict[str, bytes] = {}
    for key in ("certificate", "key"):
        file = getattr(settings.tls, key)
        if not file or not _is_file(file):
            found = repr(file) if file else "nothing"
            yield Mistake(f"tls.{key}", found, 'a file is needed with mode "files"')
        else:
            contents[key] = Path(file).read_bytes()
    if len(contents) == 2:
        now = datetime.now(UTC)
        yield from check_pair(contents["certificate"], contents["key"], settings.name, now)


def _database(settings: Description, inventory: Path) -> Iterator[Mistake]:
    postgres = settings.postgres
    if postgres.dsn:
        yield from dsn_mistakes(postgres.dsn, "postgres.dsn", str(secrets_path(inventory)))
        if postgres.pgdg or postgres.version:
            yield Mistake(
                "postgres",
                "dsn together with pgdg or version",
                "an external PostgreSQL is not installed by us; leave them out",
            )
    elif postgres.version and not postgres.pgdg:
        yield Mistake(
            "postgres.version",
            str(postgres.version),
            "write pgdg = True beside it; a distribution has one version only",
        )


def _files(settings: Description) -> Iterator[Mistake]:
    for path, file in (
        ("mattermost.licence", settings.mattermost.licence),
        ("mattermost.release.file", _local(settings.mattermost.release.file)),
        ("mattermost.release.signature_key", settings.mattermost.release.signature_key),
        ("postgres.ca_certificate", settings.postgres.ca_certificate),
    ):
        if file and not _is_file(file):
            yield Mistake(path, repr(file), "there is no such file on this machine")


def _local(location: str | None) -> str | None:
    return None if location and location.startswith(("https://", "http://")) else location


def _environment(variables: Mapping[str, str]) -> Iterator[Mistake]:
    for name, value in variables.items():
        path = f'mattermost.environment."{name}"'
        if name.startswith("MM_"):
            needed = "write it under mattermost.settings, by its documented name"
            yield Mistake(path, "a setting of Mattermost", needed)
        elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Mistake(path, "no name of a variable", "use letters, digits and underscores")
        elif "\n" in value:
            yield Mistake(path, "a value of several lines", "write it in one")


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:
        # A folder on the way that may not be entered.
        return False
