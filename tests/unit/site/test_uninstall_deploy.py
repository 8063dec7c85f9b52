"""Uninstall: everything that a deploy writes is removed, or is known to stay."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.ops.entries import Absent, Directory, File, Link
from mattermost_host.ops.idle import AskAtWork
from mattermost_host.ops.package_files import AskOurs
from mattermost_host.ops.remains import AskEmpty, AskRemains
from mattermost_host.ops.unit_state import AskUnit, UnitState
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12, ROCKY_9
from tests.unit.fake_host import nothing_installed
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


@pytest.mark.parametrize("kind", SITES)
def test_each_file_of_a_deploy_is_removed_or_known_to_stay(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = planned(SITES[kind], tmp_path, monkeypatch).entries
    plan = planned(SITES[kind], tmp_path, monkeypatch, deploy="uninstall.py")
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


def test_nothing_is_removed_while_something_is_at_work_or_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = "an upgrade that was cut off (switches)"

    def answer(question: Any) -> Any:
        return (unfinished,) if isinstance(question, AskAtWork) else _left(question)

    plan = planned({}, tmp_path, monkeypatch, deploy="uninstall.py", answer=answer)
    assert plan.changed == ["nothing is at work or unfinished"]
    assert f"echo '{unfinished}: at work or unfinished. Wait for it" in plan.shell
    assert plan.shell.rstrip().endswith("exit 1")


def test_what_hinders_a_deploy_does_not_hinder_an_uninstall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = replace(DEBIAN_12, active_units=("apache2",))
    planned({}, tmp_path, monkeypatch, facts=busy, deploy="uninstall.py", answer=_left)


def test_enterprise_linux_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperatorError, match="uninstall is for Debian and Ubuntu"):
        planned({}, tmp_path, monkeypatch, facts=ROCKY_9, deploy="uninstall.py", answer=_left)


def test_a_move_of_the_database_that_was_cut_off_is_ended_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = (("step", "switches"), ("old", "15"), ("new", "17"))
    moving = replace(DEBIAN_12, database_move=move)
    with pytest.raises(OperatorError, match="the move to PostgreSQL 17 was cut off: run"):
        planned({}, tmp_path, monkeypatch, facts=moving, deploy="uninstall.py", answer=_left)
