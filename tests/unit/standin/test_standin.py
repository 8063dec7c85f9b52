"""The stand-in server, run for real: it must be no kinder than the server it stands in for."""

import os
import shutil
import signal
import socket
import tarfile
import time
from pathlib import Path

import pytest

from tests.standin.build import build
from tests.standin.cluster import free_port
from tests.standin.running import START, Standin, wait_until
from tests.unit.standin.starts import refused, write_config

pytest_plugins = ["tests.standin.fixtures"]


# The tarball


def test_build_gives_the_same_bytes_each_time(tarball: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == tarball.read_bytes()


def test_tarball_has_the_official_layout_and_nothing_compiled(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        members = {member.name: member for member in archive}
    folders = ("bin", "client", "config", "fonts", "i18n", "prepackaged_plugins", "templates")
    assert tarball.name == "mattermost-standin-11.7.9-linux-amd64.tar.gz"
    assert all(members[f"mattermost/{folder}"].isdir() for folder in folders)
    assert members["mattermost/bin/mattermost"].mode == 0o755
    assert members["mattermost/bin/mmctl"].mode == 0o755
    assert {name.split("/")[0] for name in members} == {"mattermost"}
    assert not [name for name in members if name.endswith((".so", ".pyc"))]
    assert not [name for name in members if name.startswith("mattermost/client/") and ".gz" in name]


def test_static_files_have_the_sizes_that_matter(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        scripts = [member for member in archive if member.name.endswith(".js")]
    assert len(scripts) >= 31
    assert {2_000_000, 50_000} <= {script.size for script in scripts}


# Start


def test_start_says_ready_only_when_the_port_answers(server: Standin) -> None:
    place = server.state / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        place.chmod(0o777)
        systemd.settimeout(START)
        server.launch(NOTIFY_SOCKET=str(place))
        assert systemd.recv(100) == b"READY=1"
        assert server.answers()
        assert server.signal(signal.SIGTERM) == 0
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)  # no STOPPING=1


def test_config_is_completed_and_keeps_no_override_and_no_unknown_key(server: Standin) -> None:
    write_config(server, '{"ServiceSettings": {"Nonsense": 1}, "TeamSettings": {"SiteName": "A"}}')
    server.start(MM_SERVICESETTINGS_SITEURL="https://chat.example.org/", MM_TEAMSETTINGS_NONE="1")
    assert server.stored("TeamSettings.SiteName") == "A"
    assert server.stored("ServiceSettings.SiteURL") == ""
    assert server.stored("SqlSettings.DataSource").startswith("postgres://mmuser:mostest@")
    assert "Nonsense" not in server.config.read_text()
    shown = server.get("/api/v4/config/client?format=old").json()
    assert shown["SiteURL"] == "https://chat.example.org"


@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o077, 0o600)])
def test_config_is_made_under_the_umask_where_it_is_missing(
    server: Standin, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        server.start()
    finally:
        os.umask(before)
    assert server.config.stat().st_mode & 0o777 == mode
    assert len(server.stored("FileSettings.PublicLinkSalt")) == 32


def test_config_keeps_its_mode(server: Standin) -> None:
    write_config(server, "{}")
    server.config.chmod(0o600)
    server.start()
    assert server.config.stat().st_mode & 0o777 == 0o600


def test_page_that_the_service_may_not_write_is_logged_and_no_more(
    server: Standin, tree: Path
) -> None:
    server.tree = shutil.copytree(tree, server.state / "release", copy_function=os.link)
    page = server.tree / "client" / "root.html"
    page.unlink()
    page.write_text("<html></html>")
    page.chmod(0o444)
    server.start()
    assert "Failed to update the web application's root.html" in server.output
    assert server.get("/").status_code == 200


def test_config_that_the_service_may_not_write_ends_the_start(server: Standin) -> None:
    server.config.write_text("{}")
    server.config.chmod(0o444)
    line = refused(server)
    assert "failed to persist" in line
    assert "permission denied" in line


def test_number_that_is_none_is_ignored_in_silence(server: Standin) -> None:
    server.start(MM_FILESETTINGS_MAXFILESIZE="lots", MM_TEAMSETTINGS_ENABLEOPENSERVER="perhaps")
    shown = server.get("/api/v4/config/client?format=old").json()
    assert shown["MaxFileSize"] == "104857600"
    assert shown["EnableOpenServer"] == "false"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MM_SERVICESETTINGS_SITEURL", "chat.example.org", "SiteURL must be a valid URL"),
        ("MM_SQLSETTINGS_DRIVERNAME", "mysql", "DriverName must be postgres"),
        ("MM_SQLSETTINGS_MAXOPENCONNS", "0", "MaxOpenConns must be a positive number"),
        ("MM_TEAMSETTINGS_EXPERIMENTALVIEWARCHIVEDCHANNELS", "false", "can't be false"),
        ("MM_CACHESETTINGS_CACHETYPE", "redis", "RedisAddress must not be empty"),
        ("MM_EXPERIMENTALSETTINGS_CLIENTSIDECERTENABLE", "true", "was removed"),
        ("MM_FILESETTINGS_PUBLICLINKSALT", "short", "must have 32 characters"),
        ("MM_SERVICESETTINGS_ALLOWCOOKIESFORSUBDOMAINS", "true", "needs ServiceSettings.SiteURL"),
        ("MM_CONFIG", "postgres://user:secret@host/db", "failed to load configuration"),
    ],
)
def test_setting_that_release_11_refuses(
    server: Standin, variable: str, value: str, sentence: str
) -> None:
    line = refused(server, **{variable: value})
    assert sentence in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"SqlSettings": {"DataSource": "secret"', "is no JSON"),
        ('{"SqlSettings": {"MaxOpenConns": "secret"}}', "cannot unmarshal"),
        ('{"SqlSettings": []}', "no object around"),
    ],
)
def test_config_that_can_not_be_read(server: Standin, text: str, sentence: str) -> None:
    write_config(server, text)
    line = refused(server)
    assert sentence in line
    assert "secret" not in line


@pytest.mark.parametrize("folder", ["i18n", "templates"])
def test_folder_without_which_nothing_starts(server: Standin, tree: Path, folder: str) -> None:
    server.tree = shutil.copytree(tree, server.state / "release", copy_function=os.link)
    shutil.rmtree(server.tree / folder)
    assert f"unable to find the folder {folder}/" in refused(server)


def test_client_may_be_missing(server: Standin, tree: Path) -> None:
    server.tree = shutil.copytree(tree, server.state / "release", copy_function=os.link)
    shutil.rmtree(server.tree / "client")
    server.start()
    assert server.get("/").status_code == 404


def test_relative_folders_fall_under_the_working_directory(server: Standin) -> None:
    server.start(MM_PLUGINSETTINGS_CLIENTDIRECTORY="./client/plugins")
    made = {"data", "plugins", "client", "logs"}
    assert made <= {path.name for path in server.state.iterdir()}
    assert (server.state / "logs" / "mattermost.log").stat().st_mode & 0o777 == 0o600


def test_ping_knows_nothing_of_a_data_folder_that_can_not_be_written(server: Standin) -> None:
    server.start()
    (server.state / "data").chmod(0o555)
    assert server.get("/api/v4/system/ping").status_code == 200
    answer = server.get("/api/v4/system/ping?get_server_status=true")
    assert answer.status_code == 500
    assert answer.json()["filestore_status"] == "UNHEALTHY"
    (server.state / "data").chmod(0o755)


# Signals and ports


def test_sigterm_in_the_first_instants_kills(server: Standin) -> None:
    server.data_source = f"postgres://mm@127.0.0.1:{free_port()}/mm?sslmode=disable"
    server.launch()
    wait_until(lambda: "Failed to ping DB" in server.output, START)
    assert server.signal(signal.SIGTERM) == -signal.SIGTERM  # a shell calls that 143


def test_sigterm_ends_with_0_while_clients_are_connected_late_after_a_start_and_closed_at_once(
    server: Standin,
) -> None:
    server.start()
    client = server.connect()
    start = time.monotonic()
    server.running.send_signal(signal.SIGTERM)
    wait_until(lambda: not server.answers(), 5)
    assert server.running.poll() is None
    assert server.exit_status() == 0
    assert time.monotonic() - start > 10
    client.close()
    assert not server.local_socket.exists()


def test_sighup_kills(server: Standin) -> None:
    server.start()
    assert server.signal(signal.SIGHUP) == -signal.SIGHUP


def test_port_in_use_ends_the_start(server: Standin) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        assert "address already in use" in refused(server)
