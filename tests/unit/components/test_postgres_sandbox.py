"""PostgreSQL's sandbox: what it may write to, what systemd makes of it, and data outside of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import backup, postgres
from mattermost_host.components.postgres import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.postgresql_service import Archive
from mattermost_host.preflight.finding import Finding
from tests.unit.examples import DEBIAN_12, ROCKY_9, mistakes_of, place
from tests.unit.fake_host import Plan, plan
from tests.unit.parsers import complaints_of_systemd, exposure

DEBIAN_13 = replace(DEBIAN_12, release="13")
UBUNTU = replace(DEBIAN_12, distribution="ubuntu", release="22.04")
UNITS = {
    DEBIAN_12: ("postgresql@.service", "postgresql@15-main.service"),
    DEBIAN_13: ("postgresql@.service", "postgresql@17-main.service"),
    UBUNTU: ("postgresql@.service", "postgresql@14-main.service"),
    ROCKY_9: ("postgresql.service", "postgresql.service"),
}
DATA = "/var/lib/postgresql/15/main"
FOLDERS = Settings(folders=["/srv/ts", "/mnt/wal"])


def _planned(
    facts: HostFacts = DEBIAN_12, settings: Settings = FOLDERS, archive: Archive | None = None
) -> Plan:
    return plan(
        postgres.deploy,
        settings,
        facts,
        parameters={},
        before_start=(),
        archive=archive,
        hold=None,
    )


def _drop_in(facts: HostFacts, **more: Settings | Archive | None) -> list[str]:
    unit = UNITS[facts][1]
    text = _planned(facts, **more).text(f"/etc/systemd/system/{unit}.d/mattermost-host.conf")  # type: ignore[arg-type]
    return text.splitlines()


def _unit(folder: Path, facts: HostFacts) -> Path:
    file, unit = UNITS[facts]
    user = "" if "@" in file else "User=postgres\n"
    (folder / file).write_text(f"[Service]\nType=forking\n{user}ExecStart=/bin/true\n")
    (folder / f"{unit}.d").mkdir()
    text = "\n".join(_drop_in(facts))
    # systemd looks for the programs, which this machine has elsewhere.
    (folder / f"{unit}.d" / "ours.conf").write_text(text.replace("/usr/bin/postgres", "/bin/true"))
    return folder / unit


@pytest.mark.parametrize("facts", UNITS, ids=lambda one: f"{one.distribution} {one.release}")
def test_systemd_takes_it_and_it_is_as_tight_as_the_surface_says(
    tmp_path: Path, facts: HostFacts
) -> None:
    unit = _unit(tmp_path, facts)
    assert complaints_of_systemd(unit) == []
    (shown,) = postgres.surface(Settings(), place(facts)).units
    assert shown.max_exposure == (6.0 if facts is ROCKY_9 else 2.0)
    assert exposure(unit) <= shown.max_exposure


def test_it_writes_to_its_own_folders_those_of_the_inventory_and_the_archive() -> None:
    archive = backup.archive(backup.Settings(to="/srv/backup"))
    assert archive
    lines = _drop_in(DEBIAN_12, archive=archive)
    assert [line for line in lines if line.startswith(("ReadWrite", "ProtectSystem"))] == [
        "ProtectSystem=strict",
        f"ReadWritePaths=-{DATA}",
        "ReadWritePaths=-/var/log/postgresql",
        "ReadWritePaths=-/srv/ts",
        "ReadWritePaths=-/mnt/wal",
        "ReadWritePaths=-/srv/backup",
    ]
    # What is made after its start, it could not write to.
    made = _planned(archive=archive)
    assert made.steps[0].name == "PostgreSQL | its unit waits for our settings"
    assert "/srv/backup/mattermost-host" in made.steps[0].shell
    assert backup.archive(backup.Settings()) is None


def test_it_has_a_network_only_where_it_archives_to_another_host_or_a_bucket() -> None:
    assert "PrivateNetwork=yes" in _drop_in(DEBIAN_12)
    for to in ("s3://backups/chat", "sftp://chat@backup.example.com/backups"):
        lines = _drop_in(DEBIAN_12, archive=backup.archive(backup.Settings(to=to)))
        assert "PrivateNetwork=yes" not in lines
        assert not any("backup" in line for line in lines if line.startswith("ReadWrite"))


def test_it_stays_in_its_selinux_domain_where_there_is_one() -> None:
    """systemd 252 sets no_new_privs for each of these where a unit has User=, as tried there."""
    implying = {
        "NoNewPrivileges", "PrivateDevices", "ProtectHostname", "ProtectClock",
        "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "LockPersonality",
        "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID", "RestrictNamespaces",
        "RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallFilter",
    }  # fmt: skip
    keys = {facts: {line.partition("=")[0] for line in _drop_in(facts)} for facts in UNITS}
    assert not implying & keys[ROCKY_9]
    assert implying <= keys[DEBIAN_12]
    assert {"ProtectSystem", "ProtectHome", "PrivateNetwork", "PrivateTmp"} <= keys[ROCKY_9]


@pytest.mark.parametrize(("facts", "off"), [(DEBIAN_12, True), (ROCKY_9, False)])
def test_queries_are_not_compiled_where_the_sandbox_forbids_it(facts: HostFacts, off: bool) -> None:
    written = _planned(facts).written
    (parameters,) = (
        one for one in written if one.endswith("/mattermost-host.conf") and "systemd" not in one
    )
    assert ("jit = off" in _planned(facts).text(parameters).splitlines()) is off
    assert ("MemoryDenyWriteExecute=yes" in _drop_in(facts)) is off


def test_what_other_servers_and_clients_are_told_by_is_shared() -> None:
    keys = {line.partition("=")[0] for facts in UNITS for line in _drop_in(facts)}
    assert not {"PrivateIPC", "RemoveIPC", "PrivateUsers"} & keys


def _found(settings: Settings, *links: tuple[str, str]) -> Finding:
    needed = postgres.requires(settings, place(DEBIAN_12))
    (check,) = (one for one in needed if one.name == "postgresql-folders")
    (finding,) = check.check(replace(DEBIAN_12, database_links=links))
    return finding


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        ("/srv/ts", "ok"),
        ("/srv/ts/one", "ok"),
        (f"{DATA}/elsewhere", "ok"),
        ("/srv/tsunami", "error"),
        ("/srv", "error"),
    ],
)
def test_a_tablespace_is_where_it_can_be_written_to(target: str, verdict: str) -> None:
    assert _found(FOLDERS, (f"{DATA}/pg_tblspc/16390", target)).verdict == verdict


def test_data_outside_is_told_before_a_restart_makes_it_read_only() -> None:
    finding = _found(
        Settings(folders=["/srv/ts"]),
        (f"{DATA}/pg_wal", "/mnt/wal"),
        (f"{DATA}/pg_tblspc/16390", "/srv/ts/a"),
        (f"{DATA}/pg_tblspc/16391", "/mnt/b"),
        ("/var/lib/postgresql/13/main/pg_wal", "/old"),
    )
    assert (finding.verdict, finding.found, finding.remedy) == (
        "error",
        "PostgreSQL has data in /mnt/b, /mnt/wal, where its sandbox lets it only read",
        "Write postgres = {'folders': ['/srv/ts', '/mnt/b', '/mnt/wal']} into the inventory.",
    )
    assert _found(Settings()).found == DATA
    assert _found(Settings(), (DATA, DATA)).verdict == "ok"
    assert _found(Settings(), (DATA, "/mnt/pg")).verdict == "error"


@pytest.mark.parametrize(
    "folder",
    ["srv/ts", "/srv/ts/", "/srv/../etc", "/srv/a b", "/srv/ts\n", "/home/pg", "/etc", "/var/lib",
     "/var/lib/mattermost", "/opt", "/", "/root/ts", "/run/x", "/srv/%h", "/srv/a:b", "-/srv"],
)  # fmt: skip
def test_a_folder_that_no_sandbox_is_opened_for(folder: str) -> None:
    (sentence,) = mistakes_of(postgres={"folders": [folder]})
    assert sentence == (
        "postgres.folders.0: found an invalid folder; write the full path of one for data, such "
        "as /srv/tablespaces, of letters, digits, points, hyphens and underscores, and outside of "
        "/home and the system's own folders"
    )
