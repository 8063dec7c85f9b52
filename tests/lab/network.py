"""A lab's network: a bridge, addresses, the way out, and cuts between two hosts."""

import ipaddress
import json
from pathlib import Path
from typing import Any

from tests.lab import kernel
from tests.lab.shell import run

MTU = 1400  # bytes; fits through the tunnels that build machines often sit behind


class NoNetwork(RuntimeError):
    """The machine has no room for a lab's network, or no resolver that hosts can reach."""


def subnet(index: int) -> ipaddress.IPv4Network:
    """The lab's /24."""
    return ipaddress.IPv4Network(f"10.213.{index}.0/24")


def subnet6(index: int) -> ipaddress.IPv6Network:
    """The lab's /64, a unique local prefix."""
    return ipaddress.IPv6Network(f"fd4d:6d6c:{index:x}::/64")


def free_index(taken: set[int]) -> int:
    """The first network that no lab and no route of this machine uses."""
    found = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout)
    routes = [
        ipaddress.IPv4Network(route["dst"], strict=False)
        for route in found
        if route["dst"] != "default" and route.get("dev") != "lo"
    ]
    # A route as wide as 10.0.0.0/8 gives way to ours, which is narrower.
    near = [route for route in routes if route.prefixlen > 8]
    for index in range(256):
        if index not in taken and not any(subnet(index).overlaps(route) for route in near):
            return index
    raise NoNetwork("All of 10.213.0.0/16 is in use on this machine; free a /24 of it (ip route).")


def raise_bridge(bridge: str, index: int) -> None:
    """Bridge, addresses of this machine on it, and masquerade on the way out."""
    run(["ip", "link", "add", bridge, "mtu", str(MTU), "type", "bridge"])
    run(["ip", "address", "add", f"{subnet(index)[1]}/24", "dev", bridge])
    run(["ip", "-6", "address", "add", f"{subnet6(index)[1]}/64", "dev", bridge, "nodad"])
    run(["ip", "link", "set", bridge, "mtu", str(MTU), "up"])
    kernel.prepare()
    run(["nft", "-f", "-"], stdin=_rules(bridge, index))
    pass_firewalls(bridge)


def pass_firewalls(bridge: str) -> None:
    """Let the bridge through what filters forwarded packets here: Docker, ufw, firewalld do."""
    for chain in _listed("chains", "chain"):
        if chain.get("hook") == "forward" and chain["family"] in ("ip", "ip6", "inet"):
            place = f"{chain['family']} {chain['table']} {chain['name']}"
            for side in ("iifname", "oifname"):
                run(["nft", f'insert rule {place} {side} {bridge} accept comment "{bridge}"'])


def bridge_exists(bridge: str) -> bool:
    """Whether the bridge is there; a restart of the machine takes it away."""
    return Path("/sys/class/net", bridge).exists()


def remove_bridge(bridge: str) -> None:
    """Take away what raise_bridge made, as far as it got."""
    for family in ("inet", "bridge"):
        run(["nft", "delete", "table", family, bridge], check=False)
    for rule in _listed("ruleset", "rule"):
        if rule.get("comment") == bridge:
            place = f"{rule['family']} {rule['table']} {rule['chain']}"
            run(["nft", f"delete rule {place} handle {rule['handle']}"], check=False)
    run(["ip", "link", "delete", bridge], check=False)


def remove_port(bridge: str, number: int) -> None:
    """Take away a dead host's end of the bridge at once; the kernel would do it later."""
    run(["ip", "link", "delete", port(bridge, number)], check=False)


def port(bridge: str, number: int) -> str:
    """The bridge's port of a host, as systemd-nspawn names it."""
    return f"vb-{bridge}-{number}"


def cut(bridge: str, one: str, other: str) -> None:
    """Drop everything that two ports of the bridge send to each other."""
    for source, target in ((one, other), (other, one)):
        rule = f"iifname {source} oifname {target} drop"
        run(["nft", f"add rule bridge {bridge} cuts {rule}"])


def heal(bridge: str) -> None:
    """Take back all cuts."""
    run(["nft", f"flush chain bridge {bridge} cuts"])


def resolvers() -> list[str]:
    """Name servers of this machine that its hosts can reach too."""
    # systemd-resolved's stub listens on loopback; it writes the real ones beside it.
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        lines = Path(path).read_text().splitlines() if Path(path).is_file() else []
        servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
        reachable = [s for s in servers if "%" not in s and _is_reachable(s)]
        if reachable:
            return reachable
    raise NoNetwork(
        "No name server that a lab host could reach was found in /etc/resolv.conf; "
        "name one that does not listen on loopback."
    )


def _listed(what: str, kind: str) -> list[dict[str, Any]]:
    """The objects of a `kind` that nft lists."""
    found = json.loads(run(["nft", "--json", "--handle", "list", what]).stdout)["nftables"]
    return [each[kind] for each in found if kind in each]


def _is_reachable(server: str) -> bool:
    address = ipaddress.ip_address(server)
    return address.version == 4 and not address.is_loopback


def _rules(bridge: str, index: int) -> str:
    return f"""
table inet {bridge} {{
    chain out {{
        type nat hook postrouting priority srcnat
        ip saddr {subnet(index)} ip daddr != {subnet(index)} masquerade
    }}
}}
table bridge {bridge} {{
    chain cuts {{
        type filter hook forward priority 0
    }}
}}
"""
