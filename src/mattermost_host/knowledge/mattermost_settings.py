"""Mattermost's own settings under their documented names, as environment variables.

The server silently ignores unknown names and values of the wrong type, so they are refused here,
like the values that would keep a release from starting.
"""

import csv
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from heapq import nlargest
from importlib.resources import files
from itertools import pairwise

from pydantic import SecretStr

from mattermost_host.knowledge import setting_limits
from mattermost_host.knowledge.setting_values import environment_value, typed, wrong
from mattermost_host.knowledge.start_blockers import blockers
from mattermost_host.support.errors import Mistake

__all__ = ["environment_name", "environment_value", "is_secret", "known", "mistakes"]

OWNED = {
    "ServiceSettings.SiteURL": "set the site's `url` instead",
    "ServiceSettings.ListenAddress": "the server listens for the proxy on this host only",
    "ServiceSettings.ConnectionSecurity": "NGINX terminates TLS; configure it under `tls`",
    "ServiceSettings.TLSCertFile": "NGINX terminates TLS; set the files under `tls`",
    "ServiceSettings.TLSKeyFile": "NGINX terminates TLS; set the files under `tls`",
    "ServiceSettings.UseLetsEncrypt": "NGINX terminates TLS; set the ACME mode under `tls`",
    "ServiceSettings.Forward80To443": "NGINX forwards to HTTPS already",
    "ServiceSettings.TrustedProxyIPHeader": "it is the same for proxy and server already",
    "ServiceSettings.EnableLocalMode": "the first administrator is created through it",
    "ServiceSettings.LocalModeSocketLocation": "it is in the folder that the systemd unit creates",
    "ServiceSettings.LicenseFileLocation": "set the file as `mattermost.licence`",
    "SqlSettings.DriverName": "the database is PostgreSQL; set an external one as `postgres.dsn`",
    "SqlSettings.DataSource": "set an external database as `postgres.dsn`",
    "FileSettings.Directory": "files are kept in /var/lib/mattermost/data",
    "FileSettings.MaxFileSize": "set `mattermost.max_file_size_mb`; the proxy uses it, too",
    "PluginSettings.Directory": "plugins are kept in /var/lib/mattermost/plugins",
    "PluginSettings.ClientDirectory": "they are kept in /var/lib/mattermost/client-plugins",
    "LogSettings.FileLocation": "logs are kept in /var/log/mattermost",
}
"""Settings that can't be stated -> what to do instead."""

OTHER_LINES = ("5.37.10", "10.11.0", "11.0.0", "11.10.0")
"""Releases that differ in their settings; a mistake in all of them is a mistake in any release."""

LONGEST_SHOWN = 60
LONGEST_NAME = 200
GUESSED = 100
"""Unknown names for which the one that was meant is looked for; each takes a millisecond or two."""
COMPARED = 10
"""Known names that an unknown one is compared with closely."""

NOT_BY_ENVIRONMENT = ("SqlSettings.ReplicaLagSettings",)
"""Lists of tables, which environment variables can't express: the server splits lists at blanks."""

SECRET = re.compile(
    r"(Password|Secret|Salt|Token|(?<!Client)Key)$"
    r"|^SqlSettings\.(DataSource\w*|ReplicaLagSettings)$"
    r"|ImageProxyOptions$"
)
"""Names of secret settings. ``ElasticsearchSettings.ClientKey`` is a path and no secret; an image
proxy's options hold its signing key.
"""


@dataclass(frozen=True)
class Setting:
    """A setting and its type in the two release lines of the table; None: that line lacks it."""

    name: str
    in_5: str | None
    in_11: str | None
    since: tuple[int, int]
    """The first line of release 11 that has it."""

    def type_in(self, release: str) -> str | None:
        """``bool``, ``int``, ``string``, ``list``, ``map``, or None where ``release`` lacks it.

        For releases between the two lines of the table, the settings of both are accepted.
        """
        line = _line(release)
        if line[0] <= 5:
            return self.in_5
        if line[0] >= 11:
            return self.in_11 if line >= self.since else None
        return self.in_11 or self.in_5


def environment_name(name: str) -> str:
    """``ServiceSettings.SiteURL`` -> ``MM_SERVICESETTINGS_SITEURL``."""
    return "MM_" + name.replace(".", "_").upper()


def is_secret(name: str) -> bool:
    """Whether the value of ``name`` belongs in the secrets file and must not be printed."""
    return SECRET.search(name) is not None


@cache
def known() -> Mapping[str, Setting]:
    """All known settings, by name."""
    text = files("mattermost_host.knowledge").joinpath("data", "settings.tsv").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {row["name"]: _setting(row) for row in csv.DictReader(lines, delimiter="\t")}


def mistakes(
    settings: Mapping[str, object],
    release: str,
    *,
    site_url: str | None = None,
    path: str = "mattermost.settings",
    settled: bool = True,
) -> list[Mistake]:
    """All mistakes in ``settings``, at ``path`` of the inventory, for ``release`` (``11.7.9``).

    Values from the secrets file are SecretStr, whose text may stand for any type. Rules that need
    ``site_url`` are skipped without it. If the release is not ``settled`` (the host may keep
    another one), only what is wrong in every line is a mistake.
    """
    found = _mistakes(settings, release, site_url, path)
    # A name that no release has is wrong in each, and its sentence takes the longest.
    somewhere = {name: value for name, value in settings.items() if _exists(name)}
    nowhere = {f'{path}."{name}"' for name in settings.keys() - somewhere.keys()}
    for other in () if settled else OTHER_LINES:
        if found:
            wrong = {one.path for one in _mistakes(somewhere, other, site_url, path)}
            found = [one for one in found if one.path in wrong | nowhere]
    return found


def _mistakes(
    settings: Mapping[str, object], release: str, site_url: str | None, path: str
) -> list[Mistake]:
    found: list[Mistake] = []
    sound: dict[str, object] = {}
    for name, value in settings.items():
        needed = _wrong(name, value, release, guess=len(found) < GUESSED)
        if needed is None:
            sound[name] = typed(_type(name, value, release) or "string", value)
        else:
            found.append(Mistake(f'{path}."{name}"', _shown(name, value), needed))
    found += (
        Mistake(f'{path}."{name}"', _shown(name, settings.get(name)), needed)
        for name, needed in blockers(sound, release, site_url)
        if name in sound or name not in settings
    )
    return found


def _wrong(name: str, value: object, release: str, *, guess: bool) -> str | None:
    """What to write instead, or None. ``guess``: whether to look for the name that was meant."""
    migrates = name == "SqlSettings.DriverName" and value == "mysql" and _line(release)[0] >= 11
    # With MySQL the database has to be migrated: the start blocker's message says how.
    if name in OWNED and not migrates:
        return f"remove it: {OWNED[name]}"
    if name in NOT_BY_ENVIRONMENT:
        return "remove it and set it in the System Console: the environment cannot carry it"
    kind = _type(name, value, release)
    if kind is None:
        return _unknown(name, release, _alike(name, release) if guess else None)
    return wrong(kind, value) or _unfit(name, kind, value)


def _unfit(name: str, kind: str, value: object) -> str | None:
    """What is wrong with a value that has the right type."""
    if not isinstance(value, SecretStr) and (
        (is_secret(name) and value) or setting_limits.secret_inside(name, value)
    ):
        return "a secret: move it to the secrets file beside the inventory, into [settings]"
    text = environment_value(value)
    return setting_limits.unfit_for_a_variable(
        environment_name(name), text
    ) or setting_limits.out_of_bounds(name, typed(kind, value))


def _type(name: str, value: object, release: str) -> str | None:
    setting = known().get(name)
    if setting is not None:
        return setting.type_in(release)
    if _exists(name):
        return "bool" if isinstance(value, bool) else "string"
    return None


def _exists(name: str) -> bool:
    """Whether any release has the setting.

    Feature flags change with every release, and can be set by the environment only.
    """
    return name in known() or bool(re.fullmatch(r"FeatureFlags\.[A-Za-z][A-Za-z0-9]*", name))


def _unknown(name: str, release: str, alike: str | None) -> str:
    if name.startswith("PluginSettings.Plugins."):
        return 'write `"PluginSettings.Plugins": {"id of the plugin": {"its key": its value}}`'
    remedy = f"did you mean `{alike}`?" if alike else "remove it"
    setting = known().get(name)
    if setting is None:
        console = (
            "" if alike else "; a setting newer than the table can be set in the System Console"
        )
        return f"no known release of Mattermost has this setting: {remedy}{console}"
    if setting.in_11 is None:
        return f"release 5.37 had this setting, but release {release} does not: {remedy}"
    first = "11" if setting.since == (11, 0) else f"{setting.since[0]}.{setting.since[1]}"
    return f"release {first} has this setting, but release {release} does not: {remedy}"


def _alike(name: str, release: str) -> str | None:
    """The most similar name that ``release`` has.

    difflib takes 10 ms to compare a name with all, so it gets those that share most pairs of
    letters.
    """
    if len(name) > LONGEST_NAME:
        return None
    wanted = name.upper() if name.startswith("MM_") else environment_name(name)
    simple = _simple(_line(release), whole=True)
    if wanted in simple:
        return simple[wanted]
    if "." not in name and not name.startswith("MM_"):
        simple = _simple(_line(release), whole=False)
    pairs = _pairs(wanted)
    near = nlargest(COMPARED, simple, key=lambda each: len(pairs & _pairs(each)))
    close = difflib.get_close_matches(wanted, near, n=1, cutoff=0.8)
    return simple[close[0]] if close else None


@cache
def _simple(line: tuple[int, int], *, whole: bool) -> Mapping[str, str]:
    """A line's settings by their variables: of ``whole`` names, or of those without the section."""
    release = f"{line[0]}.{line[1]}"
    names = [each.name for each in known().values() if each.type_in(release)]
    return {environment_name(each if whole else each.rsplit(".", 1)[1]): each for each in names}


@cache
def _pairs(text: str) -> frozenset[str]:
    return frozenset(map("".join, pairwise(text)))


def _shown(name: str, value: object) -> str:
    """The value for a message; hidden if it may hold a secret."""
    if value is None:
        return "nothing"
    # An unknown name may stand for a secret, as the typing error `SMTPPasword` does.
    if name not in known():
        return "an unknown name"
    hidden = isinstance(value, SecretStr | Mapping) or is_secret(name)
    text = repr(value)
    # Lists and addresses may hold passwords, too.
    if hidden or "://" in text or "@" in text or len(text) > LONGEST_SHOWN:
        return "a value that is not shown"
    return text


def _setting(row: Mapping[str, str]) -> Setting:
    in_5, in_11 = (None if row[line] == "-" else row[line] for line in ("5.37", "11"))
    return Setting(row["name"], in_5, in_11, _line(row["since"] or "11.0"))


def _line(release: str) -> tuple[int, int]:
    major, minor = (int(part) for part in release.split(".")[:2])
    return major, minor
