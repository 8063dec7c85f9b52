"""ACME by lego: what is put on a host, its scripts by the real shell, and its unit by systemd."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import tls
from mattermost_host.components.tls import Settings
from mattermost_host.engine.batch import Question
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import DEBIAN, ENTERPRISE_LINUX
from mattermost_host.knowledge.surface import Unit
from mattermost_host.ops import certbot, lego, lego_program, remains
from mattermost_host.ops.acme import AskCertificate, CertificateState
from mattermost_host.ops.entries import Absent, Alone, Directory
from tests.unit import local
from tests.unit.components.tls_examples import (
    ACME,
    AUTHORITY,
    ISSUED,
    NAME,
    PAIR,
    STANDING,
    TARBALL,
    deployed,
)
from tests.unit.examples import DEBIAN_12, ROCKY_9, place
from tests.unit.fake_host import Plan, answering, plan
from tests.unit.parsers import complaints_of_systemd, exposure

RENEWAL = "automatic renewal is enabled"
FRESH = CertificateState()
RIGHT = CertificateState(fits=True, installed=True, issued=PAIR.leaf, directory=ACME.directory)


def planned(settings: Settings = ACME, now: CertificateState = FRESH) -> Plan:
    def both() -> None:
        deployed(settings, ENTERPRISE_LINUX)
        tls.issue(settings=settings, family=ENTERPRISE_LINUX, server_name=NAME)

    question: Question[CertificateState] = AskCertificate(lego.CLIENT, tls.SERVED)
    return plan(both, answer=answering({question: now}))


def test_enterprise_linux_has_it_by_itself_and_others_where_it_is_stated() -> None:
    assert tls.surface(ACME, place(ROCKY_9)).units == (Unit(lego.TIMER),)
    assert tls.surface(ACME, place(DEBIAN_12)).units == (Unit(DEBIAN.certbot.timer),)
    stated = ACME.model_copy(update={"client": "lego"})
    assert tls.surface(stated, place(DEBIAN_12)).units == (Unit(lego.TIMER),)


def test_a_fresh_host_gets_program_account_units_and_a_placeholder() -> None:
    result = planned()
    assert [step.name for step in result.steps if step.changes] == [
        "TLS | openssl is installed",
        "TLS | the account for lego exists",
        "TLS | lego is unpacked",
        "TLS | lego is configured",
        f"TLS | {STANDING}",
        f"TLS | {ISSUED}",
        f"TLS | {RENEWAL}",
    ]
    assert f"systemctl start {lego.SERVICE} || {{" in result.step(ISSUED).shell
    assert "gave no certificate for mm.example.com" in result.step(ISSUED).shell
    assert lego.TIMER in result.step(RENEWAL).shell
    assert "certbot" not in result.shell.replace("/etc/systemd/system/certbot", "")


def test_lego_may_write_its_own_folder_and_the_challenges_only() -> None:
    result = planned()
    theirs = {
        (one.path, one.mode)
        for one in result.entries
        if isinstance(one, Directory) and one.user == lego.USER
    }
    assert theirs == {(lego.STATE, "700"), (tls.CHALLENGES, "755")}
    assert f"ReadWritePaths={lego.STATE} {tls.CHALLENGES}\n" in result.text(lego.SERVICE_FILE)
    assert Directory(lego.LIVE, "700") in result.entries
    names = ("lego", "lego.unpacked", "order-certificate", "take-certificate")
    assert Alone(lego_program.FOLDER, names) in result.entries


def test_what_certbot_would_renew_beside_it_goes() -> None:
    gone = {one.path for one in planned().entries if isinstance(one, Absent)}
    assert {*certbot.REMAINS} < gone


def test_a_host_with_its_certificate_changes_nothing() -> None:
    result = planned(now=RIGHT)
    assert not result.step(STANDING).changes
    assert not result.step(ISSUED).changes


def test_a_unit_that_systemd_has_not_read_is_read() -> None:
    shell = planned(now=replace(RIGHT, unread=True)).step(ISSUED).shell
    assert shell == "set -eu\nsystemctl daemon-reload"


def test_a_pair_changed_by_hand_is_what_root_took_again() -> None:
    result = planned(now=replace(RIGHT, fits=False, installed=False))
    assert result.step(STANDING).shell == f"RENEWED_LINEAGE={lego.LIVE} {tls.HOOK}"


def test_its_units_are_understood_by_systemd_and_closed(tmp_path: Path) -> None:
    result = planned()
    for path in (lego.SERVICE_FILE, lego.TIMER_FILE):
        text = result.text(path)
        for program in (lego.ORDER, lego.TAKE):
            text = text.replace(program, "/bin/true")
        (tmp_path / path.rpartition("/")[2]).write_text(text)
    complaints = complaints_of_systemd(tmp_path / lego.TIMER)
    assert [one for one in complaints if "mattermost-certificate" in one] == []
    assert exposure(tmp_path / lego.SERVICE) < 1.5


def test_a_private_acme_server_is_trusted_by_its_own_authorities(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(AUTHORITY.certificate)
    trusting = f"Environment=LEGO_CA_CERTIFICATES={tls.ACME_AUTHORITIES}\n"
    private = ACME.model_copy(update={"ca_bundle": str(bundle)})
    assert trusting in planned(private).text(lego.SERVICE_FILE)
    assert "LEGO_CA" not in planned().text(lego.SERVICE_FILE)


@pytest.mark.parametrize("settings", [Settings(mode="files"), ACME], ids=["files", "certbot"])
def test_where_it_is_not_used_its_timer_is_stopped_and_all_of_it_removed(
    settings: Settings,
) -> None:
    left: Question[tuple[str, ...]] = remains.AskRemains(lego.OURS)
    answer = answering({left: (lego.TIMER_FILE, lego.STATE)})
    result = plan(lambda: deployed(settings, DEBIAN, PAIR), answer=answer)
    shell = result.step("lego's files are removed").shell
    assert f"systemctl disable --quiet --now {lego.TIMER}" in shell
    assert all(path in shell for path in lego.OURS)
    assert not plan(lambda: deployed(ACME, DEBIAN)).step("lego's files are removed").changes


@pytest.mark.parametrize(
    ("facts", "stated", "names"),
    [
        (ROCKY_9, None, ["opt-executable", "fapolicyd"]),
        (ROCKY_9, "certbot", ["certbot-of-snap", "epel"]),
        (DEBIAN_12, None, ["certbot-of-snap"]),
        (DEBIAN_12, "lego", ["opt-executable", "fapolicyd"]),
    ],
)
def test_only_what_the_client_needs_is_asked_of_a_host(
    facts: HostFacts, stated: str | None, names: list[str]
) -> None:
    settings = ACME.model_copy(update={"client": stated})
    found = [one.name for need in tls.requires(settings, place()) for one in need.check(facts)]
    assert found == names


def test_it_is_fetched_only_for_a_host_that_is_to_have_it_and_lacks_it() -> None:
    assert tls.lacks(ACME, ROCKY_9, TARBALL)
    assert not tls.lacks(ACME, replace(ROCKY_9, lego=TARBALL.sha256), TARBALL)
    assert not tls.lacks(ACME, DEBIAN_12, TARBALL)
    assert not tls.lacks(Settings(), ROCKY_9, TARBALL)


Ordered = Callable[..., list[str]]


@pytest.fixture
def ordered(tmp_path: Path) -> Ordered:
    """The script that orders by the real shell, with a lego that notes its command."""
    state = tmp_path / "state"
    (state / "certificates").mkdir(parents=True)
    log = tmp_path / "log"
    made = f"echo x >{state}/certificates/{NAME}.crt"
    account = f"mkdir -p {state}/accounts/x; touch {state}/accounts/x/account.json"

    def run(end: str, settings: Settings = ACME) -> list[str]:
        log.write_text("")
        local.program(tmp_path, "lego", f'echo "$@" >>{log}; {made}; {account}; {end}')
        places = {lego_program.PROGRAM: tmp_path / "lego", lego.STATE: state}
        script = local.moved(planned(settings).text(lego.ORDER), places)
        assert local.run(script).returncode == (0 if end == "exit 0" else 1)
        return log.read_text().splitlines()

    return run


def test_a_certificate_is_ordered_once_and_renewed_from_then_on(ordered: Ordered) -> None:
    (first,) = ordered("exit 0")
    assert first.endswith(" run")
    for words in ("--accept-tos", "--email admin@example.com", f"--domains {NAME}"):
        assert words in first
    assert "--server https://acme.test/dir" in first
    assert f"--http.webroot {tls.CHALLENGES}" in first
    (second,) = ordered("exit 0")
    assert second.endswith(" renew --dynamic --no-random-sleep")


@pytest.mark.parametrize(
    "changes",
    [{"email": "other@example.com"}, {"directory": "https://other.test/dir"}, {"email": None}],
)
def test_other_words_are_another_order(ordered: Ordered, changes: dict[str, object]) -> None:
    ordered("exit 0")
    other = ACME.model_copy(update=changes)
    assert ordered("exit 0", other)[0].endswith(" run")
    assert ordered("exit 0", other)[0].endswith(" --no-random-sleep")


def test_an_order_that_failed_is_ordered_again(ordered: Ordered) -> None:
    ordered("exit 1")
    assert ordered("exit 0")[0].endswith(" run")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another account reads")
def test_root_takes_the_pair_and_nothing_that_a_link_leads_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    live, state, served = tmp_path / "live", tmp_path / "state", tmp_path / "tls"
    for folder in (live, state / "certificates", served):
        folder.mkdir(parents=True)
    programs = tmp_path / "programs"
    # The account is not on this machine; nobody takes its part.
    local.program(programs, "runuser", 'shift 3; exec setpriv --reuid 65534 --clear-groups "$@"')
    local.program(programs, "nginx", "exit 0")
    local.program(programs, "hook", f"cp {live}/*.pem {served}")
    places = {
        lego.LIVE: live,
        lego.STATE: state,
        tls.FOLDER: served,
        tls.HOOK: programs / "hook",
    }
    script = local.moved(planned().text(lego.TAKE), places)
    files = {".crt": PAIR.certificate, ".key": PAIR.key.get_secret_value()}
    for ending, text in files.items():
        (state / f"certificates/{NAME}{ending}").write_text(text)
    parents = [parent for parent in tmp_path.parents if parent.stat().st_uid == 0]
    modes = {parent: parent.stat().st_mode for parent in parents}
    try:
        for parent in parents[:2]:
            parent.chmod(0o755)
        assert local.run(script, programs=programs).returncode == 0
        assert (live / "fullchain.pem").read_text() == PAIR.certificate
        assert (live / "directory").read_text() == "https://acme.test/dir\n"
        assert (served / "privkey.pem").read_text() == files[".key"]
        secret = tmp_path / "secret"
        secret.write_text("of root")
        secret.chmod(0o600)
        taken = state / f"certificates/{NAME}.key"
        taken.unlink()
        taken.symlink_to(secret)
        assert local.run(script, programs=programs).returncode != 0
        assert (live / "privkey.pem").read_text() == files[".key"]
    finally:
        for parent, mode in modes.items():
            parent.chmod(mode)
