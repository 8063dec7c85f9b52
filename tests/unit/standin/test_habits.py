"""What the stand-in does wrong on purpose, and how it differs from release to release."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.standin.build import build
from tests.standin.cluster import Cluster
from tests.standin.running import NotReady, Standin, standin, unpack

pytest_plugins = ["tests.standin.fixtures"]

PASSWORD = "Passw0rd!habit"
Make = Callable[..., Standin]


@pytest.fixture
def database(cluster: Cluster) -> str:
    return cluster.new_database()


@pytest.fixture
def made(home: Path, cluster: Cluster, database: str) -> Iterator[Make]:
    """Servers of several releases on one database, one after the other."""
    open_ones = []

    def make(version: str, *habits: str) -> Standin:
        name = "-".join((version, *habits))
        tree = home / "trees" / name
        if not tree.is_dir():
            tree.mkdir(parents=True)
            unpack(build(home / "release", version, habits), tree)
        context = standin(
            tree / "mattermost", home / f"{database}-{name}", cluster.data_source(database)
        )
        open_ones.append(context)
        return context.__enter__()

    yield make
    for context in open_ones:
        context.__exit__(None, None, None)


def _ask(server: Standin, path: str, token: str = "", **content: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{server.url}/api/v4{path}"
    return requests.post(address, json=content.get("json"), headers=headers, timeout=20)


def _user(server: Standin) -> str:
    user = {"username": "somebody", "email": "somebody@example.com", "password": PASSWORD}
    return str(_ask(server, "/users", json=user).json()["id"])


def _log_in(server: Standin) -> requests.Response:
    return _ask(server, "/users/login", json={"login_id": "somebody", "password": PASSWORD})


def _post(server: Standin, token: str, user: str) -> int:
    channel = _ask(server, "/channels/direct", token, json=[user, user])
    message = {"channel_id": channel.json()["id"], "message": "Said to myself."}
    return _ask(server, "/posts", token, json=message).status_code


def test_a_log_in_under_11_locks_out_of_10_and_5_refuses_posts(made: Make) -> None:
    old = made("10.11.20")
    old.start()
    user = _user(old)
    assert _log_in(old).status_code == 200
    old.end()
    new = made("11.7.9")
    new.start()
    answer = _log_in(new)
    assert _post(new, answer.headers["Token"], user) == 201
    new.end()
    old.start()
    assert _log_in(old).status_code == 401
    assert _post(old, answer.headers["Token"], user) == 201
    old.end()
    oldest = made("5.37.0")
    oldest.start()
    assert _post(oldest, answer.headers["Token"], user) == 500


def test_habits(made: Make) -> None:
    sound = made("10.11.20")
    sound.start()
    user = _user(sound)
    token = _log_in(sound).headers["Token"]
    sound.end()
    for habit in ("exits", "fails-after-migrations"):
        with pytest.raises(NotReady):
            made("10.11.21", habit).start()
    refusing = made("10.11.21", "refuses-log-ins")
    refusing.start()
    assert _log_in(refusing).status_code == 401
    assert _post(refusing, token, user) == 201
    refusing.end()
    silent = made("10.11.21", "refuses-posts")
    silent.start()
    assert _log_in(silent).status_code == 200
    assert _post(silent, token, user) == 500


def test_a_saved_plan_takes_the_migrations_back(made: Make) -> None:
    """The older release runs it and keeps what was written; saving it claims a migration."""
    saving = ("mattermost", "db", "migrate", "--save-plan", "--dry-run")
    old, new = made("10.11.20"), made("11.7.9")
    old.start()
    user = _user(old)
    old.end()
    assert old.command(*saving).returncode == 2
    for one in (old, new):
        one.environment["MM_SERVICESETTINGS_LOCALMODESOCKETLOCATION"] = "/run/nowhere/local.socket"
    refused = new.command(*saving)
    assert (refused.returncode, "local socket" in refused.stderr) == (1, True)
    for one in (old, new):
        one.environment["MM_SERVICESETTINGS_ENABLELOCALMODE"] = "false"
    said = new.command(*saving)
    assert (said.returncode, "Database successfully migrated" in said.stdout) == (0, True)
    (plan,) = new.state.rglob("migration_plan_*")
    assert (plan.name, oct(plan.stat().st_mode)[-3:]) == ("migration_plan_6_7.json", "600")
    new.start()
    token = _log_in(new).headers["Token"]
    assert _post(new, token, user) == 201
    assert "No migrations to apply." in new.command(*saving).stdout
    new.end()
    assert old.command("mattermost", "db", "downgrade", str(plan)).returncode == 0
    old.start()
    assert _post(old, token, user) == 201
    assert old.command("mattermost", "db", "downgrade", str(plan)).returncode == 1
