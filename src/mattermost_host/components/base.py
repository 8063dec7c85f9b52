"""The basis of all hosts: time, locale, kernel parameters, a few packages."""

from pydantic import BaseModel, Field
from pyinfra.api import deploy as component

from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED, Place
from mattermost_host.knowledge.sizing import min_free_kbytes
from mattermost_host.knowledge.surface import Surface, Unit
from mattermost_host.knowledge.texts import STRICT
from mattermost_host.ops import files, kernel, locale, packages, running
from mattermost_host.ops.entries import Directory, File
from mattermost_host.preflight import conflicts, dnf, hardening, together
from mattermost_host.preflight import host as requirements
from mattermost_host.preflight.finding import Need
from mattermost_host.preflight.generated import units_not_generated
from mattermost_host.preflight.selinux import selinux_enforces
from mattermost_host.preflight.unfinished import nothing_unfinished
from mattermost_host.support.templates import render

LOCALE = "en_US.UTF-8"
FOLDER = "/etc/mattermost-host"
PARAMETERS = "/etc/sysctl.d/60-mattermost-host.conf"
MODULES = "/etc/modules-load.d/mattermost-host.conf"
FILES = (PARAMETERS, MODULES)


class Settings(BaseModel):
    """Settings of every host."""

    model_config = STRICT

    time_synchronisation: bool = Field(
        default=True,
        description="Keep the distribution's time daemon running where no other one is installed.",
    )
    kernel_parameters: bool = Field(
        default=True,
        description="Set the documented network parameters, scaled to the host's memory.",
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The time daemon, if we manage it."""
    if place.facts is UNASKED or not keeps_time(settings, place.facts):
        return Surface()
    clock = place.facts.family.clock
    return Surface(units=(Unit(clock.unit, user=clock.user),))


def keeps_time(settings: Settings, facts: HostFacts) -> bool:
    """Whether we keep the clock; a container has the time of the machine that runs it."""
    return settings.time_synchronisation and not facts.container and not other_time_daemon(facts)


def other_time_daemon(facts: HostFacts) -> bool:
    """Whether another time daemon is installed."""
    return any(name in facts.family.other_clocks for name, _ in facts.packages)


@component("Base")
def deploy(settings: Settings, facts: HostFacts) -> None:
    """Packages, locale, clock and kernel parameters."""
    family, timed = facts.family, keeps_time(settings, facts)
    packages.installed(
        name="basic packages are installed",
        packages=[
            *family.tools,
            family.locale_package,
            *(family.clock.packages if timed else ()),
        ],
        manager=family.package_manager,
    )
    locale.available(
        name=f"the locale {LOCALE} is there",
        locale=LOCALE,
        manager=family.package_manager,
        package=family.locale_package,
    )
    wanted = kernel_parameters(facts.memory_mb) if settings.kernel_parameters else {}
    files.present(
        name="kernel parameters are configured",
        entries=[
            Directory(FOLDER),
            File(PARAMETERS, render("base/sysctl.conf.j2", parameters=wanted)),
            # Kernel parameters are set early during boot, so bbr's module must be loaded before.
            File(MODULES, "tcp_bbr\n"),
        ],
    )
    kernel.in_force(name="kernel parameters are active", parameters=wanted)
    if timed:
        running.running(name="the clock is synchronised", unit=family.clock.unit)


def kernel_parameters(memory_mb: int) -> dict[str, str]:
    """The parameters from the vendor's page on clusters, with the memory reserve scaled.

    In addition, our ports are kept out of the range for outgoing connections.
    """
    return {
        "net.ipv4.ip_local_port_range": "1025 65000",
        "net.ipv4.ip_local_reserved_ports": "5432,8065,8067,8074-8075",
        "net.ipv4.tcp_fin_timeout": "30",
        "net.ipv4.tcp_tw_reuse": "1",
        "net.ipv4.tcp_max_syn_backlog": "8192",
        "net.ipv4.tcp_slow_start_after_idle": "0",
        "net.ipv4.tcp_notsent_lowat": "16384",
        "net.ipv4.tcp_rmem": "4096 156250 2500000",
        "net.ipv4.tcp_wmem": "4096 156250 2500000",
        "net.ipv4.tcp_congestion_control": "bbr",
        "net.core.somaxconn": "4096",
        "net.core.default_qdisc": "fq",
        "net.core.rmem_max": "16777216",
        "net.core.wmem_max": "16777216",
        "vm.min_free_kbytes": str(min_free_kbytes(memory_mb)),
    }


def requires(settings: Settings, place: Place) -> list[Need]:
    """A supported system, large enough for the users, with the right time."""
    return [
        requirements.supported_platform(),
        dnf.subscription(),
        dnf.repositories(),
        requirements.architecture(),
        conflicts.first_boot_is_over(),
        requirements.capacity(place.site.users),
        requirements.writable(),
        requirements.clock(),
        together.clocks_agree(),
        requirements.locale(),
        nothing_unfinished(),
        selinux_enforces(),
        hardening.sudo_rules(),
        units_not_generated(),
    ]
