"""Where lego's tarball comes from: the project's releases, or the operator's file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from pydantic import BaseModel, Field

from mattermost_host.knowledge import lego
from mattermost_host.knowledge.releases import Architecture
from mattermost_host.knowledge.texts import STRICT, Line, Sha256
from mattermost_host.releases import choice
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.source import Kind, ReleaseSource
from mattermost_host.releases.tarball import check_program
from mattermost_host.support.addresses import MOST_OF_TARBALL, file_mistakes
from mattermost_host.support.errors import Mistake
from mattermost_host.support.paths import CACHE

PROGRAM = "lego"
"""Path of the program in the tarball."""
KIND = Kind(
    "tls.lego",
    lego.RELEASES,
    "a tarball (`tls.lego.file`)",
    "the address",
    partial(check_program, program=PROGRAM),
)


class LegoSettings(BaseModel):
    """Which release of lego to use, and where it comes from."""

    model_config = STRICT

    file: Line | None = Field(
        default=None,
        description=(
            f"lego's tarball on the control machine, or its URL; without it {lego.VERSION} from "
            f"{lego.RELEASES}. `lego_v{lego.VERSION}_linux_amd64.tar.gz` and the one for arm64 "
            "are known by their digests."
        ),
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="Digest of the tarball, where it is another release of the line 4.",
    )


@dataclass(frozen=True)
class LegoTarball:
    """The digest of lego's tarball, and how to get the tarball."""

    sha256: str
    fetch: Callable[[], Tarball] = field(compare=False, repr=False)
    """Returns the verified tarball on the control machine. Raises ReleaseError."""


def tarball(settings: LegoSettings, architecture: str) -> LegoTarball:
    """The tarball for hosts of this ``architecture``."""
    built_for: Architecture = "arm64" if architecture == "arm64" else "amd64"
    digest = settings.sha256 or lego.DIGESTS[built_for]
    location = settings.file or lego.official_url(built_for)
    source = ReleaseSource(location, digest, architecture=built_for, kind=KIND)
    return LegoTarball(digest, lambda: choice.fetched(source, CACHE / "lego"))


def mistakes(settings: LegoSettings, path: str) -> Iterator[Mistake]:
    """Mistakes in how the settings go together; ``path`` is their place in the inventory."""
    if settings.sha256 and not settings.file:
        needed = "name the tarball that it is of, as file beside it, or leave it out"
        yield Mistake(f"{path}.sha256", f"{settings.sha256!r} without a file", needed)
    elif settings.file and not _is_url(settings.file):
        yield from file_mistakes(f"{path}.file", settings.file, most=MOST_OF_TARBALL)


def _is_url(location: str) -> bool:
    return location.startswith(("https://", "http://"))
