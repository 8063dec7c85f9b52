"""Values that keep Mattermost 11 from starting: it validates its configuration and exits.

Sources: the server's own validation of its configuration (11.6) and the upgrade notes up to 11.10.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Values = Mapping[str, object]

SITE_URL = "ServiceSettings.SiteURL"
SHORTEST_KEY = 32
"""Minimum length of a salt or an encryption key, in characters."""

MYSQL_MIGRATION = (
    "release 11 runs on PostgreSQL only, and 10.11 was the last extended support release with "
    "MySQL: stay on 10.11, move the database to PostgreSQL with the vendor's migration-assist "
    "and pgloader, and deploy release 11 then"
)

DEFAULTS: Values = {"CacheSettings.RedisDB": -1, "CacheSettings.RedisAddress": ""}
"""Defaults of the server that stop it in combination with another setting."""


@dataclass(frozen=True)
class Blocker:
    """A rule: the setting that it reports, when it stops the server, and what to write."""

    name: str
    stops: Callable[[Values], bool]
    needed: str
    since: tuple[int, int] = (11, 0)
    until: tuple[int, int] = (100, 0)
    """The first release line that the rule no longer applies to."""


def blockers(
    settings: Values, release: str, site_url: str | None = None
) -> Iterator[tuple[str, str]]:
    """Name of a setting and what it needs, for each rule that ``settings`` break in ``release``.

    Empty for releases before 11. Without ``site_url`` (None) the rules about it are skipped.
    """
    major, minor = (int(part) for part in release.split(".")[:2])
    if major < 11:
        return
    site = {} if site_url is None else {SITE_URL: site_url}
    values = {**DEFAULTS, **settings, **site}
    for rule in BLOCKERS:
        if rule.since <= (major, minor) < rule.until and rule.stops(values):
            yield rule.name, rule.needed


def _equals(name: str, value: object) -> Callable[[Values], bool]:
    return lambda values: name in values and values[name] == value


def _all(*conditions: Callable[[Values], bool]) -> Callable[[Values], bool]:
    return lambda values: all(condition(values) for condition in conditions)


def _none_of(name: str, *allowed: str) -> Callable[[Values], bool]:
    return lambda values: name in values and values[name] not in allowed


def _below(name: str, lowest: int) -> Callable[[Values], bool]:
    def stops(values: Values) -> bool:
        value = values.get(name)
        return isinstance(value, int) and value < lowest

    return stops


def _short(name: str) -> Callable[[Values], bool]:
    return lambda values: 0 < len(str(values.get(name, ""))) < SHORTEST_KEY


def _edged_with_blanks(name: str) -> Callable[[Values], bool]:
    return lambda values: str(values.get(name, "")) != str(values.get(name, "")).strip()


_REDIS = _equals("CacheSettings.CacheType", "redis")
_BATCHING = _equals("EmailSettings.EnableEmailBatching", True)

BLOCKERS = (
    Blocker("SqlSettings.DriverName", _equals("SqlSettings.DriverName", "mysql"), MYSQL_MIGRATION),
    Blocker(
        "TeamSettings.ExperimentalViewArchivedChannels",
        _equals("TeamSettings.ExperimentalViewArchivedChannels", False),
        "archived channels can always be viewed since 11.0: remove it or write True",
    ),
    Blocker(
        "ExperimentalSettings.ClientSideCertEnable",
        _equals("ExperimentalSettings.ClientSideCertEnable", True),
        "the log-in by certificate is gone since 11.0: remove it; NGINX can still ask for "
        "client certificates",
    ),
    Blocker(
        "EmailSettings.EnableEmailBatching",
        _all(_equals("ClusterSettings.Enable", True), _BATCHING),
        "a cluster cannot batch its mail: write False, or switch ClusterSettings.Enable off",
    ),
    Blocker(
        "EmailSettings.EnableEmailBatching",
        _all(_BATCHING, _equals(SITE_URL, "")),
        "batched mail needs the site's `url`: set it, or write False",
    ),
    Blocker(
        "ServiceSettings.AllowCookiesForSubdomains",
        _all(
            _equals("ServiceSettings.AllowCookiesForSubdomains", True),
            _equals(SITE_URL, ""),
        ),
        "cookies for subdomains need the site's `url`: set it, or write False",
    ),
    Blocker(
        "CacheSettings.RedisAddress",
        _all(_REDIS, _equals("CacheSettings.RedisAddress", "")),
        "CacheSettings.CacheType is redis: write its address, `host:6379`",
    ),
    Blocker(
        "CacheSettings.RedisDB",
        _all(_REDIS, _below("CacheSettings.RedisDB", 0)),
        "CacheSettings.CacheType is redis, and the default of -1 stops the server: write 0",
    ),
    *(
        Blocker(
            name,
            _short(name),
            f"it needs {SHORTEST_KEY} characters or more; remove it to have one generated",
        )
        for name in ("FileSettings.PublicLinkSalt", "SqlSettings.AtRestEncryptKey")
    ),
    *(
        Blocker(f"SqlSettings.{name}", _below(f"SqlSettings.{name}", 1), "it needs 1 or more")
        for name in ("MaxOpenConns", "MaxIdleConns", "QueryTimeout")
    ),
    *(
        Blocker(name, _edged_with_blanks(name), "remove the spaces at its ends")
        for name in ("FileSettings.AmazonS3PathPrefix", "FileSettings.ExportAmazonS3PathPrefix")
    ),
    Blocker(
        "FileSettings.DriverName",
        _none_of("FileSettings.DriverName", "local", "amazons3"),
        "it needs `local` or `amazons3`; `azureblob` comes with release 11.9",
        until=(11, 9),
    ),
    Blocker(
        "FileSettings.DriverName",
        _none_of("FileSettings.DriverName", "local", "amazons3", "azureblob"),
        "it needs `local`, `amazons3` or `azureblob`",
        since=(11, 9),
    ),
    *(
        Blocker(
            f"{section}.ConnectionSecurity",
            _none_of(f"{section}.ConnectionSecurity", "", "TLS", "STARTTLS"),
            'it needs "", "TLS" or "STARTTLS"',
        )
        for section in ("EmailSettings", "LdapSettings")
    ),
)

SECRETS = ("FileSettings.PublicLinkSalt", "SqlSettings.AtRestEncryptKey")
IN_THE_OPEN = tuple(
    sorted(
        {rule.name for rule in BLOCKERS} - {*SECRETS}
        | {"CacheSettings.CacheType", "ClusterSettings.Enable"}
    )
)
"""Names of settings that the rules read, without the secret ones."""
