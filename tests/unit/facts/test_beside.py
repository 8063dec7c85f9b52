"""What goes beside the site's own rules and units, by the real shell and programs of our own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.facts.questions import AskHost
from mattermost_host.preflight.generated import units_not_generated
from tests.unit import local
from tests.unit.examples import DEBIAN_12

SAVED = "add rule ip filter INPUT tcp dport 443 counter drop"


def _asked(name: str, programs: Path, places: dict[str, object]) -> Any:
    # The functions go before the script, and are moved with it.
    return local.ask_here(AskHost(name, "x"), programs, places)


@pytest.mark.parametrize(
    ("names", "tools", "found"),
    [
        ("", True, {"legacy_rules": ()}),
        ("nat\nfilter\n", True, {"legacy_rules": (SAVED,)}),
        ("filter\n", False, None),
    ],
)
def test_tables_of_the_older_iptables(
    tmp_path: Path, names: str, tools: bool, found: object
) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/ip_tables_names").write_text(names)
    programs = tmp_path / "programs"
    programs.mkdir()
    if tools:
        local.program(programs, "iptables-legacy-save", "echo saved")
        local.program(programs, "iptables-restore-translate", f"cat >/dev/null; echo '{SAVED}'")
    asked = _asked("legacy_rules", programs, {"/proc/net/${family}": f"{tmp_path}/net/${{family}}"})
    assert asked == found


SHOWN = """Id=nginx.service
DropInPaths=/etc/systemd/system/nginx.service.d/ours.conf RUN/generator/nginx.service.d/x.conf

Id=mattermost.service
DropInPaths=RUN/generator/service.d/zzz-lxc-service.conf RUN/generator.late/service.d/y.conf"""


@pytest.mark.parametrize("there", [True, False])
def test_drop_ins_of_generators(tmp_path: Path, there: bool) -> None:
    programs, run = tmp_path / "programs", "/run/systemd"
    local.program(programs, "systemctl", f"cat <<'E'\n{SHOWN.replace('RUN', run)}\nE")
    if there:
        (tmp_path / "generator/nginx.service.d").mkdir(parents=True)
        (tmp_path / "generator/nginx.service.d/x.conf").touch()
    found = _asked("generated", programs, {f"{run}/generator*": f"{tmp_path}/generator*"})
    wanted = (
        ("nginx.service", f"{run}/generator/nginx.service.d/x.conf"),
        ("mattermost.service", f"{run}/generator.late/service.d/y.conf"),
    )
    assert found == {"generated": wanted if there else ()}
    (finding,) = units_not_generated().check(replace(DEBIAN_12, **found))
    assert finding.verdict == ("warning" if there else "ok")
    assert not there or f"nginx.service is changed by {wanted[0][1]}" in finding.found
