"""The description of a site: its keys, and the components' settings."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from mattermost_host import components as c
from mattermost_host.facts.place import Place
from mattermost_host.knowledge.names import Refused
from mattermost_host.knowledge.surface import Surface, Wanted
from mattermost_host.knowledge.texts import STRICT, Line, SiteUrl
from mattermost_host.preflight.finding import Need
from mattermost_host.site.drift_settings import Settings as Drift
from mattermost_host.support.errors import Mistake

WORD = re.compile(r"(?=.{0,16}\Z)(?:[A-Za-z]?[a-z]*(?:[ _-][a-z]+)*|\d{1,5})")
"""A wrong text that a message may repeat: what people write for a word of the documentation, not
what a generator makes, because a secret may have been pasted into the wrong line."""

LONGEST_NUMBER = 20
PLACEHOLDER = "https://placeholder.invalid"


class Component(Protocol):
    """The interface of a component's module; ``mistakes`` and ``secrets`` are optional."""

    @property
    def surface(self) -> Callable[[Any, Place], Surface]: ...
    @property
    def requires(self) -> Callable[[Any, Place], Sequence[Need]]: ...


@dataclass(frozen=True)
class Room:
    """A component's row: key, module, its roles (none: every host), and a condition."""

    name: str
    module: Component
    roles: tuple[str, ...] = ()
    when: Callable[[Any], bool] = lambda _: True
    """Whether the settings ask for the component."""
    clustered: bool | None = None
    """Whether it is for sites whose database is on several hosts, for others, or (None) for both.
    """

    def stands(self, settings: Any, roles: Iterable[str], *, clustered: bool) -> bool:
        """Whether a host with ``roles`` has the component."""
        held = not self.roles or bool(set(self.roles) & set(roles))
        return held and self.when(settings) and self.clustered in (None, clustered)

    def mistakes(self, settings: Any, place: Place) -> Iterable[Mistake]:
        """The mistakes in its settings."""
        rules = getattr(self.module, "mistakes", None)
        return rules(settings, place) if rules else ()

    def secrets(self, settings: Any, place: Place) -> Wanted:
        """The secrets that it requires."""
        wanted = getattr(self.module, "secrets", None)
        return wanted(settings, place) if wanted else Wanted()


class Description(BaseModel):
    """The dict ``site`` of an inventory."""

    model_config = STRICT

    url: SiteUrl = Field(
        description="What users type: `https://` and the name, no slash at the end (SiteURL)."
    )
    users: int = Field(
        ge=1, le=1_000_000, description="People who will have an account; sizes the hosts."
    )
    file_use: Literal["low", "medium", "high"] = Field(
        default="medium",
        description="How much they share: up to 5, 25 or 100 MB a user and month.",
    )
    skip: dict[str, Line] = Field(
        default={}, description="Checks of the preflight to skip, each with the reason."
    )
    base: Annotated[c.base.Settings, Room("base", c.base)] = c.base.Settings()
    firewall: Annotated[c.firewall.Settings, Room("firewall", c.firewall)] = c.firewall.Settings()
    etcd: Annotated[c.etcd.Settings, Room("etcd", c.etcd, ("etcd",))] = c.etcd.Settings()
    patroni: Annotated[c.patroni.Settings, Room("patroni", c.patroni, ("db",), clustered=True)] = (
        c.patroni.Settings()
    )
    postgres: Annotated[
        c.postgres.Settings,
        Room(
            "postgres",
            c.postgres,
            ("db",),
            when=lambda settings: settings.local,
            clustered=False,
        ),
    ] = c.postgres.Settings()
    backup: Annotated[
        c.backup.Settings,
        Room("backup", c.backup, ("db", "app"), when=lambda settings: settings.to is not None),
    ] = c.backup.Settings()
    haproxy: Annotated[c.haproxy.Settings, Room("haproxy", c.haproxy, ("app",), clustered=True)] = (
        c.haproxy.Settings()
    )
    mattermost: Annotated[c.mattermost.Settings, Room("mattermost", c.mattermost, ("app",))] = (
        c.mattermost.Settings()
    )
    tls: Annotated[c.tls.Settings, Room("tls", c.tls, ("proxy",))] = c.tls.Settings()
    nginx: Annotated[c.nginx.Settings, Room("nginx", c.nginx, ("proxy",))] = c.nginx.Settings()
    drift: Drift = Field(default=Drift(), description="Where drift is reported.")

    @property
    def name(self) -> str:
        """The name users type, without scheme and port."""
        return urlsplit(self.url).hostname or ""

    @property
    def authority(self) -> str:
        """The name users type, with the port if it is not 443."""
        return urlsplit(self.url).netloc


ROOMS: Mapping[str, Room] = {
    row.name: row
    for field in Description.model_fields.values()
    for row in field.metadata
    if isinstance(row, Room)
}
"""The table of components, in the order in which they are deployed."""


def describe(data: Mapping[str, Any]) -> tuple[Description, list[Mistake]]:
    """The description in ``data``, without its wrong keys and values, and these mistakes."""
    wrong_keys: list[Mistake] = []
    sound: dict[str, Any] = _with_text_keys(data, "", wrong_keys)
    if wrong_keys:
        rest, mistakes = describe(sound)
        return rest, [*wrong_keys, *mistakes]
    try:
        return Description.model_validate(sound), []
    except ValidationError as error:
        mistakes = list(_sentences(error))
        for detail in error.errors():
            _leave_out(sound, detail["loc"])
    # Check the rest with placeholders for missing keys, so that all mistakes are found at once.
    return Description.model_validate({"url": PLACEHOLDER, "users": 1, **sound}), mistakes


def _with_text_keys(value: Any, path: str, mistakes: list[Mistake]) -> Any:
    """A copy of ``value`` without the keys that are not strings, which are mistakes."""
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for key, inner in value.items():
        if isinstance(key, str) and _is_text(key):
            kept[key] = _with_text_keys(inner, f"{path}{key}.", mistakes)
        else:
            found = f"a key of the type {type(key).__name__}"
            if isinstance(key, str):
                found = f"the key {key!a}, which no file can hold"
            mistakes.append(Mistake(path.rstrip(".") or "site", found, "keys must be strings"))
    return kept


def _is_text(key: str) -> bool:
    """Whether it has no lone surrogate, which pydantic refuses without naming the key."""
    return key.isprintable() or not any("\ud800" <= one <= "\udfff" for one in key)


def _leave_out(data: dict[str, Any], location: tuple[int | str, ...]) -> None:
    """Remove the value at ``location``, or the innermost existing table around it."""
    for part in location[:-1]:
        inner = data.get(str(part))
        if not isinstance(inner, dict):
            data.pop(str(part), None)
            return
        data = inner
    data.pop(str(location[-1]), None)


def _sentences(error: ValidationError) -> Iterator[Mistake]:
    """pydantic's errors as mistakes for the operator."""
    for detail in error.errors():
        path = ".".join(map(str, detail["loc"]))
        if detail["type"] == "extra_forbidden":
            known = ", ".join(sorted(_known_keys(detail["loc"][:-1])))
            yield Mistake(path, "an unknown key", f"known keys: {known}")
        elif detail["type"] == "missing":
            yield Mistake(path, "nothing", "it is required; see docs/settings.md")
        elif isinstance(refused := detail.get("ctx", {}).get("error"), Refused):
            yield Mistake(path, refused.found, refused.needed)
        else:
            found = _shown(detail["loc"], detail.get("input"))
            yield Mistake(path, found, detail["msg"].lower())


def _shown(location: tuple[int | str, ...], value: object) -> str:
    """The wrong value for a message; hidden if it may hold a secret."""
    if value is None:
        return "None"
    kinds = {"dict": "a table", "list": "a list", "str": "a text", "int": "a number"}
    kind = kinds.get(type(value).__name__, f"a {type(value).__name__}")
    number = isinstance(value, bool | int | float) and len(str(value)) <= LONGEST_NUMBER
    plain = number or (isinstance(value, str) and WORD.fullmatch(value))
    return repr(value) if plain and _is_harmless(location) else kind


def _is_harmless(location: tuple[int | str, ...]) -> bool:
    """Whether the key takes a number, a Boolean or one of some words, and so never a secret."""
    field: Any = None
    model: Any = Description
    for part in location:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            break
        field, model = fields[part], fields[part].annotation
    words = set(re.findall(r"[A-Za-z]+", str(model).partition("Literal")[0]))
    return field is not None and words <= {"class", "int", "bool", "None", "typing", "list"}


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Description
    for part in location:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)
