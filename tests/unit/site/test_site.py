"""The site: every mistake of an inventory at once and before any connection; the whole run."""

import io
import runpy
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.ops import files
from mattermost_host.ops.entries import File
from mattermost_host.releases import choice
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError, SiteError
from tests.unit.examples import DEBIAN_12, converged
from tests.unit.fake_host import Answer, Plan, apply, nothing_installed, plan

PROJECT = Path(__file__).parents[3]
INVENTORIES = sorted(
    path for path in (PROJECT / "inventories").glob("*.py") if path.name != "__init__.py"
)
RIGHT = {"url": "https://chat.example.com", "users": 50}
ALL_ROLES = 'app = db = proxy = ["@fake/host"]'


def _write(folder: Path, site: dict[str, Any], hosts: str = ALL_ROLES) -> Path:
    path = folder / "example.py"
    path.write_text(f"site = {site!r}\n{hosts}\n")
    return path


def _mistakes(folder: Path, site: dict[str, Any], hosts: str = ALL_ROLES) -> list[str]:
    with pytest.raises(SiteError) as raised:
        Site.load(_write(folder, site, hosts))
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.name)
def test_every_inventory_of_the_project_loads(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    site = Site.load(copy)
    (host,) = site.hosts
    assert set(site.roles(host.name)) == {"app", "db", "proxy"}
    assert {"base", "firewall", "postgres", "mattermost", "tls", "nginx"} == set(
        site.surfaces(host.name, DEBIAN_12)
    )
    names = [needed.name for needed in site.requirements(host.name) if hasattr(needed, "name")]
    assert names


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
        "urls: found an unknown key; known keys: base, drift, file_use, firewall, "
        "mattermost, nginx, postgres, skip, tls, url, users",
    ),
    (
        {"postgres": {"verson": 16}},
        "postgres.verson: found an unknown key; known keys: ca_certificate, dsn, pgdg, version",
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
        {"mattermost": {"licence": "/no/such.license"}},
        "mattermost.licence: found '/no/such.license'; there is no such file on this machine",
    ),
    (
        {"postgres": {"version": 16}},
        "postgres.version: found 16; "
        "write pgdg = True beside it; a distribution has one version only",
    ),
    (
        {"tls": {"mode": "files"}},
        'tls.certificate: found nothing; a file is needed with mode "files"',
    ),
]


@pytest.mark.parametrize(("site", "sentence"), MISTAKES, ids=lambda value: str(value)[:50])
def test_each_mistake_is_this_sentence(tmp_path: Path, site: dict[str, Any], sentence: str) -> None:
    assert sentence in _mistakes(tmp_path, {**RIGHT, **site})


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
    "postgres": {"version": 16},
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
    "postgres.version",
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
    assert Site.load(_write(tmp_path, {**RIGHT, "tls": tls})).certificate == pair


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
    site = Site.load(_write(tmp_path, {**RIGHT, "postgres": {"dsn": dsn}}))
    assert "hunter2" in site.environment["MM_SQLSETTINGS_DATASOURCE"]
    assert "postgres" not in site.surfaces("@fake/host", DEBIAN_12)
    assert "hunter2" not in repr(site)


def test_without_config_py_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "_current", None)
    with pytest.raises(OperatorError) as raised:
        Site.current()
    assert "run pyinfra in the folder that holds config.py" in str(raised.value)


class Listening:
    """A port of this machine that remembers whether anybody came."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    @property
    def visited(self) -> bool:
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    with made.socket:
        yield made


def _pyinfra(inventory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pyinfra")
    command = [str(program), *options, str(inventory), "deploys/site.py"]
    return subprocess.run(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("options", [(), ("-y",), ("--dry",), ("-y", "-vvv")], ids=str)
def test_pyinfra_itself_says_it_all_and_connects_to_nobody(
    tmp_path: Path, listening: Listening, options: tuple[str, ...]
) -> None:
    here = f'("127.0.0.1", {{"ssh_port": {listening.port}}})'
    hosts = f'app = db = proxy = [{here}]\ndb = [{here}, "127.0.0.3"]\nweb = ["127.0.0.2"]'
    done = _pyinfra(_write(tmp_path, EVERYTHING_WRONG, hosts), *options)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "12 mistakes; nothing was changed" in said
    assert all(f"  - {path}: found " in said for path in WRONG_PATHS), said
    assert "Traceback" not in said
    assert not listening.visited


def test_an_inventory_that_is_right_does_connect(tmp_path: Path, listening: Listening) -> None:
    """The counterpart: the listening port above would have noticed."""
    here = f'("127.0.0.1", {{"ssh_port": {listening.port}, "ssh_connect_retries": 0}})'
    path = _write(tmp_path, RIGHT, f"app = db = proxy = [{here}]")
    program = Path(sys.executable).with_name("pyinfra")
    with subprocess.Popen(
        [str(program), "--dry", str(path), "deploys/site.py"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        listening.socket.settimeout(30)
        connection, _ = listening.socket.accept()
        connection.close()
        process.terminate()


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    done = _pyinfra(tmp_path / "missing.py")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"there is no inventory file {tmp_path}/missing.py" in said
    assert "Traceback" not in said


@pytest.fixture
def whole_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The site of all of deploys/site.py, with a tarball that nobody needs to fetch."""
    tarball = tmp_path / "mattermost-11.7.9.tar.gz"
    tarball.touch()
    release = {"file": str(tarball), "unverified": True}
    site = Site.load(_write(tmp_path, {**RIGHT, "mattermost": {"release": release}}))
    monkeypatch.setattr(Site, "_current", site)
    wanted = release_of(tarball)
    monkeypatch.setattr(Site, "release", lambda *_: wanted)
    return site


def release_of(tarball: Path) -> Any:
    """The release in ``tarball``, taken as it is."""
    from mattermost_host.releases.choice import Release
    from mattermost_host.releases.download import Tarball

    return Release("11.7.9", lambda _: Tarball(tarball, "ab" * 32))


def _deploy() -> None:
    runpy.run_path(str(PROJECT / "deploys" / "site.py"))


def _whole(run: Any, answer: Answer = nothing_installed) -> Plan:
    done = run(_deploy, answer=answer, facts=DEBIAN_12)
    assert isinstance(done, Plan)
    return done


def test_the_whole_site_on_a_fresh_host(whole_site: Site) -> None:
    result = _whole(plan)
    components = [step.name.split(" | ")[0] for step in result.steps if " | " in step.name]
    assert list(dict.fromkeys(components)) == [
        "Base",
        "Firewall",
        "PostgreSQL",
        "Mattermost",
        "TLS",
        "NGINX",
    ]
    assert not any(step.conditional for step in result.steps)
    password = whole_site.secrets.admin_password.get_secret_value()
    assert password not in result.shell
    assert password not in "".join(step.name for step in result.steps)


def test_the_whole_site_on_a_converged_host_yields_nothing(whole_site: Site) -> None:
    answer = converged(_whole(plan))
    assert _whole(plan, answer).changed == []
    assert _whole(apply, answer).changed == []


MOST_COMMANDS = 12


def test_a_run_that_changes_nothing_sends_few_commands(whole_site: Site) -> None:
    answer = converged(_whole(plan))
    done = _whole(apply, answer)
    assert done.changed == []
    # The host's facts, and then every question at once.
    assert done.round_trips == 2
    assert done.round_trips <= MOST_COMMANDS


def test_their_number_does_not_grow_with_the_number_of_files(
    whole_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = _whole(apply, converged(_whole(plan))).round_trips
    real = files.present

    def present(name: str, entries: Any, check: files.Check | None = None) -> Any:
        more = [File(f"{entry.path}.{n}", "x") for entry in entries for n in range(20)]
        return real(name, [*entries, *more], check)

    monkeypatch.setattr(files, "present", present)
    fresh = _whole(plan)
    assert len(fresh.entries) > 200
    assert _whole(apply, converged(fresh)).round_trips == few


def test_every_secret_of_the_site_is_kept_out_of_sight(whole_site: Site) -> None:
    secrets = whole_site.secrets
    values = [secrets.admin_password, *(pair.key for pair in secrets.certificates.values())]
    result = _whole(plan)
    for value in values:
        assert isinstance(value, SecretStr)
        text = value.get_secret_value()
        assert text not in result.shell
        assert text not in repr(whole_site)
        for entry in result.entries:
            if isinstance(entry, File) and text.encode() in entry.data:
                assert entry.secret, entry.path
                assert entry.mode in {"600", "640"}, entry.path


def test_each_host_keeps_its_own_release(tmp_path: Path) -> None:
    site = Site.load(_write(tmp_path, RIGHT, 'app = db = proxy = ["@fake/a"]'))
    old, new = "10.11.0-0123abcd", "11.7.9-a22e631a"
    hosts = {
        folder: replace(DEBIAN_12, releases=(folder,), current_release=f"releases/{folder}")
        for folder in (old, new)
    }
    assert [site.release(facts).folder for facts in hosts.values()] == [old, new]
    assert not site.release(hosts[old]).can_be_verified, "it is another build than the table's"
    assert site.release(hosts[new]).can_be_verified
    assert site.release(DEBIAN_12).folder == new, "a first deploy takes the table's default"
    versions = [site.place("@fake/a").site.version_on(facts) for facts in hosts.values()]
    assert versions == ["10.11.0", "11.7.9"]


def test_a_run_that_changes_fetches_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site.load(_write(tmp_path, RIGHT))
    monkeypatch.setattr(choice, "_fetched", lambda source: pytest.fail(source.location))
    site.release(DEBIAN_12)
    monkeypatch.setattr(Site, "_lock", io.StringIO())
    with pytest.raises(pytest.fail.Exception, match=r"11\.7\.9"):
        site.release(DEBIAN_12)
