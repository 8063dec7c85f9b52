"""What a site hands on to its parts: the command line, passwords, numbers, roles."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.certificates.authority import new_authority
from mattermost_host.components import nginx
from mattermost_host.components.mattermost import DATABASE_CA_FILE
from mattermost_host.engine import locks, pyinfra_command
from mattermost_host.engine.inventory import CommandLine
from mattermost_host.facts.place import Place, installed_on
from mattermost_host.knowledge import mattermost_settings
from mattermost_host.knowledge.postgresql_sizing import Pool
from mattermost_host.knowledge.surface import Surface
from mattermost_host.ops.entries import File
from mattermost_host.preflight import external_database_findings
from mattermost_host.releases.choice import Release
from mattermost_host.site import site as site_module
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError, SiteError
from tests.unit.examples import DEBIAN_12
from tests.unit.site.whole import planned

RIGHT = {"url": "https://chat.example.com", "users": 50}
DSN = "postgres://mattermost@db.example.com/mattermost?sslmode=verify-full"


@pytest.fixture(autouse=True)
def no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "_current", None)
    monkeypatch.setattr(Site, "_lock", None)


def _inventory(folder: Path, hosts: str = 'app = db = proxy = ["h1"]', **changed: Any) -> Path:
    path = folder / "chat.py"
    path.write_text(f"site = { ({**RIGHT, **changed})!r}\n{hosts}\n")
    return path


def test_what_was_typed_about_hosts_goes_before_the_inventory(tmp_path: Path) -> None:
    told = CommandLine({"ssh_user": "typed"})
    (host,) = Site.load(_inventory(tmp_path), told).hosts
    assert host.data["ssh_user"] == "typed"


def test_a_database_alone_on_its_host_has_more_of_it(tmp_path: Path) -> None:
    site = Site.load(_inventory(tmp_path))
    alone = replace(site, hosts=tuple(replace(host, roles=("db",)) for host in site.hosts))
    shared, whole = (
        int(one.postgres_parameters("h1", DEBIAN_12)["shared_buffers"].removesuffix("MB"))
        for one in (site, alone)
    )
    assert whole > shared
    two = replace(site, hosts=tuple(replace(host, roles=("app", "db")) for host in site.hosts))
    assert two.postgres_parameters("h1", DEBIAN_12)["shared_buffers"] == f"{shared}MB"


def test_an_external_database_is_asked_with_all_that_the_site_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def requires(dsn: Any, password: SecretStr, **rest: Any) -> list[Any]:
        asked.update(rest, dsn=dsn, password=password.get_secret_value())
        return []

    monkeypatch.setattr(external_database_findings, "inquiries", requires)
    monkeypatch.setenv("MATTERMOST_HOST_DATABASE_PASSWORD", "hunter2")
    settings = {"SqlSettings.MaxOpenConns": 77}
    authority = new_authority("test", datetime.now(UTC)).certificate
    (tmp_path / "ca.pem").write_text(authority)
    external = {"dsn": DSN, "ca_certificate": str(tmp_path / "ca.pem")}
    site = Site.load(_inventory(tmp_path, postgres=external, mattermost={"settings": settings}))
    site.requirements("h1")
    assert asked["password"] == "hunter2"
    assert asked["pool"] == Pool(max_open=77)
    assert asked["dsn"] == site.dsn
    assert asked["authorities"].decode() == authority
    assert asked["version_on"](DEBIAN_12) == "11.7.9"


def test_the_database_has_room_for_the_connections_that_are_set(tmp_path: Path) -> None:
    settings = {"SqlSettings.MaxOpenConns": 77}
    site = Site.load(_inventory(tmp_path, mattermost={"settings": settings}))
    expected = str(Pool(max_open=77).connections)
    assert site.postgres_parameters("h1", DEBIAN_12)["max_connections"] == expected
    assert expected != str(Pool().connections)


def test_the_authority_of_an_external_database_reaches_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = new_authority("test", datetime.now(UTC)).certificate
    (tmp_path / "ca.pem").write_text(f"Größe\n{authority}", encoding="latin-1")
    external = {"dsn": DSN, "ca_certificate": str(tmp_path / "ca.pem")}
    result = planned({"postgres": external}, tmp_path, monkeypatch)
    assert result.text(DATABASE_CA_FILE) == authority


def test_a_host_that_only_looks_for_drift_has_no_role_and_no_component(tmp_path: Path) -> None:
    site = Site.load(_inventory(tmp_path))
    assert site.roles("elsewhere") == ()
    assert dict(site.surfaces("elsewhere", DEBIAN_12)).keys() == {"base", "firewall"}


def test_a_release_is_that_of_the_host_s_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    release = Release("11.7.9-0123abcd", lambda _: pytest.fail("fetched"))

    def release_to_run(*arguments: Any, by_hash: bool) -> Release:
        asked.append((*arguments[1:], by_hash))
        return release

    monkeypatch.setattr(site_module, "release_to_run", release_to_run)
    site = Site.load(_inventory(tmp_path))
    arm = replace(DEBIAN_12, architecture="arm64", releases=("11.7.9-0123abcd",))
    assert site.release(arm) is release
    ((architecture, found, by_hash),) = asked
    assert (architecture, by_hash) == ("arm64", False)
    assert found == installed_on(arm)


def test_secret_settings_are_judged_by_the_stated_release(tmp_path: Path) -> None:
    gone = next(
        name
        for name, one in mattermost_settings.known().items()
        if mattermost_settings.is_secret(name) and one.in_5 and not one.in_11
    )
    secrets = tmp_path / "chat.secrets.toml"
    secrets.touch(mode=0o600)
    secrets.write_text(f'[settings]\n"{gone}" = "Ex4mple-Secret-of-many-characters"\n')
    assert Site.load(_inventory(tmp_path)).secrets.settings.keys() == {gone}
    stated = {"release": {"version": "11.7.9"}}
    with pytest.raises(SiteError, match=re.escape(f'settings."{gone}"')):
        Site.load(_inventory(tmp_path, mattermost=stated))


def test_what_a_site_is_called_and_skips(tmp_path: Path) -> None:
    path = _inventory(tmp_path, skip={"disk": "it is on the network"})
    site = Site.load(path)
    assert site.name == "chat.example.com"
    assert dict(site.skip) == {"disk": "it is on the network"}
    assert site.administrator_email == "sysadmin@chat.example.com"
    with pytest.raises(SiteError, match=re.escape(str(path))):
        Site.load(_inventory(tmp_path, users=0))
    with pytest.raises(SiteError, match=re.escape(str(path))):
        Site.load(_inventory(tmp_path, postgres={"dsn": DSN}))


def test_a_component_is_told_of_its_host_and_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Place] = []

    def surface(_: Any, place: Place) -> Surface:
        told.append(place)
        return Surface()

    monkeypatch.setattr(nginx, "surface", surface)
    Site.load(_inventory(tmp_path)).surfaces("h1", DEBIAN_12)
    (place,) = told
    assert place.facts is DEBIAN_12
    assert set(place.roles) == {"app", "db", "proxy"}
    assert (place.site.url, place.site.users) == ("https://chat.example.com", 50)
    assert place.site.secrets_file == str(tmp_path / "chat.secrets.toml")
    (peer,) = place.peers
    assert (peer.name, set(peer.roles)) == ("h1", {"app", "db", "proxy"})
    assert peer.addresses == DEBIAN_12.addresses


def test_a_licence_reaches_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "licence").write_bytes(b"licence")
    stated = {"mattermost": {"licence": str(tmp_path / "licence")}}
    result = planned(stated, tmp_path, monkeypatch)
    assert b"licence" in [one.data for one in result.entries if isinstance(one, File)]


class Typed(dict[str, Any]):
    """A command line of pyinfra, as it reads config.py."""

    def __init__(self, inventory: Path, *operations: str, **changed: Any) -> None:
        none = dict.fromkeys(
            ("ssh_user", "ssh_key", "ssh_key_password", "ssh_port", "ssh_password")
        )
        flags = dict.fromkeys(("dry", "debug_facts", "debug_operations"), False)
        super().__init__(
            none | flags | {"inventory": str(inventory), "operations": operations} | changed
        )
        self.setdefault("data", ())
        self.setdefault("group_data", ())


def _load(monkeypatch: pytest.MonkeyPatch, typed: Typed | None) -> None:
    monkeypatch.setattr(pyinfra_command, "parameters", lambda: typed)
    Site.load_for_pyinfra()


def _is_locked(inventory: Path) -> bool:
    try:
        with locks.held(inventory):
            return False
    except OperatorError:
        return True


def test_a_deploy_takes_the_lock_and_keeps_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = _inventory(tmp_path)
    _load(monkeypatch, Typed(inventory, "deploys/site.py", ssh_user="typed"))
    assert Site.current().path == inventory
    assert Site.current().hosts[0].data["ssh_user"] == "typed"
    assert (tmp_path / "chat.secrets.toml").exists()
    assert Site._lock is not None
    assert _is_locked(inventory)
    Site._lock.close()
    assert not _is_locked(inventory)


@pytest.mark.parametrize("changed", [{"dry": True}, {"operations": ("fact", "server.Os")}])
def test_a_run_that_changes_nothing_takes_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    inventory = _inventory(tmp_path)
    _load(monkeypatch, Typed(inventory, "deploys/site.py", **changed))
    assert Site.current().path == inventory
    assert Site._lock is None
    assert [path.name for path in tmp_path.iterdir()] == ["chat.py"]


def test_a_file_that_is_not_there_is_a_sentence_and_a_host_s_name_is_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperatorError, match="there is no inventory"):
        _load(monkeypatch, Typed(tmp_path / "missing.py", "deploys/site.py"))
    _load(monkeypatch, Typed(Path("@local"), "server.shell"))
    _load(monkeypatch, None)
    assert Site._current is None


def test_a_site_that_a_command_loaded_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Site.use(_inventory(tmp_path))
    _load(monkeypatch, Typed(tmp_path / "missing.py", "deploys/site.py"))
    assert Site.current() is loaded
