"""The PostgreSQL project's repository (PGDG), and the key that signs its packages."""

from mattermost_host.knowledge.families import Family, Key
from mattermost_host.knowledge.platforms import Platform
from mattermost_host.ops import files, packages, signing_key
from mattermost_host.ops.entries import File
from mattermost_host.support.templates import render


def known(family: Family, platform: Platform, architecture: str, major: int) -> None:
    """Keep the repository configured for PostgreSQL ``major``."""
    key = family.pgdg.keys[architecture]
    if key.url:
        signing_key.present(name="PGDG's signing key is installed", key=key)
    else:
        packages.installed(
            name="PGDG's signing key is installed",
            packages=family.pgdg.key_packages,
            manager=family.package_manager,
        )
    source = File(family.pgdg.source, _source(family, platform, key, major))
    files.present(name="PGDG's repository is configured", entries=[source])


def _source(family: Family, platform: Platform, key: Key, major: int) -> str:
    if family.package_manager == "apt":
        codename = platform.code_name
        return render("postgres/pgdg.sources.j2", codename=codename, key=key.path)
    release = platform.release
    return render("postgres/pgdg.repo.j2", release=release, version=major, key=key.path)
