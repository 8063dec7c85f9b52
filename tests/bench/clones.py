"""Hosts that are copies of one deployed host: thirty at once, without deploying thirty times."""

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.bench.measure import say
from tests.lab import image
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import run, wait_until

# What makes a host itself; each copy gets its own.
IDENTITY = ("etc/machine-id", "etc/hostname", "etc/ssh/ssh_host_*", "etc/systemd/network/10-lab*")


@contextmanager
def image_of(lab: Lab, model: LabHost, target: Path) -> Iterator[Path]:
    """Switch ``model`` off, copy its files to ``target`` for the time of a block, start it again.

    Both layers of its disk are read as one, so nothing is copied twice and nothing is changed.
    """
    model.run("systemctl poweroff", check=False)
    wait_until(lambda: not model.running, 60, f"{model.name} switched itself off")
    lab.crash(model)  # only what is left of it: its place on the bridge
    state = lab._state.hosts[model.name]
    layers = f"lowerdir={lab._state.disk(state) / 'upper'}:{state.image}"
    shutil.rmtree(target, ignore_errors=True)
    merged = target.with_suffix(".merged")
    for folder in (target, merged):
        folder.mkdir(parents=True)
    script = f"""set -e
mount -t overlay overlay -o {shlex.quote(layers)} {shlex.quote(str(merged))}
cp -a {shlex.quote(str(merged))}/. {shlex.quote(str(target))}/
cd {shlex.quote(str(target))}
rm -f {" ".join(IDENTITY)} root/.ssh/authorized_keys home/admin/.ssh/authorized_keys
rm -f var/cache/apt/archives/*.deb"""
    try:
        run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
        merged.rmdir()
        lab.start(model)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def up(lab: Lab, names: list[str], root: Path) -> list[LabHost]:
    """Boot hosts from the copied root instead of from a suite's image.

    They do not learn each other's names: to tell all of each new one takes longer than all boots.
    """
    with (
        mock.patch.object(image, "ensure", lambda suite: root),
        mock.patch.object(Lab, "_tell_names", lambda *_, **__: None),
    ):
        hosts = []
        for name in names:
            hosts.append(lab.up(name))
            if len(hosts) % 10 == 0:
                say(f"  {len(hosts)} of {len(names)} hosts are up")
        return hosts
