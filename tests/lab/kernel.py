"""What labs need of this machine's kernel; put back when the last lab is gone."""

from pathlib import Path

from tests.lab import places

NEEDED = {
    "net/ipv4/ip_forward": 1,
    # Each systemd takes about ten; the usual 128 are shared by all hosts, which have one root.
    "fs/inotify/max_user_instances": 1024,
}


def prepare() -> None:
    """Raise what is too low, and note what it was."""
    for name, needed in NEEDED.items():
        was = int(_parameter(name).read_text())
        if was < needed:
            _note(name).write_text(str(was))
            _parameter(name).write_text(str(needed))


def restore() -> None:
    """Put back what a lab raised. For when no lab is left."""
    for name in NEEDED:
        if _note(name).exists():
            _parameter(name).write_text(_note(name).read_text())
            _note(name).unlink()


def _parameter(name: str) -> Path:
    return Path("/proc/sys", name)


def _note(name: str) -> Path:
    return places.STATE / f"was-{name.replace('/', '.')}"
