"""Uninstall: everything that a deploy writes is removed, or is known to stay."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine.explanations import collecting
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.deletion import AskData, Found
from mattermost_host.ops.entries import Absent, Directory, File, Link
from mattermost_host.ops.idle import AskAtWork
from mattermost_host.ops.package_files import AskOurs
from mattermost_host.ops.remains import AskEmpty, AskRemains
from mattermost_host.ops.selinux import AskSelinux
from mattermost_host.ops.selinux import Found as Rules
from mattermost_host.ops.unit_state import AskUnit, UnitState
from mattermost_host.site import leaving
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12, ROCKY_9
from tests.unit.fake_host import UNANSWERED, Plan, nothing_installed
from tests.unit.site.whole import planned

SITES: Mapping[str, dict[str, Any]] = {
    "whole": {"backup": {"to": "/srv/backup"}},
    "acme": {"tls": {"mode": "acme", "email": "a@example.com"}},
    "lego": {"tls": {"mode": "acme", "client": "lego"}},
}
KEPT = (
    "/etc/mattermost-host",
    "/etc/nginx/nginx.conf",
    "/etc/postgresql/15/main/pg_hba.conf",
    "/etc/postgresql/15/main/start.conf",
    "/etc/pgbackrest",
)
"""What a package has, too, or what lets the next deploy know its cluster."""
DATA = ("/var/lib/mattermost", "/var/log/mattermost", "/srv/backup", "/var/lib/mattermost-host")


def _is_data(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in DATA)


@pytest.mark.parametrize(
    ("kind", "facts"),
    [*((kind, DEBIAN_12) for kind in SITES), *((kind, ROCKY_9) for kind in ("acme", "lego"))],
)
def test_each_file_of_a_deploy_is_removed_or_known_to_stay(
    kind: str, facts: HostFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "acme" and facts.family.selinux:
        facts = replace(facts, repositories=(*facts.repositories, "epel"))
    written = planned(SITES[kind], tmp_path, monkeypatch, facts=facts).entries
    plan = planned(SITES[kind], tmp_path, monkeypatch, facts=facts, deploy="uninstall.py")
    gone = {one.path for one in plan.entries if isinstance(one, Absent)}
    for question in plan.questions:
        if isinstance(question, AskRemains):
            gone |= set(question.paths)
        if isinstance(question, AskEmpty):
            gone |= set(question.folders)
    for one in written:
        if isinstance(one, File | Link):
            covered = any(one.path == path or one.path.startswith(f"{path}/") for path in gone)
            assert covered or one.path in KEPT or _is_data(one.path), one.path
    folders = {one.path for one in written if isinstance(one, Directory)}
    # What holds data is never named, not even by its folder.
    for path in gone & {*folders, *DATA} - {"/var/lib/mattermost-host"}:
        assert not _is_data(path) or path.startswith("/var/lib/mattermost-host/"), path


def test_a_host_without_a_site_yields_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned({}, tmp_path, monkeypatch, deploy="uninstall.py", answer=_left)
    assert plan.changed == []


def _left(question: Any) -> Any:
    if isinstance(question, AskUnit):
        return UnitState()
    return nothing_installed(question)


def test_services_stop_and_nginx_gets_its_own_file_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(question: Any) -> Any:
        if isinstance(question, AskUnit):
            return UnitState(active=True, enabled=True)
        if isinstance(question, AskOurs):
            return "ours"
        return nothing_installed(question)

    plan = planned({}, tmp_path, monkeypatch, deploy="uninstall.py", answer=answer)
    units = ("nginx.service", "mattermost.service", "postgresql@15-main.service")
    at = [plan.shell.index(f"systemctl disable --quiet --now {unit}") for unit in units]
    assert at == sorted(at)
    assert "--force-confmiss --reinstall" in plan.shell
    assert "userdel" not in plan.shell
    assert "/var/lib/mattermost/" not in plan.shell


def test_nothing_is_removed_while_something_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = "mattermost-backup.service"

    def answer(question: Any) -> Any:
        return (unit,) if isinstance(question, AskAtWork) else _left(question)

    plan = planned({}, tmp_path, monkeypatch, deploy="uninstall.py", answer=answer)
    assert plan.changed == ["nothing is at work"]
    assert f"echo '{unit}: at work. Wait until it has ended" in plan.shell
    assert plan.shell.rstrip().endswith("exit 1")


MOVE = (("step", "switches"), ("old", "15"), ("new", "17"))
WHOLE = {"backup": {"to": "/srv/backup"}}
EVERY = ("database", "files", "backups")


def _deleting(
    names: tuple[str, ...], found: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Plan:
    loaded = Site.load
    monkeypatch.setattr(Site, "load", lambda path: replace(loaded(path), delete=names))

    def answer(question: Any) -> Any:
        if not isinstance(question, AskData):
            return _left(question)
        return (
            found if question.users or not isinstance(found, Found) else replace(found, accounts=())
        )

    return planned(WHOLE, folder, monkeypatch, deploy="uninstall.py", answer=answer)


SIZES = {
    "/srv/backup/mattermost-host": 12,
    "/var/lib/postgresql/15/main": 40,
    "/var/lib/postgresql/15/main/PG_VERSION": 0,
    "/var/lib/mattermost": 7,
    "/var/lib/mattermost/data": 900,
}


def test_only_data_that_is_named_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found(SIZES, mounts=("/var/lib/mattermost/data",), accounts=("mattermost",))
    with collecting():
        plan = _deleting(EVERY, found, tmp_path, monkeypatch)
    assert plan.changed == [
        "backups are deleted",
        "the database is deleted",
        "files, logs and accounts are deleted",
    ]
    said = [str(change) for step in plan.steps for change in step.told]
    assert said == [
        "/srv/backup/mattermost-host (12 MB) is deleted for good",
        "PostgreSQL 15/main in /var/lib/postgresql/15/main (40 MB) is deleted for good, unless "
        "others have databases or roles in it: then only the site's",
        "/var/lib/mattermost/data (900 MB) is deleted for good; the mount point stays",
        "/var/lib/mattermost (7 MB) is deleted for good",
        "the account mattermost is deleted for good",
    ]
    assert plan.step("files, logs and accounts are deleted").shell.endswith("userdel mattermost")
    assert not any(change.heals for step in plan.steps for change in step.told)


@pytest.mark.parametrize("name", EVERY)
def test_each_kind_of_data_is_deleted_by_itself(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found(SIZES, accounts=("mattermost",))
    plan = _deleting((name,), found, tmp_path, monkeypatch)
    assert len(plan.changed) == 1
    assert name[:-1] in plan.changed[0]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "does not say what data it has"),
        (Found(links=("/var/lib/mattermost/data",)), "/var/lib/mattermost/data is a link"),
        (
            Found(links=("/a",), mounts=("/srv/backup/mattermost-host",), unmounted="/srv"),
            "/a is a link: delete what it leads to yourself; /srv/backup/mattermost-host is a "
            "mount point: unmount it, or delete what is on it yourself; /srv is in /etc/fstab and "
            "not mounted: mount it first. Nothing was changed.",
        ),
    ],
)
def test_links_mounts_and_disks_that_are_away_are_refused_together(
    found: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperatorError, match=re.escape(said)):
        _deleting(EVERY, UNANSWERED if found is None else found, tmp_path, monkeypatch)


def test_what_hinders_a_deploy_does_not_hinder_an_uninstall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = replace(DEBIAN_12, active_units=("apache2",))
    planned({}, tmp_path, monkeypatch, facts=busy, deploy="uninstall.py", answer=_left)


EL_FILES = "/etc/mattermost-host/postgresql"


def test_enterprise_linux_gets_its_own_settings_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = leaving.of_selinux(("app", "db", "proxy"))
    noted = frozenset({"boolean httpd_can_network_relay", "port 8065"})
    on = Rules(
        True,
        frozenset(rules.booleans),
        frozenset(rules.ports),
        frozenset(rules.contexts),
        noted=noted,
    )

    def answer(question: Any) -> Any:
        if isinstance(question, AskOurs):
            assert question.manager == "dnf"
            return "ours"
        return on if isinstance(question, AskSelinux) else _left(question)

    args = tmp_path, monkeypatch
    plan = planned({}, *args, facts=ROCKY_9, deploy="uninstall.py", answer=answer)
    assert plan.changed == ["NGINX has its package's settings", "SELinux has no rule for the site"]
    assert "reinstall $package || patiently $dnf upgrade $package" in plan.shell
    back = plan.step("SELinux has no rule for the site").shell
    assert "setsebool -P httpd_can_network_relay=0" in back
    for one in ("port -d -p tcp 8065", *(rule.pattern for rule in rules.contexts)):
        assert one in back
    gone = {one.path for one in plan.entries if isinstance(one, Absent)}
    assert {f"{EL_FILES}/mattermost-host.conf", f"{EL_FILES}/pg_hba.conf"} <= gone
    assert not any(isinstance(one, File) for one in plan.entries)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"database_move": MOVE}, "a move of the database from 15 to 17 is under way, or was cut"),
        ({"last_upgrade": MOVE}, "else go on with `mattermost-host upgrade`, or back with"),
        ({"system_upgrade": (("step", "installs"),)}, "run `mattermost-host upgrade-system`"),
        ({"restore": (("step", "database"),)}, "run `mattermost-host restore` again"),
    ],
)
def test_what_was_cut_off_is_ended_first(
    found: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = replace(DEBIAN_12, **found)
    with pytest.raises(OperatorError, match=re.escape(said)) as refused:
        planned({}, tmp_path, monkeypatch, facts=moving, deploy="uninstall.py", answer=_left)
    assert refused.value.message.endswith("Nothing was removed.")
