"""Leaders are moved in time: the database's before its disk is full, etcd's off the same host."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mattermost_host.components import etcd, patroni
from mattermost_host.ops import database_watch
from tests.lab.database_client import Writer
from tests.lab.hosts import Lab, LabHost
from tests.lab.many import PATRONI, SUITE, ManyHosts
from tests.lab.shell import wait_until

ETCDCTL = f"set -a; . {etcd.ACCESS}; timeout 10 etcdctl"
DISK = "/var/lib/postgresql"
DISK_MIB = 500
FILL = f"{DISK}/fill"
NEARLY_MIB = 45
"""What is left free: less than the 64 that the watch wants, more than a handover takes."""
LOOK_S = float(database_watch.EVERY_S)
REJOINS_S = 120.0
"""Time for a member whose disk was full."""


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> ManyHosts:
    """Three databases with small disks; on the server's host there is only a client."""
    databases = [lab.up(f"db{number}", SUITE) for number in (1, 2, 3)]
    for one in databases:
        one.run(f"mkdir {DISK} && mount -t tmpfs -o size={DISK_MIB}m,mode=755 tmpfs {DISK}")
    folder = tmp_path_factory.mktemp("disk")
    made = ManyHosts(lab, databases, lab.up("chat", SUITE), folder, release)
    made.deploy(*_databases(made))
    return made


@pytest.fixture
def whole(site: ManyHosts) -> Iterator[ManyHosts]:
    """The site with room on all disks, before and after the test."""
    wait_until(lambda: _has_room(site), REJOINS_S, "all members work and have room", 1)
    yield site
    for one in site.databases:
        one.run(f"rm -f {FILL}; systemctl start etcd {database_watch.UNIT}")


def _databases(site: ManyHosts) -> list[str]:
    return [part for one in site.databases for part in ("--limit", one.address)]


def _leads(site: ManyHosts, host: LabHost) -> bool:
    return [one.host for one in site.members() if one.role == "Leader"] == [host]


def _moved_from(site: ManyHosts, host: LabHost) -> bool:
    return any(one.role == "Leader" and one.host is not host for one in site.members())


def _ample(site: ManyHosts) -> set[str]:
    """The members that say that they have room."""
    way = patroni.way(site.databases[0].address)
    told = json.loads(site.databases[0].run(f"{way.curl} {way.url}/config").stdout)
    return {name for name, mark in told[database_watch.MARKS].items() if mark}


def _has_room(site: ManyHosts) -> bool:
    return site.is_whole() and len(_ample(site)) == len(site.databases)


def _etcd_leads(host: LabHost) -> bool:
    return ", true, false, " in host.run(f"{ETCDCTL} endpoint status").stdout


def _now(host: LabHost) -> str:
    return host.run("date +%s").stdout.strip()


def _said(host: LabHost, since: str) -> list[str]:
    told = f"journalctl -u {database_watch.UNIT} -t database-watch --since @{since} -o cat"
    return host.run(f"{told} --no-pager -q").stdout.splitlines()


def _free(host: LabHost) -> int:
    blocks, size = host.run(f"stat -f -c '%a %S' {DISK}").stdout.split()
    return int(blocks) * int(size) // 2**20


def _verified(site: ManyHosts) -> str:
    """What is wrong; the server's host, which has nothing on it, among it."""
    done = site.run("mattermost-host", "verify", str(site.inventory), check=False)
    assert "expected" in done.words
    return done.words


def _fill(host: LabHost) -> None:
    """At once, up to the last NEARLY_MIB."""
    host.run(f"fallocate -l {_free(host) - NEARLY_MIB}M {FILL}")


def test_it_is_seen_where_it_does_not_run(whole: ManyHosts) -> None:
    """A run that changes nothing, a watch that was stopped, and one that hangs."""
    databases, unit = _databases(whole), database_watch.UNIT
    assert whole.deploy(*databases).changed == ()
    assert unit not in _verified(whole)
    stopped, hanging, _ = whole.databases
    stopped.run(f"systemctl stop {unit}")
    old = f"touch -d '-5 minutes' /run/{database_watch.RUN}/looked"
    hanging.run(f"systemctl kill --signal=STOP {unit}; {old}")
    plan = whole.run("mattermost-host", "plan", str(whole.inventory), *databases, check=False)
    assert plan.status == 2
    assert f"{unit}, because it does not run" in plan.words
    assert unit in _verified(whole)
    assert f"{unit}, because it runs, but does not answer" in plan.words
    assert whole.deploy(*databases).changed == ("Patroni | leaders are moved in time",)
    assert whole.deploy(*databases).changed == ()


def test_the_leader_moves_before_its_disk_is_full(whole: ManyHosts) -> None:
    """No row fails for want of room; a member without room is passed over."""
    old = whole.leader
    small, other = whole.followers
    _fill(small)
    wait_until(lambda: small.address not in _ample(whole), 3 * LOOK_S, "it says it has no room")
    writer = Writer(whole)
    with writer.writing():
        filling = f"while dd if=/dev/zero bs=1M count=3 status=none >>{FILL}; do sleep 1; done"
        old.run(f"({filling}) </dev/null >/dev/null 2>&1 &")
        took = wait_until(lambda: _leads(whole, other), 240, "the other one leads")
        free = _free(old)
        wait_until(lambda: _free(old) == 0, 240, "the old leader's disk is full")
    written = writer.result()
    print(f"{written}; moved after {took:.0f} s of filling, with {free} MiB free")
    assert not [one for one in written.failures if "space" in one or "PANIC" in one]
    assert written.lost == 0
    assert written.tried - len(written.failures) > 50
    # It stays where it is, and the full one comes back once it has room.
    assert _leads(whole, other)
    old.run(f"rm {FILL}")
    small.run(f"rm {FILL}")
    wait_until(lambda: _has_room(whole), REJOINS_S, "the one that was full follows again", 1)


def test_where_all_are_full_the_leader_stays_and_says_so(whole: ManyHosts) -> None:
    leader = whole.leader
    since = _now(leader)
    for one in (*whole.followers, leader):
        _fill(one)
    wait_until(lambda: _said(leader, since), 4 * LOOK_S, "it says something", 1)
    leader.run(f"sleep {3 * LOOK_S}")
    assert _leads(whole, leader)
    (said,) = _said(leader, since)
    assert "no member that follows has more room: this one goes on leading" in said
    assert "of 500 MiB are free in /var/lib/postgresql" in said


def test_it_does_nothing_while_patroni_is_paused(whole: ManyHosts) -> None:
    leader = whole.leader
    leader.run(f"patronictl -c {PATRONI} pause --wait")
    since = _now(leader)
    try:
        _fill(leader)
        leader.run(f"sleep {3 * LOOK_S}")
        assert _leads(whole, leader)
        assert _said(leader, since) == []
    finally:
        leader.run(f"patronictl -c {PATRONI} resume --wait")
    wait_until(lambda: _moved_from(whole, leader), 4 * LOOK_S, "another one leads")


def test_without_etcd_it_says_so_and_waits(whole: ManyHosts) -> None:
    leader, followers = whole.leader, whole.followers
    since = _now(leader)
    for one in followers:
        one.run("systemctl stop etcd")
    leader.run("sleep 20")
    _fill(leader)
    wait_until(lambda: _said(leader, since), 4 * LOOK_S, "it says something")
    (said,) = _said(leader, since)
    assert "while etcd does not answer no other member can lead: free space now" in said
    for one in followers:
        one.run("systemctl start etcd")
    wait_until(lambda: _moved_from(whole, leader), 120, "another one leads")


def test_etcds_leader_leaves_the_host_of_the_databases(whole: ManyHosts) -> None:
    leader = whole.leader
    wait_until(lambda: not _etcd_leads(leader), 8 * LOOK_S, "they are apart")
    # So long it does not move it again.
    leader.run("sleep 60")
    member = leader.run(f"{ETCDCTL} endpoint status").stdout.split(", ")[1]
    (voter,) = (one for one in whole.databases if _etcd_leads(one))
    since = _now(leader)
    voter.run(f"{ETCDCTL} move-leader {member}")
    assert _etcd_leads(leader)
    took = wait_until(lambda: not _etcd_leads(leader), 2 * LOOK_S, "they are apart again")
    print(f"apart again after {took:.0f} s")
    leader.run(f"sleep {2 * LOOK_S}")
    assert _leads(whole, leader)
    (said,) = _said(leader, since)
    assert said.startswith("Leadership transferred from")
