"""No secret in output, arguments, journal, or a file that others may read."""

import re
import tomllib
from pathlib import Path

from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab

WATCH_ARGUMENTS = """
import glob, os, time
seen = set()
while not os.path.exists('/root/stop'):
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        try:
            seen.add(open(path, 'rb').read())
        except OSError:
            pass
    time.sleep(0.005)
open('/root/arguments', 'wb').write(b'\\n'.join(sorted(seen)))
"""
SMTP_PASSWORD = "an-smtp-password-that-nobody-may-see"


def _strings(value: object) -> set[str]:
    if isinstance(value, dict):
        return {each for item in value.values() for each in _strings(item)}
    return {value} if isinstance(value, str) else set()


def test_no_secret_is_seen_anywhere(lab: Lab, release: Path, tmp_path: Path) -> None:
    host = lab.up("secrecy")
    deployment = Deployment(lab, host, tmp_path, release)
    deployment.secrets_file.touch(mode=0o600)
    deployment.secrets_file.write_text(
        f'[settings]\n"EmailSettings.SMTPPassword" = "{SMTP_PASSWORD}"\n', encoding="utf-8"
    )
    host.write("/root/watch.py", WATCH_ARGUMENTS)
    host.run("systemd-run --unit=watch python3 /root/watch.py")
    first = deployment.run(
        "pyinfra", "-y", "-vvv", "--diff", str(deployment.inventory), "deploys/site.py"
    )
    second = deployment.run(
        "pyinfra", "-vvv", "--diff", "--dry", str(deployment.inventory), "deploys/site.py"
    )
    host.run("touch /root/stop; sleep 1")

    secrets = _secret_values(deployment.secrets_file)
    assert SMTP_PASSWORD in secrets and len(secrets) > 3
    places = {
        "the output of the first run": first.output,
        "the output of a dry run": second.output,
        "the arguments of a process": host.run("tr '\\0' ' ' < /root/arguments").stdout,
        "the journal": host.run("journalctl --no-pager").stdout,
        "the server's log": host.run("cat /var/log/mattermost/*").stdout,
        "a file that others may read": host.run(READABLE, timeout=600).stdout,
    }
    found = [
        (place, secret[:4])
        for place, text in places.items()
        for secret in secrets
        if secret in text
    ]
    assert not found, f"place and beginning of each secret: {found}"
    assert deployment.secrets_file.stat().st_mode & 0o077 == 0


READABLE = (
    "find /etc /var /opt/mattermost /run /tmp /home /usr/local -xdev -type f -perm -o=r -size -2M "
    "! -path '/opt/mattermost/releases/*' ! -path '/var/lib/apt/*' ! -path '/var/cache/*' "
    "! -path '/var/lib/dpkg/*' -exec cat {} + | tr -d '\\0'"
)


def _secret_values(path: Path) -> set[str]:
    """Passwords whole; of a private key its longest line, which nothing else contains."""
    values = set()
    for value in _strings(tomllib.loads(path.read_text(encoding="utf-8"))):
        if "PRIVATE KEY" in value:
            values.add(max(re.findall(r"^[A-Za-z0-9+/=]{40,}$", value, re.MULTILINE), key=len))
        elif "CERTIFICATE" not in value:
            values.add(value)
    return values
