"""What each file of a site restarts or reloads: what a plan announces is what a run then does.

Each file of a whole site is the only one that differs; the plan's words, the commands that follow
from them, and the files that each unit's question judges by must all say the same.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import collecting
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.differences import FileContents
from mattermost_host.ops.entries import Absent, Alone, Directory, Entry, File, FileStates, State
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.unit.examples import DEBIAN_12, ROCKY_9, converged, state_of
from tests.unit.fake_host import Answer, Plan
from tests.unit.site.whole import planned

MATTERMOST, NGINX = "restart mattermost.service", "restart nginx.service"
TLS = "/etc/mattermost-host/tls"
OF_ALL = {
    "/etc/mattermost-host/mattermost.env": MATTERMOST,
    "/etc/mattermost-host/database-ca.pem": MATTERMOST,
    "/etc/mattermost-host/mattermost.license": MATTERMOST,
    "/etc/systemd/system/mattermost.service": MATTERMOST,
    "/etc/systemd/system/mattermost.service.d": MATTERMOST,
    "/etc/systemd/system/nginx.service.d": NGINX,
    "/etc/systemd/system/nginx.service.d/mattermost-host.conf": NGINX,
    "/etc/nginx/nginx.conf": "reload nginx.service",
    "/etc/nginx/conf.d/mattermost.conf": "reload nginx.service",
    "/run/mattermost-host/hold": "reload nginx.service",
    f"{TLS}/fullchain.pem": "reload nginx.service",
    f"{TLS}/privkey.pem": "reload nginx.service",
}


def _of_postgresql(unit: str, settings: str, parameters: str) -> dict[str, str]:
    return {
        f"/etc/systemd/system/{unit}.d": f"restart {unit}",
        f"/etc/systemd/system/{unit}.d/mattermost-host.conf": f"restart {unit}",
        f"{settings}/{parameters}": f"reload {unit}",
        f"{settings}/pg_hba.conf": f"reload {unit}",
    }


SITES: Mapping[str, tuple[HostFacts, Mapping[str, str]]] = {
    "debian": (
        DEBIAN_12,
        {
            **OF_ALL,
            **_of_postgresql(
                "postgresql@15-main.service",
                "/etc/postgresql/15/main",
                "conf.d/mattermost-host.conf",
            ),
            "/etc/nginx/sites-enabled/default": "reload nginx.service",
        },
    ),
    "enterprise-linux": (
        ROCKY_9,
        {
            **OF_ALL,
            **_of_postgresql(
                "postgresql.service", "/etc/mattermost-host/postgresql", "mattermost-host.conf"
            ),
        },
    ),
}
"""Path -> what follows from another content; from every other file nothing does."""


def _otherwise(entry: Entry) -> State | None:
    """What stands there where another content does; None where nothing else can."""
    match entry:
        case File():
            right = state_of(entry)
            assert right
            return replace(right, sha256="0" * 64)
        case Absent():
            return State("regular file", "644", "root", "root", "0" * 64)
        case Alone():
            return State("directory", "755", "root", "root", members=(*entry.names, "by-hand.conf"))
    return None


def _only(path: str, state: State | None, otherwise: Answer) -> Answer:
    """A host where everything is right but what stands at ``path``."""

    def answer(question: Question[Any]) -> Any:
        if isinstance(question, FileContents):
            return {}
        if isinstance(question, FileStates) and path in question.paths:
            return {**otherwise(question), path: state}
        return otherwise(question)

    return answer


def _announced(result: Plan) -> set[str]:
    """What the plan's words say."""
    told = [change for step in result.steps for change in step.told]
    return {f"{one.effect} {one.subject}" for one in told if one.effect != "change"}


def _done(result: Plan) -> set[str]:
    """What the commands that follow do; the firewall's own unit interrupts nobody.

    Without what is inside a shell function: NGINX is reloaded for a hold.
    """
    verbs = re.findall(r"^systemctl (restart|reload) (\S+\w)", result.shell, re.M)
    return {f"{verb} {unit}" for verb, unit in verbs}


@pytest.mark.parametrize("site", SITES)
def test_what_follows_from_each_file(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, effects = SITES[site]
    fresh = planned({}, tmp_path, monkeypatch, facts)
    answer = converged(fresh)
    wrong = {entry.path: _otherwise(entry) for entry in fresh.entries if _otherwise(entry)}
    assert set(effects) <= set(wrong), "a file that the site does not have"
    for path, state in wrong.items():
        with collecting():
            result = planned({}, tmp_path, monkeypatch, facts, _only(path, state, answer))
        assert result.changed, path
        wanted = {effects[path]} if path in effects else set()
        assert (_announced(result), _done(result)) == (wanted, wanted), path
        judging = {
            f"{verb} {asked.unit}"
            for asked in result.questions
            if isinstance(asked, AskUnit)
            for verb, places in (("restart", asked.restart_on), ("reload", asked.reload_on))
            if any(f"{path}/".startswith(f"{place}/") for place in places)
        }
        assert judging - {"restart mattermost-firewall.service"} == wanted, path


def test_what_no_process_has_read_is_put_right_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edited by hand, and the unit was not restarted since."""
    fresh = planned({}, tmp_path, monkeypatch)
    right = converged(fresh)
    files = {one.path: one.sha256 for one in fresh.entries if isinstance(one, File)}
    for entry in fresh.entries:
        state = _otherwise(entry)
        if state is None or isinstance(entry, Directory):
            continue
        by_hand = f"{entry.path}/by-hand.conf" if isinstance(entry, Alone) else entry.path

        def answer(question: Question[Any], path: str = by_hand) -> Any:
            if not isinstance(question, AskUnit):
                return right(question)
            unread = question.restart_on and any(
                path.startswith(one) for one in question.restart_on
            )
            return UnitState(
                active=True,
                enabled=True,
                to_restart=(path,) if unread else (),
                needs_daemon_reload=bool(unread) and path.startswith("/etc/systemd"),
                unread_drop_ins=(path,) if unread and path.endswith("by-hand.conf") else (),
                noted=files,
            )

        with collecting():
            result = planned({}, tmp_path, monkeypatch, answer=_only(entry.path, state, answer))
        assert result.changed, entry.path
        restarts = {one for one in _announced(result) | _done(result) if one.startswith("restart")}
        assert restarts == set(), entry.path
