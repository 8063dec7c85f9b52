"""The inventory of a server that somebody else installed, with where each value comes from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from mattermost_host.certificates.check import check_pair
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.knowledge import mattermost_settings, releases
from mattermost_host.knowledge.mattermost_settings import OWNED, environment_name, is_secret, known
from mattermost_host.knowledge.setting_values import environment_value, typed
from mattermost_host.preflight.adoption import Look
from mattermost_host.preflight.adoption_database import kept
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.templates import render

OF_SYSTEMD = re.compile(
    "HOME|LANG|LANGUAGE|LC_.*|LOGNAME|PATH|PWD|SHELL|USER|TERM|INVOCATION_ID|JOURNAL_STREAM"
    "|MEMORY_PRESSURE_.*|NOTIFY_SOCKET|SYSTEMD_EXEC_PID|MAINPID|MANAGERPID"
)
"""Variables that systemd sets for each service."""
NOT_SETTINGS = ("MM_CONFIG", "MM_LOG_PATH", "MM_INSTALL_TYPE")
LICENCE = "write it to a file, and state that as `mattermost.licence`"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Setting:
    """A setting that the inventory states, or the secrets file."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Adopted:
    """What an inventory says of a server, its secrets, and what it can't say."""

    url: str
    users: int
    version: str
    edition: str
    settings: tuple[Setting, ...]
    secrets: Mapping[str, SecretStr]
    environment: Mapping[str, str]
    administrator: str
    max_file_size_mb: int
    dsn: str
    database_password: SecretStr | None
    postgresql: Mapping[str, Any]
    """What is stated of its cluster, where a deploy would take another for the site's."""
    tls: str
    """internal-ca, files or acme."""
    certificate: str
    key: SecretStr | None
    notes: tuple[str, ...]
    """Sentences about what was not carried into the inventory."""


def adopted(one: Look) -> Adopted:
    """The inventory's content. Raises OperatorError where the server has no name."""
    notes: list[str] = []
    url, edition = _url(one, notes), one.foreign.edition or "enterprise"
    stated, secrets = _settings(one, url, notes)
    mode, certificate, key = _tls(one, urlsplit(url).hostname or "", notes)
    local = one.source.local or one.source.kind != "postgres"
    size = one.foreign.setting("FileSettings.MaxFileSize")
    return Adopted(
        url=url,
        users=max(one.data.people, 1),
        version=one.foreign.version,
        edition=edition,
        settings=stated,
        secrets=secrets,
        environment=_environment(one, notes),
        administrator=one.data.administrator,
        max_file_size_mb=max(1, -(-int(size) // MIB)) if str(size or "").isdecimal() else 100,
        dsn="" if local else one.source.stated,
        database_password=None if local else one.source.password,
        postgresql=_postgresql(one) if local else {},
        tls=mode,
        certificate=certificate,
        key=key,
        notes=tuple(notes),
    )


def _postgresql(one: Look) -> dict[str, Any]:
    """The distribution's newest stream is the site's otherwise."""
    if one.facts.family.package_manager != "dnf":
        return {}
    found = (kept(one.facts, version, folder) for version, folder, _ in one.facts.clusters)
    for layout, pgdg in filter(None, found):
        return {"version": int(layout.name[0]), **({"pgdg": True} if pgdg else {})}
    return {}


def _url(one: Look, notes: list[str]) -> str:
    found = urlsplit(one.url)
    if not found.hostname or not one.url.isprintable():
        raise OperatorError(
            "the server does not know what its users type: set ServiceSettings.SiteURL in the "
            "System Console, then adopt it"
        )
    if found.path:
        notes.append(f"SiteURL ends in {found.path}, and a site has no path of its own here.")
    if found.scheme != "https":
        notes.append(f"SiteURL was {one.url}; users come by TLS only from now on.")
        return f"https://{found.hostname}"
    return f"https://{found.netloc}"


def _settings(
    one: Look, url: str, notes: list[str]
) -> tuple[tuple[Setting, ...], dict[str, SecretStr]]:
    """What the inventory states, and what the secrets file does."""
    stated: list[Setting] = []
    secrets: dict[str, SecretStr] = {}
    for setting in (*_of_variables(one, notes), *_of_configuration(one, notes)):
        if setting.name in OWNED or setting.name in secrets:
            continue
        secret = is_secret(setting.name)
        value = SecretStr(environment_value(setting.value)) if secret else setting.value
        wrong = mattermost_settings.mistakes(
            {setting.name: value}, one.foreign.version, site_url=url
        )
        if wrong:
            notes.append(f"{setting.name} ({setting.origin}) is not stated: {wrong[0].needed}.")
        elif secret:
            secrets[setting.name] = SecretStr(environment_value(setting.value))
        elif setting.name not in [each.name for each in stated]:
            stated.append(setting)
    return tuple(sorted(stated, key=lambda each: each.name)), secrets


def _of_variables(one: Look, notes: list[str]) -> Iterator[Setting]:
    names = {environment_name(name): name for name in known()}
    for variable, text in one.foreign.environment.items():
        if not variable.startswith("MM_") or variable in NOT_SETTINGS:
            continue
        name = names.get(variable)
        if variable == "MM_LICENSE":
            notes.append(f"{variable} of the old unit is the licence: {LICENCE}.")
        elif name is None:
            notes.append(
                f"{variable} of the old unit is no known setting, and is not carried over."
            )
        if name is None:
            continue
        kind = known()[name].type_in(one.foreign.version) or "string"
        value = text if kind == "string" else typed(kind, SecretStr(text))
        if isinstance(value, SecretStr):
            value = text
        yield Setting(name, value, f"{variable} of the old unit")


def _of_configuration(one: Look, notes: list[str]) -> Iterator[Setting]:
    """Secrets, and what differs from a new installation; the rest stays in config.json."""
    foreign = one.foreign
    unknown = [name for name in foreign.config if name not in known() and name != "PluginSettings"]
    for name in unknown:
        notes.append(f"{name} is no setting that is known here; it stays in config.json.")
    where = "the database's configuration" if foreign.config_source else "config.json"
    for name, value in foreign.config.items():
        if name in unknown or value is None:
            continue
        if is_secret(name):
            if value not in ("", {}, []):
                yield Setting(name, value, where)
        elif foreign.defaults and value != foreign.defaults.get(name, value):
            yield Setting(name, value, f"{where}; new installations have another value")


def _environment(one: Look, notes: list[str]) -> dict[str, str]:
    kept = {}
    for name, value in one.foreign.environment.items():
        if name.startswith("MM_") or OF_SYSTEMD.fullmatch(name):
            continue
        if "@" in value:
            notes.append(f"{name} of the old unit may hold a password; state it yourself.")
        else:
            kept[name] = value
    return kept


def _tls(one: Look, name: str, notes: list[str]) -> tuple[str, str, SecretStr | None]:
    secure = one.secure
    if secure is None:
        notes.append("NGINX has no certificate for it: the site gets one of its own authority.")
        return "internal-ca", "", None
    if secure.certificate.startswith("/etc/letsencrypt/"):
        return "acme", "", None
    pair = one.data.certificate.encode(), one.data.key.encode()
    wrong = check_pair(*pair, name, datetime.now(UTC)) if all(pair) else []
    if wrong or not all(pair):
        why = f"{wrong[0].found}; {wrong[0].needed}" if wrong else "it can't be read"
        notes.append(f"{secure.certificate} is not taken over: {why}.")
        return "internal-ca", "", None
    return "files", one.data.certificate, SecretStr(one.data.key)


def inventory(
    one: Adopted, look: Look, host: SiteHost, release: Mapping[str, Any], name: str
) -> str:
    """The inventory's text. ``release`` is where the release comes from; ``name`` its file's."""
    known_digest = releases.sha256(one.version, _edition(one), _architecture(look))
    return render(
        "adopt/inventory.py.j2",
        one=one,
        repr=repr,
        notes=[in_comment(each) for each in one.notes],
        origins={each.name: in_comment(each.origin) for each in one.settings},
        binary=in_comment(look.foreign.binary),
        served=in_comment(look.secure.certificate) if look.secure else "",
        host=host.name,
        login=dict(host.data),
        release=dict(release),
        digest_missing=not (known_digest or release.get("sha256")),
        archive=releases.ARCHIVE,
        certificate=f"{name}.certificate.pem",
        key=f"{name}.key.pem",
        roles="app = db = proxy" if not one.dsn else "app = proxy",
        since=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def in_comment(text: str) -> str:
    """``text`` on one line, since the inventory is Python and the host wrote it."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _edition(one: Adopted) -> releases.Edition:
    return "team" if one.edition == "team" else "enterprise"


def _architecture(look: Look) -> releases.Architecture:
    return "arm64" if look.facts.architecture == "arm64" else "amd64"
