"""What SELinux was told for a site is taken back: all that is ours, and nothing else."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.ops import selinux, selinux_back
from mattermost_host.ops.selinux import Allowed, AskSelinux, Context, Found
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

WANTED = Allowed(
    booleans=("httpd_can_network_relay",),
    ports=((8065, "http_port_t"),),
    contexts=(Context("/opt/x/[^/]+/bin(/.*)?", "bin_t"),),
    labelled=("/opt/x",),
)
NOTED = frozenset({"boolean httpd_can_network_relay", "port 8065"})
OURS = Found(
    True,
    frozenset(WANTED.booleans),
    frozenset(WANTED.ports),
    frozenset(WANTED.contexts),
    noted=NOTED,
)
FRESH = Found(True)


def _left(found: Found) -> Plan:
    def deploy() -> None:
        selinux_back.taken_back(name="nothing is left", allowed=WANTED)

    return plan(deploy, answer=answering({AskSelinux(WANTED.booleans): found}))


def _deployed(found: Found) -> str:
    def deploy() -> None:
        selinux.allowed(name="SELinux allows it", wanted=WANTED)

    asked = AskSelinux(WANTED.booleans, WANTED.labelled)
    return plan(deploy, answer=answering({asked: found})).shell


def _programs(folder: Path) -> Path:
    """SELinux's tools, which write down what they were told."""
    programs = folder / "programs"
    told = folder / "told"
    for name in ("setsebool", "restorecon"):
        local.program(programs, name, f'echo "{name} $*" >>{told}')
    local.program(programs, "semanage", f'echo "semanage $*" >>{told}; cat >>{told}')
    return programs


def _told(script: str, folder: Path, note: str) -> tuple[list[str], str, str]:
    """What the tools are told, the note after it, and what is said."""
    file = folder / "state" / "selinux"
    file.parent.mkdir(exist_ok=True)
    if note:
        file.write_text(note)
    here = script.replace("/var/lib/mattermost-host", str(file.parent))
    done = local.run(here, programs=_programs(folder))
    assert (done.returncode, done.stderr) == (0, "")
    told = (folder / "told").read_text().splitlines() if (folder / "told").exists() else []
    return told, file.read_text() if file.exists() else "", done.stdout


def test_what_a_deploy_noted_goes_with_the_rules_for_our_folders(tmp_path: Path) -> None:
    told, note, said = _told(
        _left(OURS).shell, tmp_path, "boolean httpd_can_network_relay\nport 8065\n"
    )
    assert told == [
        "setsebool -P httpd_can_network_relay=0",
        "semanage import",
        "port -d -p tcp 8065",
        "fcontext -d -f a '/opt/x/[^/]+/bin(/.*)?'",
    ]
    assert (note, said) == ("", "")


def test_lines_of_others_stay_in_the_note(tmp_path: Path) -> None:
    note = "boolean httpd_can_network_relay\nport 80659\nport 8065\n"
    assert _told(_left(OURS).shell, tmp_path, note)[1] == "port 80659\n"


def test_what_was_there_before_us_stays_and_is_named(tmp_path: Path) -> None:
    told, note, said = _told(_left(replace(OURS, noted=frozenset())).shell, tmp_path, "")
    assert told == ["semanage import", "fcontext -d -f a '/opt/x/[^/]+/bin(/.*)?'"]
    assert note == ""
    for name in ("SELinux's boolean httpd_can_network_relay", "SELinux's rule for TCP port 8065"):
        assert f"{name} stays: no deploy noted that it was changed for the site" in said


@pytest.mark.parametrize(
    "found",
    [
        FRESH,
        Found(enabled=False),
        # Theirs, of which an uninstall has spoken.
        replace(OURS, contexts=frozenset(), noted=frozenset()),
        replace(FRESH, contexts=frozenset({Context("/opt/x/[^/]+/bin(/.*)?", "usr_t")})),
    ],
)
def test_nothing_is_done_where_nothing_is_ours(found: Found) -> None:
    assert _left(found).changed == []


def test_a_rule_that_somebody_removed_is_not_removed_again(tmp_path: Path) -> None:
    found = replace(FRESH, noted=NOTED)
    told, note, _ = _told(
        _left(found).shell, tmp_path, "port 8065\nboolean httpd_can_network_relay\n"
    )
    assert told == ["setsebool -P httpd_can_network_relay=0"]
    assert note == ""


def test_a_deploy_notes_what_it_changes_before_it_does(tmp_path: Path) -> None:
    told, note, _ = _told(_deployed(FRESH), tmp_path, "")
    assert note == "boolean httpd_can_network_relay\nport 8065\n"
    assert "setsebool -P httpd_can_network_relay=1" in told
    shell = _deployed(FRESH)
    assert shell.index("sync /var/lib/mattermost-host/selinux") < shell.index("setsebool")


@pytest.mark.parametrize(
    ("found", "noted"),
    [
        (replace(FRESH, noted=NOTED), []),
        (replace(OURS, contexts=frozenset(), noted=frozenset()), []),
        (replace(FRESH, ports=frozenset({(8065, "other_t")})), ["boolean httpd_can_network_relay"]),
        (replace(FRESH, booleans=OURS.booleans), ["port 8065"]),
    ],
)
def test_a_deploy_notes_nothing_twice_and_nothing_of_others(found: Found, noted: list[str]) -> None:
    line = re.search(r"printf '%s\\n' (.*) >>/var/lib", _deployed(found))
    assert (shlex.split(line[1]) if line else []) == noted
