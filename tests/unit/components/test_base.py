"""The component base: fresh, converged, one setting at a time."""

from dataclasses import replace

import pytest

from mattermost_host.components import base
from mattermost_host.components.base import Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.kernel import KernelParameters
from tests.unit.examples import (
    DEBIAN_12,
    IN_A_CONTAINER,
    ROCKY_9,
    converged,
    files_that_differ,
    mistakes_of,
    place,
)
from tests.unit.fake_host import Plan, answering, apply, plan

SYSCTL = "/etc/sysctl.d/60-mattermost-host.conf"


def _fresh(settings: Settings | None = None, facts: HostFacts = DEBIAN_12) -> Plan:
    return plan(base.deploy, settings or Settings(), facts)


def test_a_fresh_host() -> None:
    result = _fresh()
    assert result.changed == [
        "Base | basic packages are installed",
        "Base | the locale en_US.UTF-8 is there",
        "Base | kernel parameters are configured",
        "Base | the clock is synchronised",
    ]
    assert "nftables locales" in result.steps[0].shell
    assert "systemd-timesyncd" in result.steps[0].shell


def test_a_fresh_host_of_enterprise_linux() -> None:
    result = _fresh(facts=replace(ROCKY_9, packages=()))
    tools = result.step("basic packages are installed").shell
    assert "$dnf install ca-certificates logrotate tar firewalld " in tools
    assert " glibc-langpack-en chrony " in tools
    assert "reinstall glibc-langpack-en" in result.step("the locale en_US.UTF-8 is there").shell
    assert "chronyd.service" in result.step("the clock is synchronised").shell
    (clock,) = base.surface(Settings(), place(ROCKY_9)).units
    assert (clock.name, clock.user) == ("chronyd.service", "chrony")


@pytest.mark.parametrize("other", ["ntpsec", "ntp", "openntpd"])
def test_another_time_daemon_is_left_on_enterprise_linux(other: str) -> None:
    facts = replace(ROCKY_9, packages=((other, "1"),))
    assert "chrony" not in _fresh(facts=facts).steps[0].shell


def test_a_run_without_changes_asks_as_often_on_enterprise_linux() -> None:
    asked = {
        name: apply(base.deploy, Settings(), facts, answer=converged(_fresh(facts=facts)))
        for name, facts in {"debian": DEBIAN_12, "rocky": ROCKY_9}.items()
    }
    assert asked["rocky"].changed == asked["debian"].changed == []
    assert asked["rocky"].round_trips == asked["debian"].round_trips == 1


@pytest.mark.parametrize("facts", [DEBIAN_12, IN_A_CONTAINER, ROCKY_9])
def test_a_converged_host_yields_nothing(facts: HostFacts) -> None:
    fresh = _fresh(facts=facts)
    assert plan(base.deploy, Settings(), facts, answer=converged(fresh)).changed == []


def test_the_kernel_parameters_are_one_file() -> None:
    without = _fresh(Settings(kernel_parameters=False))
    assert files_that_differ(_fresh(), without) == {SYSCTL}
    assert "net.core.somaxconn = 4096\n" in _fresh().text(SYSCTL)
    assert " = " not in without.text(SYSCTL)


def test_parameters_of_the_kernel_that_differ_are_set_now() -> None:
    wanted = base.kernel_parameters(DEBIAN_12.memory_mb)
    found = {KernelParameters(tuple(wanted)): {**wanted, "net.core.somaxconn": "128"}}
    answer = answering(found, converged(_fresh()))
    result = plan(base.deploy, Settings(), DEBIAN_12, answer=answer)
    assert result.changed == ["Base | kernel parameters are active"]
    assert "net.core.somaxconn='4096'" in result.shell


def test_the_memory_reserve_is_scaled() -> None:
    small = base.kernel_parameters(2_000)["vm.min_free_kbytes"]
    large = base.kernel_parameters(16_000)["vm.min_free_kbytes"]
    assert (small, large) == ("40960", "327680")


@pytest.mark.parametrize(
    ("settings", "facts", "kept"),
    [
        (Settings(), DEBIAN_12, True),
        (Settings(time_synchronisation=False), DEBIAN_12, False),
        (Settings(), IN_A_CONTAINER, False),
        (Settings(), replace(DEBIAN_12, packages=(("chrony", "4.3"),)), False),
    ],
)
def test_the_clock_is_kept_where_it_is_ours_to_keep(
    settings: Settings, facts: HostFacts, kept: bool
) -> None:
    result = _fresh(settings, facts)
    assert ("Base | the clock is synchronised" in result.changed) is kept
    assert ("systemd-timesyncd" in result.steps[0].shell) is kept
    assert bool(base.surface(settings, place(facts)).units) is kept


def test_wrong_settings() -> None:
    assert mistakes_of(base={"time_synchronisation": "perhaps", "locale": "de_DE.UTF-8"}) == [
        "base.time_synchronisation: found 'perhaps'; input should be a valid boolean",
        "base.locale: found an unknown key; known keys: kernel_parameters, time_synchronisation",
    ]
