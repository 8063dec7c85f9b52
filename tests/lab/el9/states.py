"""States in which an administrator may have left a host, made on a look-alike."""

from typing import Literal

from tests.lab.hosts import LabHost

Identity = Literal["rocky", "rhel", "almalinux", "ol"]

_NAMES: dict[Identity, tuple[str, str]] = {
    "rocky": ("Rocky Linux", "9.4 (Blue Onyx)"),
    "rhel": ("Red Hat Enterprise Linux", "9.4 (Plow)"),
    "almalinux": ("AlmaLinux", "9.4 (Seafoam Ocelot)"),
    "ol": ("Oracle Linux Server", "9.4"),
}

# Said by the plugin of subscription-manager before each command of dnf.
_UNREGISTERED = """import dnf
import sys


class Unregistered(dnf.Plugin):
    name = "subscription-manager"

    def __init__(self, base, cli):
        print("Updating Subscription Management repositories.")
        print("Unable to read consumer identity\\n", file=sys.stderr)
        print(
            "This system is not registered with an entitlement server. "
            'You can use "rhc" or "subscription-manager" to register.\\n',
            file=sys.stderr,
        )
"""
_RULES = """table inet own {
    chain input {
        type filter hook input priority 0; policy accept;
    }
}
"""
_SUBSCRIPTION_MANAGER = """#!/bin/sh
echo "This system is not yet registered. Try 'subscription-manager register --help' \
for more information." >&2
exit 1
"""


def identify(host: LabHost, identity: Identity) -> None:
    """Another name in os-release and redhat-release; it stays a look-alike of version 9.4."""
    name, version = _NAMES[identity]
    like = {"rhel": "fedora", "ol": "fedora"}.get(identity, "rhel centos fedora")
    lines = {
        "NAME": name,
        "VERSION": version,
        "ID": identity,
        "ID_LIKE": like,
        "VERSION_ID": "9.4",
        "PLATFORM_ID": "platform:el9",
        "PRETTY_NAME": f"{name} {version}",
        "VARIANT": "look-alike",
        "VARIANT_ID": "look-alike",
    }
    text = "".join(f'{key}="{value}"\n' for key, value in lines.items())
    host.write("/usr/lib/os-release", text)
    host.write("/etc/redhat-release", f"{name} release {version}\n")


def unregister(host: LabHost) -> None:
    """A RHEL without a subscription: no repository, and dnf says why."""
    identify(host, "rhel")
    host.run("rm /etc/yum.repos.d/*.repo")
    plugins = "/usr/lib/python3/dist-packages/dnf-plugins"
    host.write(f"{plugins}/subscription_manager.py", _UNREGISTERED)
    host.write("/usr/sbin/subscription-manager", _SUBSCRIPTION_MANAGER)
    host.run("chmod 755 /usr/sbin/subscription-manager")


def choose_stream(host: LabHost, stream: str) -> None:
    """A module stream (postgresql:15) that somebody fixed before us; nothing is installed."""
    host.run(f"dnf -y module enable {stream}")


def set_selinux(host: LabHost, mode: Literal["enforcing", "permissive", "disabled"]) -> None:
    """As after a boot with this mode in /etc/selinux/config."""
    host.run(f"sed -i 's/^SELINUX=.*/SELINUX={mode}/' /etc/selinux/config")
    host.run("cp /etc/selinux/config /run/look-alike/config; rm -f /run/look-alike/enforce")


def stop_firewalld(host: LabHost) -> None:
    """Stopped, and not started at boot."""
    host.run("systemctl disable --now firewalld.service")


def replace_firewalld(host: LabHost) -> None:
    """nftables.service with a table of the administrator's own instead of firewalld."""
    host.run("systemctl disable --now firewalld.service && systemctl mask firewalld.service")
    host.write("/etc/sysconfig/nftables.conf", _RULES)
    host.run("systemctl enable --now nftables.service")
