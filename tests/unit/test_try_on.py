"""scripts/try-on without a host: its inventory, its judgement of steps, and its report."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.facts.host import HostFacts
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.try_on import about, report
from tests.try_on.place import PASSWORD, Login, Place
from tests.try_on.steps import Ran, Step, Steps
from tests.try_on.tamperings import COUNT, chosen, drift
from tests.unit.examples import DEBIAN_12, ROCKY_9


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv(PASSWORD, "pass-of-sudo")
    made = Place(tmp_path)
    made.write(Login("chat.example.com", "ann", 2222, "/home/ann/key", with_password=True), None)
    return made


def test_the_inventory_is_one_without_a_mistake_and_without_the_password(place: Place) -> None:
    (host,) = Site.load(place.inventory).hosts
    assert host.data["ssh_user"] == "ann" and host.data["ssh_port"] == 2222
    assert host.data["_sudo_password"] == "pass-of-sudo"
    assert "pass-of-sudo" not in place.inventory.read_text()
    assert place.inventory.stat().st_mode & 0o077 == 0


def test_the_version_of_the_database_may_be_another(place: Place) -> None:
    place.write(Login("chat.example.com"), None, 15)
    assert Site.load(place.inventory).settings.postgres.version == 15


def test_a_folder_that_is_no_trial_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is not the folder of an earlier trial"):
        Place.make(tmp_path)


@pytest.mark.parametrize(
    ("facts", "access", "opened", "more"),
    [
        (DEBIAN_12, "/etc/postgresql/15/main/pg_hba.conf", "nft add rule inet mattermost_host", ()),
        (
            ROCKY_9,
            "/etc/mattermost-host/postgresql/pg_hba.conf",
            "firewall-cmd --quiet --policy=",
            (
                "semanage fcontext -d '/etc/mattermost-host/tls(/.*)?'",
                "setsebool -P httpd_can_network_relay off",
                "firewall-cmd --quiet --permanent",
                "module reset nginx",
            ),
        ),
        (
            replace(ROCKY_9, selinux="disabled"),
            "/etc/mattermost-host/postgresql/pg_hba.conf",
            "firewall-cmd --quiet --policy=",
            ("firewall-cmd --quiet --permanent", "module reset nginx"),
        ),
    ],
    ids=lambda one: one.distribution if isinstance(one, HostFacts) else "",
)
def test_tamperings_are_chosen_for_the_host(
    place: Place, facts: HostFacts, access: str, opened: str, more: tuple[str, ...]
) -> None:
    site = Site.load(place.inventory)
    some = chosen(site, facts)
    assert len(some) == COUNT + len(more) == len({one.what for one in some})
    for wanted in (access, opened, *more):
        assert any(wanted in one.shell for one in some)
    assert "restart" not in drift(site, facts).shell


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setattr("tests.try_on.steps.BIN", Path(sys.executable).parent)
    return Steps(tmp_path, {}, lambda _: None)


def test_a_step_is_judged_by_its_status_and_then_by_what_it_said(steps: Steps) -> None:
    python = Path(sys.executable).name
    steps.run("two", python, "-c", "raise SystemExit(2)", expected=2)
    steps.run("wrong", python, "-c", "raise SystemExit(2)")
    steps.run("quiet", python, "-c", "", judge=lambda ran: "" if ran.printed else "Says nothing.")
    assert steps.note("by hand", "true", (1, "no such program"), 0.1) is False
    assert [(one.what, one.problem) for one in steps.problems] == [
        ("wrong", "Ended with 2 instead of 0."),
        ("quiet", "Says nothing."),
        ("by hand", "Ended with 1."),
    ]


@pytest.mark.parametrize(
    ("printed", "changed"),
    [
        (
            '{"results": {"operations": [{"name": "a", "success": 1}, '
            '{"name": "b", "success": 0}]}}',
            ("a",),
        ),
        ('{"results": {"operations": []}}', ()),
        ("no JSON", None),
    ],
)
def test_what_a_deploy_changed(printed: str, changed: tuple[str, ...] | None) -> None:
    assert Ran(0, "", printed).changed == changed


def test_the_report_names_what_failed_and_no_secret(place: Place) -> None:
    secrets = place.inventory.with_suffix(".secrets.toml")
    secrets.write_text('admin_password = "hunter22"\n[authority]\nkey = "a\\nline-of-key\\nb"\n')
    login = Login("chat.example.com", "ann", None, "/home/ann/key")
    mask = place.mask(login, "pass-of-sudo", ("192.0.2.10",))
    said = "hunter22 192.0.2.10 line-of-key pass-of-sudo chat.example.com /home/ann/key"
    steps = [Step("plan", f"plan {place.inventory}", 0, 1.0, "It does not name x.", said)]
    host = about.read("distribution=Ubuntu 24.04\npackage nginx=1.24\nempty=\n")
    text = report.text(report.Subject(host, "11.7.9", "0.1.0"), steps, ["a host"], mask)
    assert text.startswith("# mattermost-host on Ubuntu 24.04: 1 of 1 steps were not as expected")
    assert "| plan | `plan FOLDER/inventory.py` | 0 | 1.0 | **no** |" in text
    assert "It does not name x." in text and "packages: nginx 1.24" in text
    assert "[secret] HOST [secret] [secret] HOST KEY" in text
    for one in said.split():
        assert one not in text
