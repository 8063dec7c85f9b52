"""pyinfra's own command with our deploy, and the whole of deploys/site.py on one host."""

import io
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mattermost_host.components.mattermost import ENVIRONMENT_FILE
from mattermost_host.components.tls import KEY
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops import files
from mattermost_host.ops.entries import File
from mattermost_host.releases import choice
from mattermost_host.site.site import Site
from tests.unit.examples import DEBIAN_12, ROCKY_9, converged
from tests.unit.fake_host import Answer, Plan, apply, nothing_installed, plan
from tests.unit.site.test_site import EVERYTHING_WRONG, PROJECT, RIGHT, WRONG_PATHS, written


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
    done = _pyinfra(written(tmp_path, EVERYTHING_WRONG, hosts), *options)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "12 mistakes; nothing was changed" in said
    assert all(f"  - {path}: found " in said for path in WRONG_PATHS), said
    assert "Traceback" not in said
    assert not listening.visited


def test_an_inventory_that_is_right_does_connect(tmp_path: Path, listening: Listening) -> None:
    """The counterpart: the listening port above would have noticed."""
    here = f'("127.0.0.1", {{"ssh_port": {listening.port}, "ssh_connect_retries": 0}})'
    path = written(tmp_path, RIGHT, f"app = db = proxy = [{here}]")
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
    site = Site.load(written(tmp_path, {**RIGHT, "mattermost": {"release": release}}))
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


def _whole(run: Any, answer: Answer = nothing_installed, facts: HostFacts = DEBIAN_12) -> Plan:
    done = run(_deploy, answer=answer, facts=facts)
    assert isinstance(done, Plan)
    return done


def test_the_whole_site_on_a_fresh_host(whole_site: Site) -> None:
    result = _whole(plan)
    components = [step.name.split(" | ")[0] for step in result.steps if " | " in step.name]
    assert list(dict.fromkeys(components)) == [
        "Base",
        "Firewall",
        "PostgreSQL",
        "Backup",
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


@pytest.mark.parametrize("facts", [DEBIAN_12, ROCKY_9], ids=["Debian", "Enterprise Linux"])
def test_a_run_that_changes_nothing_sends_few_commands(whole_site: Site, facts: HostFacts) -> None:
    answer = converged(_whole(plan, facts=facts))
    done = _whole(apply, answer, facts)
    assert done.changed == []
    # The host's facts, and then every question at once, whatever the distribution.
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


def test_what_is_verified_of_a_secret_file_is_what_was_written(whole_site: Site) -> None:
    result = _whole(plan)
    surfaces = whole_site.surfaces("@fake/host", DEBIAN_12).values()
    declared = {file.path: file for surface in surfaces for file in surface.secret_files}
    # The server writes its configuration itself.
    written = [one for one in result.entries if isinstance(one, File) and one.path in declared]
    assert {one.path for one in written} == {KEY, ENVIRONMENT_FILE}
    for one in written:
        file = declared[one.path]
        assert (one.mode, one.user, one.group) == (file.mode, file.owner, file.group)


def test_each_host_keeps_its_own_release(tmp_path: Path) -> None:
    site = Site.load(written(tmp_path, RIGHT, 'app = db = proxy = ["@fake/a"]'))
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
    site = Site.load(written(tmp_path, RIGHT))
    monkeypatch.setattr(choice, "fetched", lambda source, cache: pytest.fail(source.location))
    site.release(DEBIAN_12)
    monkeypatch.setattr(Site, "_lock", io.StringIO())
    with pytest.raises(pytest.fail.Exception, match=r"11\.7\.9"):
        site.release(DEBIAN_12)
