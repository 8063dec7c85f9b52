"""Databases that are lost for good, replaced by others, or leave: by the inventory and a deploy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import kept
from tests.lab.deployment import ROOT
from tests.lab.hosts import Lab, LabHost
from tests.lab.many import PATRONI, PATRONICTL, SUITE, ManyHosts, raised
from tests.lab.traffic import Traffic, none_lost_none_doubled

ETCDCTL = "set -a; . /etc/mattermost-host/etcd/etcdctl.env; set +a; etcdctl"
STALL_S = 15.0
"""The longest time without an acknowledged post: a handover, on a machine that does other work."""


@pytest.fixture(scope="module")
def site(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyHosts]:
    """Three databases, and a host with server and proxy."""
    yield raised(lab, tmp_path_factory.mktemp("members"), release)


def _voters(site: ManyHosts) -> dict[str, str]:
    """Address for members -> state, as the first database's etcd lists them."""
    said = site.databases[0].run(f"{ETCDCTL} member list").stdout
    rows = [line.split(", ") for line in said.splitlines()]
    return {row[3].removeprefix("https://").rpartition(":")[0]: row[1] for row in rows}


def _all_decide(site: ManyHosts) -> bool:
    return _voters(site) == dict.fromkeys((one.address for one in site.databases), "started")


def _led_by(site: ManyHosts, host: LabHost) -> None:
    switchover = f"switchover --force --leader {site.leader.address} --candidate {host.address}"
    if site.leader.name != host.name:
        host.run(f"{PATRONICTL} -c {PATRONI} {switchover}")
        site.wait_whole()


def test_a_host_that_lost_everything_joins_again(site: ManyHosts) -> None:
    post = kept.post_with_file(site, "wiped")
    lost = site.databases[2]
    _led_by(site, site.databases[0])
    traffic = Traffic(site)
    with traffic as seen:
        site.lab.renew(lost)
        plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
        assert plan.status == 2
        assert (
            f"etcd's member {lost.address} has not the others' data, and joins them" in plan.words
        )
        site.deploy()
        site.wait_whole()
    none_lost_none_doubled(traffic)
    assert seen.longest_gap < STALL_S
    assert _all_decide(site)
    assert site.deploy().changed == ()
    site.verify("--journey")
    kept.read_back(site, post)


def test_the_leader_leaves_the_inventory_and_another_host_comes(site: ManyHosts) -> None:
    post = kept.post_with_file(site, "replaced")
    gone = site.databases[2]
    _led_by(site, gone)
    comes = site.lab.up("db4", SUITE)
    traffic = Traffic(site)
    with traffic as seen:
        site.databases[2] = comes
        site.write()
        plan = site.run("mattermost-host", "plan", str(site.inventory), check=False)
        assert plan.status == 2
        assert f"is led by {gone.address}, which the inventory does not name" in plan.words
        site.deploy()
        site.wait_whole()
    none_lost_none_doubled(traffic)
    assert seen.longest_gap < STALL_S
    assert _all_decide(site)
    assert [one.host.name for one in site.members()].count("db4") == 1
    site.lab.down(gone)
    assert site.deploy().changed == ()
    site.verify("--journey")
    kept.read_back(site, post)


def test_a_majority_of_etcd_is_lost_for_good(site: ManyHosts) -> None:
    """By the document's commands; until then a deploy begins nothing anew."""
    post = kept.post_with_file(site, "majority")
    left, *lost = site.databases
    for host in lost:
        host.run("systemctl stop etcd; rm -rf /var/lib/etcd/mattermost-host")
    refused = site.deploy(check=False)
    assert refused.status != 0
    assert "A majority of them has to run first" in refused.words
    left.run(_commands("systemctl stop etcd"))
    assert site.deploy().changed == ("etcd | a new member joins the others",)
    site.wait_whole()
    assert _all_decide(site)
    assert site.deploy().changed == ()
    kept.read_back(site, post)


def _commands(first: str) -> str:
    """The block of commands in the document that begins with a line."""
    text = (ROOT / "docs" / "high-availability.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```sh\n")[1:]]
    (found,) = (block for block in blocks if block.startswith(f"{first}\n"))
    return found
