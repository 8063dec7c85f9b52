"""The component etcd: fresh, converged, and what its files say."""

from dataclasses import replace
from pathlib import Path

from mattermost_host.components import etcd
from mattermost_host.components.etcd import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.surface import Peers
from mattermost_host.ops.etcd_accounts import AskAccess
from tests.unit.cluster_examples import DATABASES, place, voter
from tests.unit.examples import DEBIAN_12, ROCKY_9, converged
from tests.unit.fake_host import Plan, plan
from tests.unit.parsers import complaints_of_systemd, exposure


def _fresh() -> Plan:
    return plan(etcd.deploy, Settings(), DEBIAN_12.family, voter(), ())


def test_the_package_finds_a_unit_that_waits_for_our_settings() -> None:
    names = [name.removeprefix("etcd | ") for name in _fresh().changed]
    assert names[:3] == [
        "its unit waits for our settings",
        "etcd is installed",
        "settings and keys are in place",
    ]
    drop_in = _fresh().text(f"{etcd.DROP_IN_FOLDER}/{etcd.DROP_IN}")
    assert f"AssertPathExists={etcd.CONFIGURATION}\n" in drop_in


def test_a_converged_host_yields_nothing() -> None:
    answer = converged(_fresh())
    assert plan(etcd.deploy, Settings(), DEBIAN_12.family, voter(), (), answer=answer).changed == []


def test_one_member_keeps_the_accounts_and_the_others_do_not_even_ask() -> None:
    for at, peer in enumerate(DATABASES):
        made = plan(etcd.deploy, Settings(), DEBIAN_12.family, voter(peer), ())
        asked = [one for one in made.questions if isinstance(one, AskAccess)]
        assert len(asked) == (1 if at == 0 else 0)


def test_its_settings() -> None:
    lines = etcd.configuration(DATABASES[0], DATABASES).splitlines()
    assert 'name: "db1"' in lines
    assert "listen-client-urls: https://10.0.0.1:2379" in lines
    assert (
        'initial-cluster: "db1=https://10.0.0.1:2380,db2=https://10.0.0.2:2380,'
        'db3=https://10.0.0.3:2380"'
    ) in lines
    assert lines.count("  client-cert-auth: true") == 2
    assert lines.count(f"  trusted-ca-file: {etcd.AUTHORITY}") == 2
    assert "pre-vote: true" in lines
    assert "enable-grpc-gateway: true" in lines


def test_an_ipv6_address_stands_in_brackets() -> None:
    here = replace(DATABASES[0], private_address="fd00::1")
    assert "listen-peer-urls: https://[fd00::1]:2380" in etcd.configuration(here, [here])


def test_no_secret_is_readable_by_others() -> None:
    fresh = _fresh()
    assert fresh.entry(etcd.ACCESS).mode == "600"
    assert (fresh.entry(etcd.KEY).mode, fresh.entry(etcd.KEY).group) == ("640", "etcd")
    assert fresh.entry(etcd.ACCESS).secret
    assert fresh.entry(etcd.KEY).secret
    assert "Password-1" not in fresh.shell


def test_members_and_databases_reach_it_and_nobody_else() -> None:
    clients, members = etcd.surface(Settings(), place()).ports
    assert clients.reachable_from == Peers(("etcd", "db"))
    assert members.reachable_from == Peers(("etcd",))
    assert clients.address == members.address == "10.0.0.1"


def test_its_certificates_and_passwords_are_wanted_only_where_it_is() -> None:
    wanted = etcd.secrets(Settings(), place())
    assert wanted.between_hosts["host db2"] == (
        "db2.mattermost.internal",
        "10.0.0.2",
        "localhost",
        "127.0.0.1",
    )
    assert wanted.passwords == {"etcd-root", "etcd-patroni"}


def _findings(facts: HostFacts) -> list[str]:
    return [
        f"{found.verdict} {found.name}: {found.found}"
        for need in etcd.requires(Settings(), place(facts))
        for found in need.check(facts)
    ]


def test_a_distribution_without_it_is_refused() -> None:
    assert "error etcd-packages: Rocky Linux 9.4" in _findings(ROCKY_9)
    assert "ok etcd-packages: Debian 12" in _findings(DEBIAN_12)


def test_its_sandbox(tmp_path: Path) -> None:
    (tmp_path / f"{etcd.UNIT}.d").mkdir()
    packaged = "[Service]\nType=notify\nUser=etcd\nExecStart=/usr/bin/true\n"
    (tmp_path / etcd.UNIT).write_text(packaged)
    drop_in = _fresh().text(f"{etcd.DROP_IN_FOLDER}/{etcd.DROP_IN}")
    text = drop_in.replace("/usr/bin/etcd", "/bin/true")
    (tmp_path / f"{etcd.UNIT}.d" / etcd.DROP_IN).write_text(text)
    assert complaints_of_systemd(tmp_path / etcd.UNIT) == []
    assert exposure(tmp_path / etcd.UNIT) <= 1.5
