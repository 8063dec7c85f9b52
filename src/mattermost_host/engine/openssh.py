"""Command lines of OpenSSH's client, from the same connection data that pyinfra uses."""

from collections.abc import Mapping
from typing import Any


def options(data: Mapping[str, Any]) -> list[str]:
    """Options of ``ssh`` besides user, port and key; it never prompts."""
    settings = {
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",
        "StrictHostKeyChecking": data.get("ssh_strict_host_key_checking") or "accept-new",
    }
    if data.get("ssh_known_hosts_file"):
        settings["UserKnownHostsFile"] = data["ssh_known_hosts_file"]
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def command(name: str, data: Mapping[str, Any]) -> list[str]:
    """The arguments of ``ssh`` that log in to the host ``name`` of an inventory."""
    told = [
        (["-F", str(data["ssh_config_file"])] if data.get("ssh_config_file") else []),
        (["-i", str(data["ssh_key"])] if data.get("ssh_key") else []),
        (["-p", str(data["ssh_port"])] if data.get("ssh_port") else []),
        (["-l", str(data["ssh_user"])] if data.get("ssh_user") else []),
    ]
    flat = [part for parts in told for part in parts]
    # "--": a name that begins with a dash must not be read as an option.
    return ["ssh", *options(data), *flat, "--", str(data.get("ssh_hostname") or name)]
