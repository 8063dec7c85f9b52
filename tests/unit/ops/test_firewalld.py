"""Policies in firewalld: as loaded from their files, and not changed since."""

from pathlib import Path

import pytest

from mattermost_host.components import firewall
from mattermost_host.ops import files, firewalld
from mattermost_host.ops.entries import File
from mattermost_host.ops.firewalld import SERVICE, AskLeftovers, AskPolicies, Found
from mattermost_host.ops.unit_state import AskUnit, UnitState
from mattermost_host.support.templates import render
from tests.unit import local
from tests.unit.fake_host import Plan, answering, apply, nothing_installed, plan

UNIT = firewall.UNIT
ASKED = AskPolicies(UNIT, firewall.PROGRAM, firewall.LISTING)
UNIT_STATE = AskUnit(UNIT, (firewall.UNIT_FILE,))
GOOD = Found(first=True, opened=("tcp dport 443 accept",))


def _in_force() -> None:
    firewalld.in_force(name="rules are in force", policies=ASKED, unit_file=firewall.UNIT_FILE)


def _planned(found: Found, unit: UnitState | None = None) -> Plan:
    return plan(_in_force, answer=answering({ASKED: found, UNIT_STATE: unit or UnitState()}))


def test_policies_in_force_are_left_alone() -> None:
    assert _planned(GOOD).changed == []


@pytest.mark.parametrize(
    "found",
    [
        Found(first=False),
        Found(first=True, stopped=(SERVICE,)),
        Found(first=True, stopped=(UNIT,)),
        Found(first=True, differences=(("filter_INPUT", "has 'tcp dport 1 accept'"),)),
        Found(first=True, differences=(("/etc/firewalld/zones/public.xml", "changed"),)),
        Found(first=True, differences=(("filter_IN_public_allow", "has 'x'"),)),
        Found(first=True, differences=(("rules", "were not loaded by our unit"),)),
    ],
)
def test_whatever_differs_is_loaded_anew(found: Found) -> None:
    shell = _planned(found).shell
    steps = [
        "systemctl daemon-reload",
        f"systemctl enable -q {UNIT}",
        f"systemctl unmask -q {SERVICE}",
        f"systemctl enable -q {SERVICE}",
        f"then timeout 60 firewall-cmd -q --reload\nelse systemctl start {SERVICE}",
        f"systemctl reload-or-restart {UNIT}",
    ]
    places = [shell.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (UnitState(overriding=("/run/x.conf",)), "rm -f -- /run/x.conf\nsystemctl daemon-reload"),
        (UnitState(masks=("/etc/x",), masked=True), f"systemctl unmask -q {UNIT}"),
        (UnitState(needs_daemon_reload=True), "systemctl daemon-reload"),
    ],
)
def test_what_goes_before_its_unit_file_is_taken_away(state: UnitState, part: str) -> None:
    assert part in _planned(GOOD, state).shell


def test_a_plan_foresees_the_loading_and_a_run_asks_the_host() -> None:
    def deploy() -> None:
        written = files.present(name="rules are written", entries=[File("/etc/x.xml", "")])
        firewalld.in_force(
            name="rules are in force",
            policies=ASKED,
            unit_file=firewall.UNIT_FILE,
            after=(written,),
        )

    answer = answering({ASKED: GOOD, UNIT_STATE: UnitState()}, nothing_installed)
    assert plan(deploy, answer=answer).changed == ["rules are written", "rules are in force"]
    assert apply(deploy, answer=answer).changed == ["rules are written"]


@pytest.mark.parametrize("left", [(), (UNIT,), ("filter_FWD_policy_mattermost-forward",)])
def test_switched_off_nothing_of_ours_stays_in_firewalld(left: tuple[str, ...]) -> None:
    def deploy() -> None:
        firewalld.removed(name="policies are gone", unit=UNIT, files=("/etc/x.xml",))

    result = plan(deploy, answer=answering({AskLeftovers(UNIT): left}))
    assert bool(result.changed) == bool(left)
    if left:
        assert result.shell.index("rm -f -- /etc/x.xml") < result.shell.index("--reload")


LISTING = """\
table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		jump filter_INPUT_ZONES
	}

	chain filter_INPUT_POLICIES_pre {
		jump filter_IN_policy_mattermost-host
		jump filter_IN_policy_allow-host-ipv6
	}

	chain filter_IN_public_deny {
	}

	chain filter_IN_public_allow {
		tcp dport 22 accept
	}

	chain filter_IN_policy_mattermost-host_allow {
		tcp dport 443 accept
	}
}
"""
"""As nft 1.0.6 lists what firewalld 1.3.3 loads, shortened."""
ALLOWED = "\t\ttcp dport 443 accept\n"
OPENED = "\t\ttcp dport 22 accept\n"


class Host:
    """The real program that lists the rules, over an nft and a systemctl that say what is told."""

    def __init__(self, folder: Path):
        self.folder, self.programs = folder, folder / "programs"
        self.etc = folder / "etc"
        (self.etc / "zones").mkdir(parents=True)
        self.zone = self.etc / "zones" / "public.xml"
        self.zone.write_text("<zone/>")
        text = render("firewall/rules.sh.j2", policy=firewalld.POLICY)
        self.program = folder / "firewall-rules"
        self.program.write_text(text.replace("/etc/firewalld", str(self.etc)))
        self.listing = folder / "listing"
        self.kernel(LISTING)
        self.units("active", "enabled")
        done = local.run(f"sh {self.program} >{self.listing}", programs=self.programs)
        assert done.returncode == 0, done.stderr

    def kernel(self, listing: str) -> None:
        (self.folder / "table").write_text(listing)
        local.program(self.programs, "nft", f"cat {self.folder / 'table'}")

    def units(self, active: str, enabled: str) -> None:
        told = "\n\n".join(
            f"Id={unit}\nActiveState={active}\nUnitFileState={enabled}" for unit in (SERVICE, UNIT)
        )
        local.program(self.programs, "systemctl", f"echo '{told}'")

    def found(self) -> Found:
        question = AskPolicies(UNIT, str(self.program), str(self.listing))
        return local.ask_here(question, self.programs)


@pytest.fixture
def here(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_real_answer(here: Host) -> None:
    assert here.found() == GOOD


@pytest.mark.parametrize(
    ("old", "new", "chain", "text"),
    [
        (
            ALLOWED,
            f"{ALLOWED}\t\ttcp dport 9999 accept\n",
            "filter_IN_policy_mattermost-host_allow",
            "has 'tcp dport 9999 accept'",
        ),
        (
            ALLOWED,
            "",
            "filter_IN_policy_mattermost-host_allow",
            "has lost 'tcp dport 443 accept'",
        ),
        (
            OPENED,
            f"{OPENED}\t\ttcp dport 9999 accept\n",
            "filter_IN_public_allow",
            "has 'tcp dport 9999 accept'",
        ),
        (
            "\t\tct state",
            "\t\ttcp dport 9999 accept\n\t\tct state",
            "filter_INPUT",
            "has 'tcp dport 9999 accept'",
        ),
    ],
)
def test_a_rule_by_hand_in_the_kernel(
    here: Host, old: str, new: str, chain: str, text: str
) -> None:
    here.kernel(LISTING.replace(old, new))
    assert here.found().differences == ((chain, text),)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # fail2ban bans; a network of containers comes with a zone and a policy of its own.
        ("filter_IN_public_deny {\n", "filter_IN_public_deny {\n\t\tip saddr 192.0.2.9 reject\n"),
        (
            "\tchain filter_IN_public_deny",
            "\tchain filter_IN_x_allow {\n\t}\n\n\tchain filter_IN_p",
        ),
        ("ipv6\n", 'ipv6\n\t\tiifname "virbr0" jump filter_IN_policy_x\n'),
    ],
)
def test_what_others_may_do_is_no_difference(here: Host, old: str, new: str) -> None:
    assert old in LISTING
    here.kernel(LISTING.replace(old, new))
    assert here.found().differences == ()


def test_a_permanent_change_that_waits_for_the_next_start(here: Host) -> None:
    here.zone.write_text("<zone><port/></zone>")
    (here.etc / "zones" / "public.xml.old").write_text("<zone/>")
    assert here.found().differences == ((str(here.zone), "changed since firewalld loaded it"),)


@pytest.mark.parametrize(
    "listing",
    [
        "",
        LISTING.replace("mattermost-host\n", "other\n"),
        LISTING.replace("_pre {\n", "_pre {\n\t\tjump filter_IN_policy_other\n"),
    ],
)
def test_a_policy_that_does_not_come_first(here: Host, listing: str) -> None:
    here.kernel(listing)
    assert not here.found().first


def test_rules_that_our_unit_did_not_see_loaded(here: Host) -> None:
    here.listing.unlink()
    assert ("rules", "has 'were not loaded by our unit'") in here.found().differences


@pytest.mark.parametrize(("active", "enabled"), [("inactive", "enabled"), ("active", "masked")])
def test_a_firewalld_that_would_not_load_them_at_boot(
    here: Host, active: str, enabled: str
) -> None:
    here.units(active, enabled)
    assert here.found().stopped == (SERVICE, UNIT)


def test_a_host_without_any_of_it() -> None:
    assert ASKED.parse([]) == Found(stopped=(SERVICE, UNIT))


def test_what_is_left_of_ours_is_asked_of_the_kernel_and_of_systemd(here: Host) -> None:
    question = AskLeftovers(UNIT)
    local.program(here.programs, "systemctl", "exit 1")
    ours = ("filter_IN_policy_mattermost-host_allow",)
    assert local.ask_here(question, here.programs) == ours
    here.kernel(LISTING.replace("mattermost", "others"))
    assert local.ask_here(question, here.programs) == ()
    local.program(
        here.programs, "systemctl", '[ "$*" = "-q is-enabled mattermost-firewall.service" ]'
    )
    assert local.ask_here(question, here.programs) == (UNIT,)
