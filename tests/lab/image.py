"""Root images of the test hosts: one for a Debian suite, made once by mmdebstrap.

`python -m tests.lab.image` makes those that are missing.
"""

import hashlib
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.lab import apt, places
from tests.lab.shell import run

SUITES = ("bookworm", "trixie", "bullseye")

# What a small server of a hosting provider brings, python3 with it. No curl, no gnupg, no
# locales: what the product needs beyond this, it must install itself.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "sudo",
    "iproute2",
    "ca-certificates",
    "netbase",
)

# Runs once inside the root, by its own shell.
SETUP = """set -e
useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/admin
chmod 0440 /etc/sudoers.d/admin
rm -f /etc/ssh/ssh_host_*  # each host gets its own
systemctl enable systemd-networkd.service ssh.service
# A background update would hold apt's lock at a moment of its own choosing.
systemctl mask apt-daily.timer apt-daily-upgrade.timer
update-ca-certificates
"""

# If this process is killed, mmdebstrap goes with it, and with that what it mounted in the root:
# a later build removes the folder, and must not find this machine's /sys or /proc in there.
_TIED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation", "private"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
)


def ensure(suite: str) -> Path:
    """The root of `suite`, made now if it is missing or its recipe has changed."""
    lines, options = apt.sources(suite), apt.options()
    recipe = "\0".join((*PACKAGES, SETUP, lines, options, *apt.authentication().values()))
    root = places.images() / f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if root.is_dir():
        return root
    with places.locked(places.images() / f"{suite}.lock"):
        if not root.is_dir():
            _build(suite, root, lines, options)
    return root


def _build(suite: str, root: Path, lines: str, options: str) -> None:
    start = time.monotonic()
    print(f"lab: making the root image of {suite} (about 30 s, once) ...", file=sys.stderr)
    unfinished = root.parent / f"{suite}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        extra, source_list, conf = Path(work, "extra"), Path(work, "lab.list"), Path(work, "conf")
        _write_extra(extra)
        source_list.write_text(lines)
        conf.write_text(options + 'APT::Keep-Downloaded-Packages "true";\n')
        run(
            [
                *_TIED,
                "mmdebstrap",
                "--quiet",
                "--mode=root",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                f"--aptopt={conf}",
                "--dpkgopt=force-unsafe-io",
                f'--setup-hook=cp -rT {extra} "$1"',
                f'--customize-hook=chroot "$1" sh -c {shlex.quote(SETUP)}',
                suite,
                str(unfinished),
                str(source_list),
            ],
            timeout=1800,
        )
    unfinished.rename(root)
    print(f"lab: {suite} made in {time.monotonic() - start:.0f} s", file=sys.stderr)


def _write_extra(extra: Path) -> None:
    """What this machine's apt trusts and logs in with, as files of the new root."""
    logins = extra / "etc/apt/auth.conf.d"
    trusted = extra / "usr/local/share/ca-certificates"
    for folder in (logins, trusted):
        folder.mkdir(parents=True)
    for name, text in apt.authentication().items():
        (logins / name).touch(mode=0o600)
        (logins / name).write_text(text)
    for certificate in apt.certificates():
        shutil.copy(certificate, trusted / certificate.name)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SUITES:
        ensure(wanted)
