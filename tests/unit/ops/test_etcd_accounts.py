"""etcd's accounts: what etcdctl tells, and what follows."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from mattermost_host.ops import etcd_accounts
from mattermost_host.ops.etcd_accounts import Access, Accounts, AskAccess
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

QUESTION = AskAccess("/etc/mattermost-host/etcd/etcdctl.env")
ACCOUNTS = Accounts(SecretStr("Root-Secret"), SecretStr("Patroni-Secret"))
RIGHT = Access(True, known=True, granted=True)
# As etcdctl 3.4 and 3.5 print them.
GRANTED = """root
patroni
known
Role patroni
KV Read:
\t[/service/, /service0) (prefix /service/)
KV Write:
\t[/service/, /service0) (prefix /service/)
User: patroni
Roles: patroni
asked"""


def _planned(now: Access) -> Plan:
    return plan(
        lambda: etcd_accounts.present(name="accounts", access=QUESTION.access, accounts=ACCOUNTS),
        answer=answering({QUESTION: now}),
    )


def test_what_etcdctl_prints() -> None:
    assert QUESTION.parse(GRANTED.splitlines()) == RIGHT
    assert QUESTION.parse(["root", "open", "asked"]) == Access(True, open=True)
    assert QUESTION.parse(["asked"]) == Access(True)
    assert QUESTION.parse([]) == Access(False)
    assert QUESTION.parse(["absent"]) == Access(True, open=True), "a member that is to be made"


def test_more_rights_than_below_the_prefix_are_not_granted() -> None:
    more = GRANTED.replace("KV Write:", "\t[a, b]\nKV Write:")
    assert not QUESTION.parse(more.splitlines()).granted


@pytest.mark.parametrize(
    "now",
    [Access(True, open=True), Access(True, known=True), Access(True), Access(False)],
)
def test_what_is_wrong_is_mended(now: Access) -> None:
    assert _planned(now).changed == ["accounts"]


def test_our_accounts_are_no_change() -> None:
    assert _planned(RIGHT).changed == []


def test_passwords_travel_by_standard_input() -> None:
    done = _planned(Access(True, open=True))
    assert "Secret" not in done.shell
    assert done.stdin == "Root-Secret\nPatroni-Secret"


def test_the_script_adds_both_accounts_and_then_shuts_out_everybody_else(tmp_path: Path) -> None:
    log, access = tmp_path / "log", tmp_path / "etcdctl.env"
    access.write_text("ETCDCTL_USER=root:x\n")
    programs = tmp_path / "programs"
    told = 'case "$*" in *get*) exit 1 ;; esac; case "$*" in *add*|*passwd*) cat >/dev/null ;; esac'
    local.program(programs, "etcdctl", f'echo "${{ETCDCTL_USER:-nobody}}: $*" >>{log}; {told}')
    script = _planned(Access(True, open=True)).shell.replace(QUESTION.access, str(access))
    done = local.run(script, ["Root-Secret", "Patroni-Secret"], programs)
    assert done.returncode == 0, done.stderr
    lines = log.read_text().splitlines()
    assert "nobody: user add root --interactive=false" in lines
    assert "nobody: user add patroni --interactive=false" in lines
    assert "nobody: role grant-permission patroni --prefix=true readwrite /service/" in lines
    assert lines[-1] == "nobody: auth enable"
