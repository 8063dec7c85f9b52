"""What the lab needs of this machine."""

import os
import shutil

_TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "unshare": "util-linux",
}


def missing() -> str | None:
    """Why no host can be booted here, and what to do; None where nothing is missing."""
    if os.geteuid() != 0:
        return "real hosts need root, and this is not root; run it as root"
    packages = [package for tool, package in _TOOLS.items() if not shutil.which(tool)]
    if packages:
        return f"real hosts need the packages {', '.join(packages)}; run scripts/setup as root"
    return None
