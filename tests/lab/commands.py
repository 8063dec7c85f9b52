"""How many commands a host was sent, by what its sshd writes down."""

from tests.lab.hosts import LabHost
from tests.lab.shell import wait_until

# Newer versions of OpenSSH write it down as sshd-session.
LOOK = "journalctl -t sshd -t sshd-session --no-pager | grep -c 'Starting session: ' || :"


def count(host: LabHost) -> None:
    """Let sshd of `host` write down every command that comes over a connection, from now on."""
    host.write("/etc/ssh/sshd_config.d/00-count.conf", "LogLevel VERBOSE\n")
    host.run("systemctl reload ssh.service || systemctl reload sshd.service")
    # For a moment sshd, which starts itself anew, listens to nobody.
    wait_until(lambda: host.run("true", check=False).returncode == 0, 30, "sshd answers again")


def sent(host: LabHost) -> int:
    """Commands until now, this question included."""
    return int(host.run(LOOK).stdout)
