"""The component HAProxy: its files by the real parser, and what it does with the real program."""

from dataclasses import replace
from pathlib import Path

import pytest

from mattermost_host.components import haproxy
from mattermost_host.components.haproxy import Settings
from tests.unit.cluster_examples import DATABASES, pair, place
from tests.unit.examples import DEBIAN_12, converged
from tests.unit.fake_host import Answer, Plan, nothing_installed, plan
from tests.unit.parsers import check_haproxy, complaints_of_systemd, exposure

AUTHORITY = pair().certificate.encode()


def _deployed(answer: Answer = nothing_installed) -> Plan:
    return plan(
        haproxy.deploy,
        Settings(),
        family=DEBIAN_12.family,
        databases=DATABASES,
        authority=AUTHORITY,
        connections=120,
        before_start=(),
        answer=answer,
    )


def test_a_fresh_host_gets_its_sandbox_before_the_package() -> None:
    names = [name.removeprefix("HAProxy | ") for name in _deployed().changed]
    assert names[:3] == [
        "systemd sandbox is in place",
        "HAProxy is installed",
        "the tested configuration is in place",
    ]


def test_a_converged_host_yields_nothing() -> None:
    assert _deployed(converged(_deployed())).changed == []


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1"])
def test_the_real_parser_takes_it(tmp_path: Path, count: int, address: str) -> None:
    fresh = _deployed()
    peers = [replace(one, private_address=address) for one in DATABASES[:count]]
    (tmp_path / haproxy.HOLD).write_text(fresh.text(f"{haproxy.FOLDER}/{haproxy.HOLD}"))
    (tmp_path / haproxy.AUTHORITY).write_bytes(AUTHORITY)
    (tmp_path / "haproxy.cfg").write_text(haproxy.configuration(peers, 120))
    done = check_haproxy(tmp_path)
    assert done.returncode == 0, done.stderr


def test_it_asks_each_database_by_its_certificates_name() -> None:
    text = haproxy.configuration(DATABASES, 120)
    assert "    server db1 10.0.0.1:5432 verifyhost db1.mattermost.internal\n" in text
    assert "check-ssl verify required ca-file authority.pem" in text


def test_only_the_host_itself_reaches_it() -> None:
    (port,) = haproxy.surface(Settings(), place(name="chat")).ports
    assert (port.reachable_from, port.address, port.number) == ("loopback", "127.0.0.1", 5432)


def test_its_sandbox(tmp_path: Path) -> None:
    (tmp_path / f"{haproxy.UNIT}.d").mkdir()
    (tmp_path / haproxy.UNIT).write_text("[Service]\nType=notify\nExecStart=/usr/bin/true\n")
    text = _deployed().text(f"{haproxy.DROP_IN_FOLDER}/{haproxy.DROP_IN}")
    text = text.replace("/usr/sbin/haproxy", "/bin/true")
    (tmp_path / f"{haproxy.UNIT}.d" / haproxy.DROP_IN).write_text(text)
    assert complaints_of_systemd(tmp_path / haproxy.UNIT) == []
    assert exposure(tmp_path / haproxy.UNIT) <= 1.5
