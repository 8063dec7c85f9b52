"""Description: what an operator may say about a site, composed of the components' settings."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mattermost_host.components.base import Settings as Base
from mattermost_host.components.firewall import Settings as Firewall
from mattermost_host.components.mattermost import Settings as Mattermost
from mattermost_host.components.nginx import Settings as Nginx
from mattermost_host.components.postgres import Settings as Postgres
from mattermost_host.components.tls import Settings as Tls
from mattermost_host.site.drift_settings import Settings as Drift
from mattermost_host.support.errors import Mistake

PLACEHOLDER = "https://placeholder.invalid"


class Description(BaseModel):
    """What an operator may say about a site."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        description="What users type: `https://` and the name, no slash at the end (SiteURL)."
    )
    users: int = Field(ge=1, description="People who will have an account; sizes the hosts.")
    file_use: Literal["low", "medium", "high"] = Field(
        default="medium",
        description="How much they share: up to 5, 25 or 100 MB a user and month.",
    )
    skip: dict[str, str] = Field(
        default={}, description="Checks of the preflight to skip, each with the reason."
    )
    base: Base = Field(default=Base(), description="Every host.")
    firewall: Firewall = Field(default=Firewall(), description="nftables.")
    tls: Tls = Field(default=Tls(), description="The site's certificate.")
    postgres: Postgres = Field(default=Postgres(), description="The database.")
    mattermost: Mattermost = Field(default=Mattermost(), description="The server.")
    nginx: Nginx = Field(default=Nginx(), description="The reverse proxy.")
    drift: Drift = Field(default=Drift(), description="Where drift is told.")

    @property
    def name(self) -> str:
        """The name users type, without scheme and port."""
        return urlsplit(self.url).hostname or ""

    @property
    def authority(self) -> str:
        """The name users type, with the port where it is not 443."""
        return urlsplit(self.url).netloc


def describe(data: Mapping[str, Any]) -> tuple[Description, list[Mistake]]:
    """The description in ``data`` and its wrong keys and values, which are left out of it."""
    sound = copy.deepcopy(dict(data))
    try:
        return Description.model_validate(sound), []
    except ValidationError as error:
        mistakes = list(_sentences(error))
        for detail in error.errors():
            _leave_out(sound, detail["loc"])
    # The rest is judged as if the operator had said what is needed, so that nothing hides behind.
    return Description.model_validate({"url": PLACEHOLDER, "users": 1, **sound}), mistakes


def _leave_out(data: dict[str, Any], location: tuple[int | str, ...]) -> None:
    """Remove the value at ``location``, or the innermost table around it that is there."""
    for part in location[:-1]:
        inner = data.get(str(part))
        if not isinstance(inner, dict):
            data.pop(str(part), None)
            return
        data = inner
    data.pop(str(location[-1]), None)


def _sentences(error: ValidationError) -> Iterator[Mistake]:
    """pydantic's findings in the words of an operator."""
    for detail in error.errors():
        path = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            known = ", ".join(sorted(_known_keys(detail["loc"][:-1])))
            yield Mistake(path, "a key that means nothing here", f"known are: {known}")
        elif detail["type"] == "missing":
            yield Mistake(path, "nothing", "it is needed; see docs/settings.md")
        else:
            yield Mistake(path, repr(detail.get("input")), detail["msg"].lower())


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Description
    for part in location:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)
