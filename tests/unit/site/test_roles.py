"""Which part of deploys/site.py a host gets: by its roles, its neighbours, and the preflight."""

import runpy
from dataclasses import replace
from typing import Any

import pytest

from mattermost_host.components import firewall
from mattermost_host.preflight import run as preflight
from mattermost_host.site.site import Site
from tests.unit.examples import DEBIAN_12
from tests.unit.fake_host import plan
from tests.unit.site.test_whole_site import whole_site  # noqa: F401
from tests.unit.site.whole import PROJECT

pytestmark = pytest.mark.usefixtures("whole_site")
HOST = "@fake/host"


def _components() -> list[str]:
    done = plan(lambda: runpy.run_path(str(PROJECT / "deploys" / "site.py")), facts=DEBIAN_12)
    names = [step.name.split(" | ")[0] for step in done.steps if " | " in step.name]
    return list(dict.fromkeys(names))


@pytest.mark.parametrize(
    ("roles", "of_them"),
    [
        (("db",), ["PostgreSQL", "Backup"]),
        (("app",), ["Mattermost"]),
        (("proxy",), ["TLS", "NGINX"]),
        ((), []),
    ],
)
def test_a_host_gets_the_components_of_its_roles(
    roles: tuple[str, ...], of_them: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "roles", lambda *_: roles)
    assert _components() == ["Base", "Firewall", *of_them]


def test_a_host_that_the_preflight_did_not_ask_gets_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "require", lambda _: {})
    assert _components() == []


def test_the_firewall_knows_the_other_hosts_by_their_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(firewall, "deploy", lambda *_, **given: told.update(given))
    facts = replace(DEBIAN_12, addresses=("192.0.2.10", "2001:db8::10"))
    plan(lambda: runpy.run_path(str(PROJECT / "deploys" / "site.py")), facts=facts)
    (peer,) = told["peers"]
    assert (peer.name, peer.addresses) == (HOST, facts.addresses)


def test_the_preflight_alone_checks_the_site_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Site] = []
    monkeypatch.setattr(preflight, "require", asked.append)
    runpy.run_path(str(PROJECT / "deploys" / "preflight.py"))
    assert asked == [Site.current()]
