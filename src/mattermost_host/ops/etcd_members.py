"""The members of etcd are the hosts of the inventory: lost ones are replaced, others removed.

A member that lost its data may not begin as if the cluster were new: it would have forgotten what
it has voted for. The others forget it first, and it joins again with what they know.
"""

import json
import shlex
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.rolling import failed_before
from mattermost_host.ops.unit_state import AskUnit, UnitState

PATIENCE_S = 3
ASKED_S, JOINED_S = 10, 60
"""Time limits of one question to the others, and until they take a new member."""


@dataclass(frozen=True)
class Voters:
    """What a host has of etcd's data, and whom the members list."""

    has_data: bool = False
    listed: Mapping[str, str] | None = None
    """Address for members -> name, which is empty until it has started; None: nobody answers."""


@dataclass(frozen=True)
class AskVoters(Question[Voters]):
    """The members of etcd, as a healthy one on this host or the first other lists them."""

    about = "the members of etcd"
    waits = True

    urls: tuple[str, ...]
    """The addresses for members: this host's, then the others'."""
    health: str
    """Where this host's member tells whether it follows a leader."""
    data: str
    authority: str
    certificate: str
    key: str

    @property
    def own(self) -> str:
        """This host's address for members."""
        return self.urls[0]

    def script(self) -> str:
        # Members tell each other by their certificates; an account costs 0.1 s of the processor.
        tls = f"--cacert {self.authority} --cert {self.certificate} --key {self.key}"
        # Of HTTP/2 the address for members speaks what members need, and no more.
        curl = f"curl --silent --fail --http1.1 --noproxy '*' --max-time {PATIENCE_S} {tls}"
        others = " ".join(map(shlex.quote, self.urls[1:]))
        # A member that was removed starts again and again, and lists itself while it runs.
        healthy = f'{curl} {self.health} | grep -q \'"health": *"true"\''
        return (
            f"[ ! -d {self.data}/member ] || echo data\n"
            f"[ -f {self.certificate} ] || exit 0\n"
            f"{healthy} && {curl} {self.own}/members && exit 0\n"
            f'for each in {others}; do {curl} "$each/members" && break; done'
        )

    def parse(self, lines: list[str]) -> Voters:
        told = next((line for line in lines if line.startswith("[")), "")
        return Voters("data" in lines, _listed(told) if told else None)


def _listed(told: str) -> dict[str, str]:
    return {
        url: member.get("name", "") for member in json.loads(told) for url in member["peerURLs"]
    }


@dataclass(frozen=True)
class Voter:
    """This host as a member."""

    name: str
    unit: str
    drop_ins: str
    """Folder for a drop-in of the unit that the next boot forgets."""
    configuration: str
    access: str
    """The file with what etcdctl needs."""
    others: tuple[str, ...]
    """The other members' addresses for clients."""
    founded: bool
    """Whether there is a cluster to join."""


def is_new(voter: Voter, question: AskVoters, now: Voters) -> bool:
    """Whether this host has to join a cluster that exists."""
    # Data of a member that never started here is that of another one, which was removed.
    forgotten = now.listed is not None and not now.listed.get(question.own)
    return voter.founded and (not now.has_data or forgotten)


def formed(name: str, question: AskVoters, voter: Voter) -> OperationMeta:
    """Start members at the same time, because the first ones wait until they are a majority."""
    expect(AskUnit(voter.unit))
    expect(question)
    return _formed(name=name, question=question, voter=voter)


@operation()
def _formed(question: AskVoters, voter: Voter) -> Generator[StringCommand, None, None]:
    now: UnitState = ask(AskUnit(voter.unit))
    if now.active or is_new(voter, question, ask(question)):
        host.noop(f"{voter.unit} runs" if now.active else "it joins the others")
        return
    explain(Change(voter.unit, "does not run", "restart", "critical"))
    yield from changing(StringCommand(f"systemctl daemon-reload; {_start(voter.unit)}"))


def _start(unit: str) -> str:
    return (
        f"systemctl reset-failed {unit} 2>/dev/null; "
        f"systemctl start {unit} || {{ journalctl -u {unit} -n 20 --no-pager >&2; exit 1; }}"
    )


def joined(name: str, question: AskVoters, voter: Voter) -> OperationMeta:
    """Join a cluster that exists, one new member after the other."""
    expect(question)
    return _joined(name=name, question=question, voter=voter, _serial=True)


@operation()
def _joined(question: AskVoters, voter: Voter) -> Generator[StringCommand, None, None]:
    now = ask(question)
    if not is_new(voter, question, now):
        host.noop("it is a member")
        return
    found = "has not the others' data, and joins them"
    explain(Change(f"etcd's member {voter.name}", found, severity="critical"))
    if other := failed_before():
        refused = f"{voter.name} is left as it is, because {other} could not join"
        yield StringCommand(f"echo {shlex.quote(refused)} >&2; exit 1")
        return
    yield from changing(StringCommand(_joining(question, voter)))


def _joining(question: AskVoters, voter: Voter) -> str:
    # Of drop-ins in all folders the last name has the last word about ExecStart.
    drop_in, once = f"{voter.drop_ins}/zz-join.conf", "/run/mattermost-host/etcd-join.yaml"
    silent = (
        f"No other member of etcd has answered for {JOINED_S} s, so {voter.name} can't join. A "
        "majority of them has to run first (journalctl -u etcd); if it is lost for good, see "
        "docs/high-availability.md"
    )
    refused = f"The other members of etcd have not taken {voter.name} within {JOINED_S} s"
    add = f"etcdctl member add {voter.name} --peer-urls={question.own}"
    own = question.own.replace(".", r"\.").replace("[", r"\[").replace("]", r"\]")
    return f"""set -eu
set -a; . {voter.access}; set +a
ETCDCTL_ENDPOINTS={",".join(voter.others)}
end=$(($(date +%s) + {JOINED_S}))
until listed=$(timeout {ASKED_S} etcdctl member list 2>/dev/null); do
  [ $(date +%s) -lt $end ] || {{ echo {shlex.quote(silent)} >&2; exit 1; }}
  sleep 1
done
old=$(printf '%s\\n' "$listed" | sed -n 's|^\\([0-9a-f]*\\), .*, {own}, .*|\\1|p')
[ -z "$old" ] || etcdctl member remove "$old" >/dev/null
systemctl stop {voter.unit} 2>/dev/null || :
# Data of a member that the others have forgotten is of no use to it.
setpriv --reuid=etcd --regid=etcd --clear-groups sh -c '
  rm -rf -- "$0.left"; [ ! -e "$0" ] || mv -T -- "$0" "$0.left"' {question.data}
# Right after a removal etcd takes nobody, until it has seen all members for 5 s.
until added=$(timeout {ASKED_S} {add} 2>&1); do
  [ $(date +%s) -lt $end ] || {{ echo {shlex.quote(refused)}": $added" >&2; exit 1; }}
  sleep 1
done
cluster=$(printf '%s\\n' "$added" | sed -n 's/^ETCD_INITIAL_CLUSTER=//p')
mkdir -p -m 755 {voter.drop_ins} /run/mattermost-host
trap 'rm -f {drop_in}; systemctl daemon-reload' EXIT
sed -e "s|^initial-cluster: .*|initial-cluster: $cluster|" \\
  -e 's/^initial-cluster-state: .*/initial-cluster-state: existing/' {voter.configuration} >{once}
chmod 644 {once}
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/etcd --config-file %s\\n' {once} >{drop_in}
systemctl daemon-reload
{_start(voter.unit)}"""


def only(name: str, question: AskVoters, access: str) -> OperationMeta:
    """Remove members that the inventory does not name; it is enough on one host of the site."""
    expect(question)
    return _only(name=name, question=question, access=access)


@operation()
def _only(question: AskVoters, access: str) -> Generator[StringCommand, None, None]:
    others = foreign(ask(question), question.urls)
    if not others:
        host.noop("the inventory names all members")
        return
    for url, name in others.items():
        explain(Change(f"etcd's member {name or url}", "is not among the inventory's hosts"))
    removed = "\n".join(
        f"etcdctl member list | sed -n 's|^\\([0-9a-f]*\\), .*, {url}, .*|\\1|p' |"
        " while read -r id; do etcdctl member remove $id >/dev/null; done"
        for url in others
    )
    yield from changing(StringCommand(f"set -eu\nset -a; . {access}; set +a\n{removed}"))


def foreign(now: Voters, wanted: Sequence[str]) -> dict[str, str]:
    """Members at other addresses than the ``wanted``: address -> name."""
    return {url: name for url, name in (now.listed or {}).items() if url not in wanted}
