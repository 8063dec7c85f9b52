"""What the host is, for the report: asked with nothing but what every system has."""

import shlex
from collections.abc import Mapping

PACKAGES = (
    "apt",
    "cloud-init",
    "dnf",
    "firewalld",
    "glibc",
    "libc6",
    "needrestart",
    "nftables",
    "nginx",
    "nginx-core",
    "openssh-server",
    "openssl",
    "postgresql-[0-9]*",
    "postgresql-server",
    "postgresql[0-9]*-server",
    "selinux-policy",
    "snapd",
    "sudo",
    "sudo-rs",
    "systemd",
    "ufw",
    "unattended-upgrades",
)

SCRIPT = f"""
[ ! -r /etc/os-release ] || . /etc/os-release
echo "distribution=${{PRETTY_NAME:-unknown}}"
echo "kernel=$(uname -sr)"
echo "architecture=$(uname -m)"
echo "virtualisation=$(systemd-detect-virt)"
echo "SELinux=$(getenforce 2>/dev/null || echo none)"
echo "time zone and locale=$(date +%Z) $(sed -n 's/^LANG=//p' /etc/default/locale /etc/locale.conf \
2>/dev/null | head -n 1)"
set -f
if command -v dpkg-query >/dev/null; then
  dpkg-query -W -f='${{db:Status-Status}} ${{Package}}=${{Version}}\\n' \\
    {shlex.join(PACKAGES)} 2>/dev/null | sed -n 's/^installed /package /p'
elif command -v rpm >/dev/null; then
  rpm -qa --qf 'package %{{NAME}}=%{{VERSION}}-%{{RELEASE}}\\n' {shlex.join(PACKAGES)} | sort
fi
exit 0
"""


def read(output: str) -> Mapping[str, str]:
    """What ``SCRIPT`` printed, by its keys; packages as ``package nginx``."""
    pairs = (line.split("=", 1) for line in output.splitlines() if "=" in line)
    return {key: value.strip() for key, value in pairs if value.strip()}
