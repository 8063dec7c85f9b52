"""Members of etcd: who is new, who left, and what the others are told."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from mattermost_host.engine import explanations
from mattermost_host.ops import etcd_members
from mattermost_host.ops.etcd_members import AskVoters, Voter, Voters, foreign, is_new
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.host import judge_cluster as judge
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan

URLS = tuple(f"https://10.0.0.{number}:2380" for number in (1, 2, 3))
OTHER = "https://10.0.0.4:2380"
HEALTH = "https://10.0.0.1:2379/health"
QUESTION = AskVoters(URLS, HEALTH, "/var/lib/etcd/mattermost-host", "/a.pem", "/dev/null", "/k.pem")
ALL = dict(zip(URLS, ("db1", "db2", "db3"), strict=True))
VOTER = Voter(
    "db1",
    "etcd.service",
    "/run/systemd/system/etcd.service.d",
    "/etc/mattermost-host/etcd/etcd.yaml",
    "/etc/mattermost-host/etcd/etcdctl.env",
    ("https://10.0.0.2:2379", "https://10.0.0.3:2379"),
    founded=True,
)
FOUNDING = Voter(**{**vars(VOTER), "founded": False})


def _told(members: dict[str, str]) -> str:
    """As etcd 3.4 and 3.5 answer at /members; the numbers are larger than a float keeps."""
    listed = [
        {"id": 10501334649042878790 + at, "peerURLs": [url], **({"name": name} if name else {})}
        for at, (url, name) in enumerate(members.items())
    ]
    return json.dumps(listed)


def test_what_a_member_lists() -> None:
    assert QUESTION.parse(["data", _told(ALL)]) == Voters(True, ALL)
    assert QUESTION.parse([_told({**ALL, OTHER: ""})]) == Voters(False, {**ALL, OTHER: ""})
    assert QUESTION.parse([]) == Voters()


@pytest.mark.parametrize(("health", "asked"), [("true", URLS[0]), ("false", URLS[1])])
def test_a_member_is_believed_while_it_follows_a_leader(
    tmp_path: Path, health: str, asked: str
) -> None:
    """One that was removed lists itself."""
    told = f"*/health) echo '{{\"health\": \"{health}\"}}' ;; {asked}/members) echo '{_told(ALL)}'"
    last = 'for each; do last=$each; done; case "$last" in'
    local.program(tmp_path, "curl", f"{last} {told} ;; *) echo '{_told({OTHER: 'x'})}' ;; esac")
    script = QUESTION.script().replace("[ -f /dev/null ]", ":")
    assert QUESTION.parse(local.run(script, programs=tmp_path).stdout.splitlines()).listed == ALL


@pytest.mark.parametrize(
    ("now", "new"),
    [
        (Voters(True, ALL), False),
        (Voters(False, ALL), True),
        (Voters(True, {URLS[1]: "db2"}), True),
        (Voters(True, {**ALL, URLS[0]: ""}), True),
        (Voters(False, {URLS[1]: "db2"}), True),
        (Voters(True, None), False),
        (Voters(False, None), True),
    ],
)
def test_who_has_to_join(now: Voters, new: bool) -> None:
    assert is_new(VOTER, QUESTION, now) is new
    assert not is_new(FOUNDING, QUESTION, now), "before there is a cluster, all begin together"


def _joined(now: Voters, voter: Voter = VOTER) -> Plan:
    with explanations.collecting():
        return plan(
            lambda: etcd_members.joined(name="it", question=QUESTION, voter=voter),
            answer=answering({QUESTION: now}),
        )


def test_a_member_is_no_change() -> None:
    assert _joined(Voters(True, ALL)).changed == []
    assert _joined(Voters(), FOUNDING).changed == []


def test_a_new_member_is_no_start_of_a_unit_that_waits_for_the_others() -> None:
    def formed(now: Voters) -> list[str]:
        answers = {QUESTION: now, AskUnit(VOTER.unit): UnitState()}
        return plan(
            lambda: etcd_members.formed(name="it", question=QUESTION, voter=VOTER),
            answer=answering(answers),
        ).changed

    assert formed(Voters(True, ALL)) == ["it"]
    assert formed(Voters(False, ALL)) == []


@pytest.mark.parametrize("now", [Voters(False, ALL), Voters(True, {URLS[1]: "db2"}), Voters()])
def test_a_plan_says_that_a_member_joins(now: Voters) -> None:
    (change,) = _joined(now).step("it").told
    assert str(change) == "etcd's member db1 has not the others' data, and joins them"
    assert change.severity == "critical"


LISTED = """8211f1d0f64f3269, started, db1, https://10.0.0.1:2380, https://10.0.0.1:2379, false
91bc3c398fb3c146, started, db2, https://10.0.0.2:2380, https://10.0.0.2:2379, false
fd422379fda50e48, started, db31, https://10.0.0.31:2380, https://10.0.0.31:2379, false"""
ADDED = """Member 1 added to cluster 2

ETCD_NAME="db1"
ETCD_INITIAL_CLUSTER="db1=https://10.0.0.1:2380,db2=https://10.0.0.2:2380"
ETCD_INITIAL_CLUSTER_STATE="existing\""""
CONFIGURATION = """name: "db1"
initial-cluster: "db1=https://10.0.0.1:2380"
initial-cluster-state: new
initial-cluster-token: mattermost
"""


def _run(folder: Path, now: Voters, **programs: str) -> tuple[CompletedProcess[str], list[str]]:
    """The script of a new member in ``folder``, and what it asked of etcdctl and systemctl."""
    shell = _joined(now).shell
    for path in ("/etc/mattermost-host/etcd", "/run", "/var/lib/etcd"):
        shell = re.sub(rf"(?<![\w/]){path}(?=[/ ;])", f"{folder}{path}", shell)
        (folder / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    (folder / "etc/mattermost-host/etcd/etcdctl.env").write_text("ETCDCTL_ENDPOINTS=own\n")
    (folder / "etc/mattermost-host/etcd/etcd.yaml").write_text(CONFIGURATION)
    (folder / "var/lib/etcd/mattermost-host").mkdir()
    log = folder / "log"
    noted = f'echo "{{}} $*" >>{log}'
    listing = f"cat <<'END'\n{LISTED}\nEND"
    answers = f"case \"$2\" in list) {listing}\n;; add) cat <<'END'\n{ADDED}\nEND\n;; esac"
    seen = f"cp {folder}/run/systemd/system/etcd.service.d/zz-join.conf {folder}/seen 2>/dev/null;"
    made = {
        "etcdctl": f'echo "$ETCDCTL_ENDPOINTS" >{folder}/endpoints; {noted.format("etcdctl")}; '
        f"{programs.get('etcdctl', answers)}",
        "systemctl": f"{seen} {noted.format('systemctl')}",
        "setpriv": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
        "timeout": 'shift; exec "$@"',
        "journalctl": ":",
    }
    for name, text in made.items():
        local.program(folder / "programs", name, text)
    done = local.run(shell, programs=folder / "programs")
    return done, log.read_text().splitlines()


def test_a_member_without_data_is_forgotten_and_joins_again(tmp_path: Path) -> None:
    done, asked = _run(tmp_path, Voters(False, ALL))
    assert done.returncode == 0, done.stderr
    assert asked == [
        "etcdctl member list",
        "etcdctl member remove 8211f1d0f64f3269",
        "systemctl stop etcd.service",
        "etcdctl member add db1 --peer-urls=https://10.0.0.1:2380",
        "systemctl daemon-reload",
        "systemctl reset-failed etcd.service",
        "systemctl start etcd.service",
        "systemctl daemon-reload",
    ]
    assert (tmp_path / "endpoints").read_text() == f"{','.join(VOTER.others)}\n"
    once = tmp_path / "run/mattermost-host/etcd-join.yaml"
    assert once.read_text() == (
        'name: "db1"\n'
        'initial-cluster: "db1=https://10.0.0.1:2380,db2=https://10.0.0.2:2380"\n'
        "initial-cluster-state: existing\ninitial-cluster-token: mattermost\n"
    )
    assert f"ExecStart=\nExecStart=/usr/bin/etcd --config-file {once}" in (
        (tmp_path / "seen").read_text()
    )
    assert not (tmp_path / "run/systemd/system/etcd.service.d/zz-join.conf").exists(), "one start"
    left = sorted(one.name for one in (tmp_path / "var/lib/etcd").iterdir())
    assert left == ["mattermost-host.left"]


def test_a_member_that_nobody_lets_in_says_who_has_to_run_first(tmp_path: Path) -> None:
    local.program(tmp_path / "programs", "date", f"echo $(($(wc -l <{tmp_path}/log) * 40))")
    (tmp_path / "log").touch()
    done, asked = _run(tmp_path, Voters(False, ALL), etcdctl="exit 1")
    assert done.returncode == 1
    assert "No other member of etcd has answered for 60 s, so db1 can't join" in done.stderr
    assert "docs/high-availability.md" in done.stderr
    assert {one.rpartition(" ")[0] for one in asked} == {"etcdctl member"}, "nothing was touched"


def _only(now: Voters) -> Plan:
    with explanations.collecting():
        return plan(
            lambda: etcd_members.only(name="it", question=QUESTION, access="/dev/null"),
            answer=answering({QUESTION: now}),
        )


def test_a_member_that_left_the_inventory_is_removed(tmp_path: Path) -> None:
    assert _only(Voters(True, ALL)).changed == []
    assert _only(Voters(True, None)).changed == []
    gone = _only(Voters(True, {**ALL, "https://10.0.0.31:2380": "db31"}))
    (change,) = gone.step("it").told
    assert str(change) == "etcd's member db31 is not among the inventory's hosts"
    log = tmp_path / "log"
    listing = f"case $2 in list) cat <<'END'\n{LISTED}\nEND\n;; *) echo \"$*\" >>{log} ;; esac"
    local.program(tmp_path / "programs", "etcdctl", listing)
    done = local.run(gone.shell, programs=tmp_path / "programs")
    assert done.returncode == 0, done.stderr
    assert log.read_text() == "member remove fd422379fda50e48\n"


def test_what_verification_says_of_members() -> None:
    assert list(judge.voters(Voters(True, ALL), URLS)) == []
    assert foreign(Voters(True, {**ALL, OTHER: "db4"}), URLS) == {OTHER: "db4"}
    for now, said in (
        (Voters(True, None), "etcd"),
        (Voters(True, {**ALL, URLS[2]: ""}), f"etcd at {URLS[2]}"),
        (Voters(True, {**ALL, OTHER: "db4"}), "etcd's member db4"),
    ):
        (sentence,) = judge.voters(now, URLS)
        assert str(sentence).startswith(said)
