"""The site: every mistake of an inventory at once and before any connection; the whole run."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.preflight.run import collect
from mattermost_host.site.secret_variables import ADMIN_VARIABLE
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError, SiteError
from tests.unit.examples import DEBIAN_12

PROJECT = Path(__file__).parents[3]
INVENTORIES = sorted(
    path for path in (PROJECT / "inventories").glob("*.py") if path.name != "__init__.py"
)
RIGHT = {"url": "https://chat.example.com", "users": 50}
ALL_ROLES = 'app = db = proxy = ["@fake/host"]'


def written(folder: Path, site: dict[str, Any], hosts: str = ALL_ROLES) -> Path:
    path = folder / "example.py"
    path.write_text(f"site = {site!r}\n{hosts}\n")
    return path


def _mistakes(folder: Path, site: dict[str, Any], hosts: str = ALL_ROLES) -> list[str]:
    with pytest.raises(SiteError) as raised:
        Site.load(written(folder, site, hosts))
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.name)
def test_every_inventory_of_the_project_loads(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    site = Site.load(copy)
    parts = {
        host.name: (set(site.roles(host.name)), set(site.surfaces(host.name, DEBIAN_12)))
        for host in site.hosts
    }
    everywhere, server = {"base", "firewall"}, {"mattermost", "tls", "nginx"}
    if path.name == "ha.py":
        of_database = {"etcd", "db"}, everywhere | {"etcd", "patroni"}
        assert list(parts.values()) == [
            *[of_database] * 3,
            ({"app", "proxy"}, everywhere | server | {"haproxy"}),
        ]
    else:
        assert list(parts.values()) == [
            ({"app", "db", "proxy"}, everywhere | server | {"postgres"})
        ]
    for host in site.hosts:
        assert [one.name for one in site.requirements(host.name) if hasattr(one, "name")]


@pytest.mark.parametrize("distribution", ["fedora", ""])
def test_a_platform_that_is_not_deployed_yet_is_refused_by_name(
    tmp_path: Path, distribution: str
) -> None:
    """By a sentence among the others, and by nothing that breaks."""
    site = Site.load(written(tmp_path, RIGHT))
    (host,) = site.hosts
    facts = replace(DEBIAN_12, distribution=distribution, release="9.4", glibc="2.34")
    report = collect({host.name: site.requirements(host.name)}, {host.name: facts}, {})
    names = [finding.name for _, finding in report.errors]
    assert "supported-platform" in names


def test_there_are_the_inventories_of_the_documentation() -> None:
    assert {"trial.py", "local.py", "single.py"} <= {path.name for path in INVENTORIES}


MIGRATION = (
    "release 11 runs on PostgreSQL only, and 10.11 was the last extended support release with "
    "MySQL: stay on 10.11, move the database to PostgreSQL with the vendor's migration-assist "
    "and pgloader, and deploy release 11 then"
)
MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"urls": "x"},
        "urls: found an unknown key; known keys: backup, base, drift, etcd, file_use, firewall, "
        "haproxy, mattermost, nginx, patroni, postgres, skip, tls, url, users",
    ),
    (
        {"postgres": {"verson": 16}},
        "postgres.verson: found an unknown key; "
        "known keys: ca_certificate, dsn, folders, pgdg, version",
    ),
    (
        {
            "postgres": {
                "dsn": "postgres://mattermost@db.example.com/mattermost?sslmode=verify-full",
                "folders": ["/srv/ts"],
            }
        },
        "postgres: found dsn together with pgdg, version or folders; "
        "an external PostgreSQL is not installed by us; leave them out",
    ),
    (
        {"users": "many"},
        "users: found 'many'; input should be a valid integer",
    ),
    ({"users": 0}, "users: found 0; input should be greater than or equal to 1"),
    (
        {"url": "https://chat.example.com/"},
        'url: found a URL with a slash at the end; write "https://chat.example.com"',
    ),
    (
        {"url": "chat.example.com"},
        "url: found a URL without https://; "
        'write "https://chat.example.com"; users reach the site by TLS only',
    ),
    (
        {"url": "http://chat.example.com"},
        "url: found a URL without https://; "
        'write "https://chat.example.com"; users reach the site by TLS only',
    ),
    (
        {"url": "https://example.com/chat"},
        "url: found a URL with a path, query or fragment; "
        'write "https://example.com"; a site needs a host name of its own, without a path',
    ),
    (
        {"mattermost": {"settings": {"ServiceSettings.SiteUrl": "x"}}},
        'mattermost.settings."ServiceSettings.SiteUrl": found an unknown name; '
        "no known release of Mattermost has this setting: did you mean `ServiceSettings.SiteURL`?",
    ),
    (
        {
            "mattermost": {
                "release": {"version": "11.7.9"},
                "settings": {"TeamSettings.ExperimentalViewArchivedChannels": False},
            }
        },
        'mattermost.settings."TeamSettings.ExperimentalViewArchivedChannels": found False; '
        "archived channels can always be viewed since 11.0: remove it or write True",
    ),
    (
        {"mattermost": {"settings": {"SqlSettings.DriverName": "mysql"}}},
        f"mattermost.settings.\"SqlSettings.DriverName\": found 'mysql'; {MIGRATION}",
    ),
    (
        {"mattermost": {"release": {"file": "x.tar.gz", "mirror": "https://m"}}},
        "mattermost.release: found file and mirror; name one place to take the release from",
    ),
    (
        {"mattermost": {"release": {"mirror": "file:///etc"}}},
        "mattermost.release.mirror: found 'file:///etc'; "
        "write its URL, with https:// at the beginning",
    ),
    (
        {"mattermost": {"licence": "/etc"}},
        "mattermost.licence: found '/etc'; this is a folder: name a file",
    ),
    (
        {"mattermost": {"licence": "/no/such.license"}},
        "mattermost.licence: found '/no/such.license'; there is no such file on this machine",
    ),
    (
        {"tls": {"mode": "files"}},
        'tls.certificate: found nothing; a file is needed with mode "files"',
    ),
]


@pytest.mark.parametrize(("site", "sentence"), MISTAKES, ids=lambda value: str(value)[:50])
def test_each_mistake_is_this_sentence(tmp_path: Path, site: dict[str, Any], sentence: str) -> None:
    assert sentence in _mistakes(tmp_path, {**RIGHT, **site})


@pytest.mark.parametrize(
    ("skip", "sentence"),
    [
        ({"x": "y"}, "skip.x: found an unknown check; known checks: "),
        ({"disk-space": "y", "clock": " "}, "skip.clock: found no reason; write one"),
    ],
)
def test_a_mistaken_skip_ends_it_before_any_host_is_asked(
    tmp_path: Path, skip: dict[str, str], sentence: str
) -> None:
    said = _mistakes(tmp_path, {**RIGHT, "skip": skip})
    assert any(one.startswith(sentence) for one in said)
    assert _mistakes(tmp_path, {**RIGHT, "skip": {"x": "y"}}, 'app = db = proxy = ["h.invalid"]')


def test_a_site_without_its_two_needed_keys(tmp_path: Path) -> None:
    assert _mistakes(tmp_path, {}) == [
        "url: found nothing; it is required; see docs/settings.md",
        "users: found nothing; it is required; see docs/settings.md",
    ]


EVERYTHING_WRONG = {
    "url": "https://chat.example.com/",
    "users": "many",
    "color": "blue",
    "firewall": {"ssh_port": 70_000},
    "tls": {"mode": "files"},
    "postgres": {"ca_certificate": "/no/such.pem"},
    "mattermost": {
        "licence": "/no/such.license",
        "settings": {"SqlSettings.DriverName": "mysql", "Nonsense.Key": 1},
    },
}
WRONG_PATHS = {
    'host "127.0.0.2"',
    "hosts",
    "url",
    "users",
    "color",
    "firewall.ssh_port",
    "tls.certificate",
    "tls.key",
    "postgres.ca_certificate",
    "mattermost.licence",
    'mattermost.settings."SqlSettings.DriverName"',
    'mattermost.settings."Nonsense.Key"',
}


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    hosts = 'app = db = proxy = ["127.0.0.1"]\ndb = ["127.0.0.1", "127.0.0.3"]\nweb = ["127.0.0.2"]'
    found = _mistakes(tmp_path, EVERYTHING_WRONG, hosts)
    assert {sentence.partition(": found ")[0] for sentence in found} == WRONG_PATHS
    assert len(found) == len(WRONG_PATHS)


def test_a_mistake_brings_no_other_with_it(tmp_path: Path) -> None:
    """Where the URL is missing, nothing is said about a name that nobody wrote."""
    certificate, key = _pair_files(tmp_path, _leaf("chat.example.com"))
    tls = {"mode": "files", "certificate": str(certificate), "key": str(key)}
    assert _mistakes(tmp_path, {"users": 50, "tls": tls}) == [
        "url: found nothing; it is required; see docs/settings.md"
    ]


def test_nothing_is_generated_for_a_wrong_inventory(tmp_path: Path) -> None:
    _mistakes(tmp_path, {**RIGHT, "users": 0})
    assert [path.name for path in tmp_path.iterdir()] == ["example.py"]


NOW = datetime.now(UTC)


def _leaf(name: str, now: datetime = NOW) -> Pair:
    return new_leaf(new_authority("test", now), [name], now)


def _pair_files(folder: Path, pair: Pair, key: Pair | None = None) -> tuple[Path, Path]:
    certificate, private = folder / "site.pem", folder / "site.key"
    certificate.write_text(pair.certificate)
    private.write_text((key or pair).key.get_secret_value())
    return certificate, private


@pytest.mark.parametrize(
    ("pair", "other_key", "path", "words"),
    [
        (_leaf("chat.example.com"), _leaf("chat.example.com"), "tls.key", "does not match"),
        (_leaf("other.example.com"), None, "tls.certificate", "other.example.com"),
        (
            _leaf("chat.example.com", NOW - timedelta(days=400)),
            None,
            "tls.certificate",
            "which expired on",
        ),
    ],
    ids=["another key", "another name", "expired"],
)
def test_a_certificate_that_will_not_do(
    tmp_path: Path, pair: Pair, other_key: Pair | None, path: str, words: str
) -> None:
    certificate, key = _pair_files(tmp_path, pair, other_key)
    tls = {"mode": "files", "certificate": str(certificate), "key": str(key)}
    (sentence,) = _mistakes(tmp_path, {**RIGHT, "tls": tls})
    assert sentence.startswith(f"{path}: found ")
    assert words in sentence
    assert pair.key.get_secret_value() not in sentence


def test_a_certificate_that_will_do(tmp_path: Path) -> None:
    pair = _leaf("chat.example.com")
    certificate, key = _pair_files(tmp_path, pair)
    tls = {"mode": "files", "certificate": str(certificate), "key": str(key)}
    assert Site.load(written(tmp_path, {**RIGHT, "tls": tls})).certificate == pair


def test_an_external_database_needs_its_password(tmp_path: Path) -> None:
    dsn = "postgres://mattermost@db.example.com/mattermost?sslmode=verify-full"
    site = {**RIGHT, "postgres": {"dsn": dsn}}
    assert _mistakes(tmp_path, site) == [
        "database_password: found nothing; write it into the secrets file beside the inventory, "
        "or into the environment as MATTERMOST_HOST_DATABASE_PASSWORD"
    ]


def test_an_external_database_with_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATTERMOST_HOST_DATABASE_PASSWORD", "hunter2")
    dsn = "postgres://mattermost@db.example.com/mattermost?sslmode=verify-full"
    site = Site.load(written(tmp_path, {**RIGHT, "postgres": {"dsn": dsn}}))
    assert "hunter2" in site.environment["MM_SQLSETTINGS_DATASOURCE"]
    assert "postgres" not in site.surfaces("@fake/host", DEBIAN_12)
    assert "hunter2" not in repr(site)


@pytest.mark.parametrize(
    ("password", "right"), [("x" * 4, False), ("x" * 72, True), ("ü" * 37, False)]
)
def test_a_password_that_the_server_never_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, right: bool
) -> None:
    """Told before anything is touched, without the password."""
    monkeypatch.setenv(ADMIN_VARIABLE, password)
    path = written(tmp_path, RIGHT)
    if right:
        assert Site.load(path).secrets.admin_password.get_secret_value() == password
        return
    with pytest.raises(SiteError) as refused:
        Site.load(path)
    (mistake,) = refused.value.mistakes
    assert str(mistake).startswith(
        f"admin_password: found a password of {len(password.encode())} bytes; Mattermost takes 5 to"
    )
    assert password not in str(mistake)


def test_without_config_py_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "_current", None)
    with pytest.raises(OperatorError) as raised:
        Site.current()
    assert "run pyinfra in the folder that holds config.py" in str(raised.value)
