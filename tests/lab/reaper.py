"""Clears a lab away: in order at its end, or after the process that owned it was killed."""

import shutil

from tests.lab import kernel, machine, network, places, state
from tests.lab.state import LabState

LOCK = places.STATE / "lock"


def claim(name: str | None, *, keep: bool) -> LabState:
    """A new lab with a network of its own, after the dead ones were cleared away."""
    places.STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with places.locked(LOCK):
        _reap()
        taken = {lab.index for lab in state.known().values() if lab}
        made = state.create(name, network.free_index(taken), keep=keep)
        network.raise_bridge(made.bridge, made.index)
        return made


def find(name: str) -> LabState | None:
    """The kept lab of that name, or None; one that died with its machine is cleared away."""
    if not places.STATE.is_dir():
        return None
    with places.locked(LOCK):
        _reap()
        return LabState.load(name)


def release(lab: LabState) -> None:
    """Clear a lab away: hosts, bridge, rules, cgroups, disks, state."""
    with places.locked(LOCK):
        _remove(lab)
        _after_the_last()


def reap() -> None:
    """Clear away what dead labs left."""
    if places.STATE.is_dir():
        with places.locked(LOCK):
            _reap()
            _after_the_last()


def _reap() -> None:
    for name, lab in state.known().items():
        if lab is None:
            shutil.rmtree(places.STATE / name)
        elif _is_dead(lab):
            _remove(lab)


def _is_dead(lab: LabState) -> bool:
    if lab.owner:
        return not lab.owner.alive()
    return not network.bridge_exists(lab.bridge)


def _remove(lab: LabState) -> None:
    for host in lab.hosts.values():
        machine.remove(lab, host)
    network.remove_bridge(lab.bridge)
    shutil.rmtree(lab.disks, ignore_errors=True)
    shutil.rmtree(lab.folder, ignore_errors=True)


def _after_the_last() -> None:
    if not state.known():
        kernel.restore()
