"""The component postgres on Enterprise Linux, where packages make no cluster."""

from dataclasses import replace

import pytest

from mattermost_host.components import postgres
from mattermost_host.components.postgres import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.database_state import AskDatabase
from mattermost_host.preflight.finding import Requirement
from tests.unit.examples import DEBIAN_12, ROCKY_9, converged, place
from tests.unit.fake_host import Answer, Plan, nothing_installed, plan

OF_UNIT = "/etc/systemd/system/postgresql.service.d/mattermost-host.conf"
SETTINGS = "/etc/mattermost-host/postgresql/mattermost-host.conf"
ACCESS = "/etc/mattermost-host/postgresql/pg_hba.conf"
DATA = "/var/lib/pgsql/data"


def _planned(
    settings: Settings | None = None, facts: HostFacts = ROCKY_9, answer: Answer = nothing_installed
) -> Plan:
    return plan(
        postgres.deploy,
        settings or Settings(),
        facts,
        parameters={"shared_buffers": "585MB"},
        before_start=("After=wall.service",),
        archive=None,
        hold=None,
        answer=answer,
    )


def test_a_fresh_host_gets_a_cluster_before_its_settings() -> None:
    result = _planned()
    assert result.changed == [
        "PostgreSQL | its unit waits for our settings",
        "PostgreSQL | PostgreSQL 16 is installed",
        "PostgreSQL | its cluster exists",
        "PostgreSQL | settings and access rules are in place",
        "PostgreSQL | PostgreSQL is running",
        "PostgreSQL | role, database and schema belong to Mattermost",
    ]
    assert "postgresql-server postgresql-contrib" in result.step("is installed").shell


def test_a_converged_host_yields_nothing() -> None:
    assert _planned(answer=converged(_planned())).changed == []


def test_nothing_of_ours_is_in_a_folder_of_the_accounts() -> None:
    """Root would have to trust names there, and an upgrade would leave it behind."""
    result = _planned()
    assert not [entry.path for entry in result.entries if entry.path.startswith("/var/lib/pgsql")]
    access = result.entry(ACCESS)
    assert (access.mode, access.user, access.group) == ("640", "root", "postgres")


def test_the_unit_starts_it_with_our_settings() -> None:
    lines = _planned().text(OF_UNIT).splitlines()
    start = f"ExecStart=/usr/bin/postgres -D {DATA} -c config_file={SETTINGS}"
    assert [line for line in lines if line.startswith("ExecStart=")] == ["ExecStart=", start]


def test_nothing_starts_it_as_initdb_left_it() -> None:
    lines = _planned().text(OF_UNIT).splitlines()
    assert {f"AssertPathExists={path}" for path in (SETTINGS, ACCESS)} <= set(lines)


def test_our_settings_are_read_after_those_of_the_cluster() -> None:
    lines = _planned().text(SETTINGS).splitlines()
    included = lines.index(f"include_if_exists = '{DATA}/postgresql.conf'")
    assert included < lines.index(f"hba_file = '{ACCESS}'") < lines.index("shared_buffers = 585MB")
    # Its own default has a second socket in /tmp, where anybody may put one first.
    assert "unix_socket_directories = '/var/run/postgresql'" in lines


def test_its_pages_are_asked_for_checksums() -> None:
    (question,) = (one for one in _planned().questions if isinstance(one, AskDatabase))
    assert question.checksums_in == DATA
    assert "data_checksums" in question.script()
    (of_debian,) = (
        one for one in _planned(facts=DEBIAN_12).questions if isinstance(one, AskDatabase)
    )
    assert "data_checksums" not in of_debian.script()


def test_pgdg_brings_its_repository_its_key_and_its_paths() -> None:
    result = _planned(Settings(pgdg=True, version=17))
    source = result.text("/etc/yum.repos.d/mattermost-host-pgdg.repo").splitlines()
    assert (
        "baseurl=https://download.postgresql.org/pub/repos/yum/17/redhat/rhel-9-$basearch" in source
    )
    assert "gpgcheck=1" in source
    assert "gpgkey=file:///etc/pki/rpm-gpg/PGDG-RPM-GPG-KEY-RHEL" in source
    assert "postgresql17-server postgresql17-contrib" in result.step("17 is installed").shell
    assert "postgresql-17-setup initdb" in result.step("its cluster exists").shell
    drop_in = "/etc/systemd/system/postgresql-17.service.d/mattermost-host.conf"
    assert "ExecStart=/usr/pgsql-17/bin/postgres -D /var/lib/pgsql/17/data " in result.text(drop_in)
    again = _planned(Settings(pgdg=True, version=17), answer=converged(result))
    assert again.changed == []


def test_each_architecture_has_its_own_key() -> None:
    result = _planned(Settings(pgdg=True, version=17), replace(ROCKY_9, architecture="arm64"))
    source = result.text("/etc/yum.repos.d/mattermost-host-pgdg.repo")
    assert "PGDG-RPM-GPG-KEY-AARCH64-RHEL" in source
    assert (
        "B031F89FC983E98262906B6E177B343BB9738825" in result.step("signing key is installed").shell
    )


def _suits(settings: Settings) -> Requirement:
    requirements = postgres.requires(settings, place(ROCKY_9))
    return next(one for one in requirements if one.name == "postgresql-version")


@pytest.mark.parametrize(
    ("facts", "version", "verdict"),
    [
        (ROCKY_9, 15, "ok"),
        (ROCKY_9, 16, "ok"),
        (ROCKY_9, 17, "error"),
        (DEBIAN_12, 15, "ok"),
        (DEBIAN_12, 16, "error"),
    ],
)
def test_a_version_is_one_of_those_that_the_distribution_has(
    facts: HostFacts, version: int, verdict: str
) -> None:
    (found,) = _suits(Settings(version=version)).check(facts)
    assert found.verdict == verdict
    if verdict == "error":
        has = "15 or 16" if facts is ROCKY_9 else "15"
        assert found.found == (
            f"postgres.version = {version}, and the distribution has PostgreSQL {has}"
        )
        assert found.remedy.startswith("Write pgdg = True beside the version")


def test_a_stated_version_is_the_one_that_runs() -> None:
    result = _planned(Settings(version=15))
    assert "PostgreSQL | PostgreSQL 15 is installed" in result.changed


def test_the_cluster_of_another_version_is_a_finding() -> None:
    older = replace(ROCKY_9, clusters=(("13", DATA, 5432),), managed=True)
    requirements = postgres.requires(Settings(), place(ROCKY_9))
    check = next(one for one in requirements if one.name == "no-other-postgresql")
    (found,) = check.check(older)
    assert (found.verdict, found.found) == ("error", f"PostgreSQL 13 in {DATA} on the host")
    (found,) = check.check(replace(older, clusters=(("16", DATA, 5432),)))
    assert found.verdict == "ok"


@pytest.mark.parametrize(
    ("settings", "clusters", "stated"),
    [
        (Settings(version=16), [("15", DATA)], "{'version': 15}"),
        (Settings(pgdg=True), [("16", DATA)], "{'version': 16}"),
        (Settings(pgdg=True, version=16), [("16", DATA)], "{'version': 16}"),
        (Settings(), [("16", "/var/lib/pgsql/16/data")], "{'version': 16, 'pgdg': True}"),
        (
            Settings(pgdg=True, version=18),
            [("17", "/var/lib/pgsql/17/data")],
            "{'version': 17, 'pgdg': True}",
        ),
    ],
)
def test_another_postgresql_in_the_inventory_of_a_running_site_is_taken_back(
    settings: Settings, clusters: list[tuple[str, str]], stated: str
) -> None:
    there = tuple((*one, 5432) for one in clusters)
    requirements = postgres.requires(settings, place(ROCKY_9))
    check = next(one for one in requirements if one.name == "no-other-postgresql")
    (found,) = check.check(replace(ROCKY_9, managed=True, clusters=there))
    assert found.verdict == "error"
    assert f"write postgres = {stated} into the inventory" in found.remedy
    assert "take it there by a dump, as docs/operations.md says" in found.remedy
    assert "remove" not in found.remedy
    (unmanaged,) = check.check(replace(ROCKY_9, clusters=there))
    assert "remove it" in unmanaged.remedy


def test_its_tls_is_what_the_packages_and_the_system_wide_policy_say() -> None:
    assert "ssl" not in _planned().text(SETTINGS)
