"""`make trial`: Mattermost on a real host on this machine; `make trial-down`: gone again.

The host stays up after the command has ended; the next `make trial` finds it.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mattermost_host.site.site import Site
from tests.lab import image, needs, places, release
from tests.lab.hosts import Lab, LabHost

NAME = "trial"
INVENTORY = Path("inventories/trial.py")
HOST = INVENTORY.with_suffix(".host.json")


class Clock:
    """How long each phase took."""

    def __init__(self) -> None:
        """No phase yet."""
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce and time what happens inside."""
        print(f"==> {name}", flush=True)
        start = time.monotonic()
        yield
        self.phases[name] = time.monotonic() - start

    def report(self) -> str:
        """One line for a phase, in seconds, and the sum."""
        lines = [f"    {seconds:7.1f} s  {name}" for name, seconds in self.phases.items()]
        return "\n".join([*lines, f"    {sum(self.phases.values()):7.1f} s  in all"])


def up() -> None:
    """Boot the host or find it, deploy, verify, and say how to use it."""
    clock = Clock()
    with clock.phase("root image"):
        image.ensure("bookworm")
    with clock.phase("host"):
        lab, host = _booted()
    with clock.phase("release"):
        _describe(lab, host, _chosen_release())
    site = Site.load(INVENTORY)
    lab.resolve(site.settings.name, host)
    with clock.phase("deploy"):
        _command("pyinfra", "-y", str(INVENTORY), "deploys/site.py")
    with clock.phase("verification"):
        _command("mattermost-host", "verify", str(INVENTORY), "--journey")
    print(_farewell(site, lab, host), f"It took\n{clock.report()}", sep="\n")


def down() -> None:
    """Take the host away."""
    lab = Lab.attach(NAME)
    if lab is None:
        print("There is no trial host on this machine.")
        return
    lab.close()
    HOST.unlink(missing_ok=True)
    print(f"The trial host is gone. Images and packages stay for the next one: {places.cache()}")


def _booted() -> tuple[Lab, LabHost]:
    lab = Lab.attach(NAME) or Lab(NAME, keep=True)
    host = lab.hosts.get(NAME)
    if host is None:
        host = lab.up(NAME)
    elif not host.running:
        host.start()
    return lab, host


def _describe(lab: Lab, host: LabHost, tarball: str | None) -> None:
    """Write where the host is, and its release, so that every command can use the inventory."""
    described: dict[str, object] = {
        "address": host.address,
        "connection": {"ssh_key": str(lab.key), "ssh_known_hosts_file": str(lab.known_hosts)},
    }
    if tarball:
        digest = os.environ.get(f"{release.VARIABLE}_SHA256")
        # A tarball without a digest is trusted as far as whoever named it.
        described["release"] = {"file": tarball, "sha256": digest, "unverified": not digest}
    HOST.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _chosen_release() -> str | None:
    """The tarball that was named, or the stand-in; None to use the official release."""
    if named := release.named():
        return named
    reason = release.unreachable(release.official())
    if not reason:
        return None
    print(
        f"The official release can't be fetched from here ({reason}), so the stand-in server "
        f"of tests/standin is deployed; {release.VARIABLE}= names another tarball."
    )
    return str(release.standin())


def _command(name: str, *arguments: str) -> None:
    """Run a command of the virtual environment; the trial ends where it fails."""
    program = Path(sys.executable).with_name(name)
    status = subprocess.run([program, *arguments], check=False).returncode
    if status:
        sys.exit(
            f"trial: {name} ended with status {status}; what it said is above. The host is still "
            "up: `make trial` goes on where it stopped, `make trial-down` takes it away."
        )


def _farewell(site: Site, lab: Lab, host: LabHost) -> str:
    name, secrets = site.settings.name, INVENTORY.with_suffix(".secrets.toml")
    authority = INVENTORY.with_suffix(".ca.pem")
    ssh = ["ssh", "-i", str(lab.key), "-o", f"UserKnownHostsFile={lab.known_hosts}"]
    administrator = site.settings.mattermost.administrator.username
    return f"""
Mattermost answers at {site.settings.url} ({host.address}).

  ask it       curl --cacert {authority} --resolve {name}:443:{host.address} \\
                    {site.settings.url}/api/v4/system/ping
  in a browser write "{host.address} {name}" into /etc/hosts and let the browser trust
               {authority}
  log in       {administrator}; its password: grep ^admin_password {secrets}
  plan, verify .venv/bin/mattermost-host plan {INVENTORY}
  look inside  {shlex.join([*ssh, f"root@{host.address}"])}
  stop it      make trial-down
"""


def main() -> None:
    """`up` without an argument, otherwise `down`."""
    reason = needs.missing()
    if reason:
        sys.exit(f"trial: {reason}.")
    if sys.argv[1:] == ["down"]:
        down()
    else:
        up()


if __name__ == "__main__":
    main()
