"""Settings with which release 11 refuses to start, each with its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from mattermost_standin import StartError
from mattermost_standin.settings import Values

KEY_LENGTH = 32  # characters, of PublicLinkSalt and AtRestEncryptKey


def check(values: Values) -> None:
    """Raise StartError with the first thing that is wrong."""
    for rules in (_site, _database, _files, _mail_and_cluster, _removed):
        for sentence in rules(values):
            raise StartError(f"invalid configuration: {sentence}")


def _site(values: Values) -> Iterator[str]:
    site_url = values["ServiceSettings.SiteURL"]
    if site_url and not is_web_address(site_url):
        yield "ServiceSettings.SiteURL must be a valid URL that begins with http:// or https://"
    if values["ServiceSettings.AllowCookiesForSubdomains"] and not site_url:
        yield "ServiceSettings.AllowCookiesForSubdomains needs ServiceSettings.SiteURL"
    if not values["ServiceSettings.ListenAddress"]:
        yield "ServiceSettings.ListenAddress must not be empty"
    if values["ServiceSettings.ConnectionSecurity"] not in {"", "TLS"}:
        yield "ServiceSettings.ConnectionSecurity must be empty or TLS"
    if values["ServiceSettings.WebserverMode"] not in {"gzip", "uncompressed", "disabled"}:
        yield "ServiceSettings.WebserverMode must be gzip, uncompressed or disabled"


def _database(values: Values) -> Iterator[str]:
    if values["SqlSettings.DriverName"] != "postgres":
        yield "SqlSettings.DriverName must be postgres; MySQL ended with release 10"
    if not values["SqlSettings.DataSource"]:
        yield "SqlSettings.DataSource must not be empty"
    for name in ("MaxOpenConns", "MaxIdleConns", "QueryTimeout"):
        if values[f"SqlSettings.{name}"] <= 0:
            yield f"SqlSettings.{name} must be a positive number"
    if 0 < len(values["SqlSettings.AtRestEncryptKey"]) < KEY_LENGTH:
        yield f"SqlSettings.AtRestEncryptKey must have {KEY_LENGTH} characters or more"
    if values["CacheSettings.CacheType"] not in {"lru", "redis"}:
        yield "CacheSettings.CacheType must be lru or redis"
    if values["CacheSettings.CacheType"] == "redis":
        if not values["CacheSettings.RedisAddress"]:
            yield "CacheSettings.RedisAddress must not be empty with CacheType redis"
        if values["CacheSettings.RedisDB"] < 0:
            yield "CacheSettings.RedisDB must not be negative with CacheType redis"


def _files(values: Values) -> Iterator[str]:
    if values["FileSettings.MaxFileSize"] <= 0:
        yield "FileSettings.MaxFileSize must be a positive number of bytes"
    if values["FileSettings.DriverName"] not in {"local", "amazons3"}:
        yield "FileSettings.DriverName must be local or amazons3"
    if values["FileSettings.DriverName"] == "amazons3":
        yield "FileSettings.DriverName amazons3: the stand-in keeps files in a folder only"
    if not values["FileSettings.Directory"]:
        yield "FileSettings.Directory must not be empty"
    for name in ("Directory", "AmazonS3PathPrefix"):
        if values[f"FileSettings.{name}"] != values[f"FileSettings.{name}"].strip():
            yield f"FileSettings.{name} must not begin or end with a blank"
    if 0 < len(values["FileSettings.PublicLinkSalt"]) < KEY_LENGTH:
        yield f"FileSettings.PublicLinkSalt must have {KEY_LENGTH} characters or more"


def _mail_and_cluster(values: Values) -> Iterator[str]:
    if values["EmailSettings.ConnectionSecurity"] not in {"", "TLS", "STARTTLS"}:
        yield "EmailSettings.ConnectionSecurity must be empty, TLS or STARTTLS"
    if values["EmailSettings.EnableEmailBatching"]:
        if values["ClusterSettings.Enable"]:
            yield "EmailSettings.EnableEmailBatching can't be used with ClusterSettings.Enable"
        if not values["ServiceSettings.SiteURL"]:
            yield "EmailSettings.EnableEmailBatching needs ServiceSettings.SiteURL"


def _removed(values: Values) -> Iterator[str]:
    if not values["TeamSettings.ExperimentalViewArchivedChannels"]:
        yield "TeamSettings.ExperimentalViewArchivedChannels can't be false since release 11"
    if values["ExperimentalSettings.ClientSideCertEnable"]:
        yield "ExperimentalSettings.ClientSideCertEnable was removed with release 11"


def is_web_address(text: str) -> bool:
    """Whether ``text`` is an http or https URL with a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
