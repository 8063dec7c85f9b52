"""The vendor's package, made by the test: its scripts have the effects of the real ones."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.lab.foreign import UNIT
from tests.lab.hosts import LabHost

SOURCE = "/srv/vendor"
KEPT = ("client", "config", "logs", "plugins", "data", "mmomni")
"""What the package's preinst leaves in /opt/mattermost."""
SCRIPTS = {
    "preinst": f"""systemctl stop mattermost.service 2>/dev/null || :
if [ -d /opt/mattermost ]; then
  find /opt/mattermost -mindepth 1 -maxdepth 1 {" ".join(f"! -name {one}" for one in KEPT)} \\
    -exec rm -rf {{}} +
fi""",
    "postinst": """getent passwd mattermost >/dev/null ||
  useradd --system --user-group --home-dir /opt/mattermost --shell /bin/false mattermost
mkdir -p /opt/mattermost/data /opt/mattermost/logs /opt/mattermost/plugins
chown -R mattermost:mattermost /opt/mattermost
systemctl daemon-reload""",
    "prerm": "systemctl stop mattermost.service 2>/dev/null || :",
    "postrm": "userdel mattermost 2>/dev/null || :",
}
"""Body of each of its scripts."""


def build(folder: Path, release: Path, version: str) -> Path:
    """The package `mattermost` with the release in ``release``."""
    root = folder / f"mattermost_{version}"
    shutil.rmtree(root, ignore_errors=True)
    (root / "opt").mkdir(parents=True)
    with tarfile.open(release) as tar:
        tar.extractall(root / "opt", filter="data")
    tree = root / "opt/mattermost"
    (tree / "config/config.json").rename(tree / "config/config.defaults.json")
    unit = root / "lib/systemd/system/mattermost.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT)
    control = root / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        f"Package: mattermost\nVersion: {version}\nArchitecture: amd64\nSection: net\n"
        "Maintainer: Nobody <nobody@example.com>\nDescription: the server of a test\n"
    )
    for name, body in SCRIPTS.items():
        (control / name).write_text(f"#!/bin/sh\nset -e\n{body}\nexit 0\n")
        (control / name).chmod(0o755)
    made = folder / f"mattermost_{version}_amd64.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", str(root), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def offer(host: LabHost, *packages: Path) -> None:
    """Let apt on ``host`` know these packages, as the vendor's repository would."""
    host.run(f"mkdir -p {SOURCE}")
    index = ""
    for package in packages:
        data = package.read_bytes()
        command = [*host.ssh(), "--", f"cat >{SOURCE}/{package.name}"]
        subprocess.run(command, input=data, check=True, timeout=300)
        said = subprocess.run(
            ["dpkg-deb", "-f", str(package)], check=True, capture_output=True, text=True
        ).stdout
        digest = hashlib.sha256(data).hexdigest()
        index += f"{said}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {digest}\n\n"
    host.write(f"{SOURCE}/Packages", index)
    host.write("/etc/apt/sources.list.d/mattermost.list", f"deb [trusted=yes] file:{SOURCE} ./\n")
    host.run("apt-get update -q", timeout=300)
