"""What goes before a unit's described file."""

from collections.abc import Iterator, Sequence

FOLDERS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/usr/local/lib/systemd/system",
)
"""Where a unit file or drop-in goes before those of packages; generators have other folders."""
OF_CONTAINERS = "zzz-lxc-"
"""LXC adapts services to its containers by drop-ins below /run, anew at each boot."""
MASK = "/dev/null"


def names(unit: str) -> list[str]:
    """The unit file of ``unit``, and that of its template."""
    stem, _, kind = unit.rpartition(".")
    template = [f"{stem.partition('@')[0]}@.{kind}"] if "@" in stem else []
    return [unit, *template]


def places(unit: str) -> Iterator[str]:
    """Each place of its files and of its drop-ins: its own, its template's, its type's."""
    stem, _, kind = unit.rpartition(".")
    files = names(unit)
    folders = [*files, kind, *(f"{stem[: at + 1]}.{kind}" for at in _dashes(stem))]
    for folder in FOLDERS:
        yield from (f"{folder}/{name}" for name in files)
        yield from (f"{folder}/{name}.d" for name in folders)


def _dashes(stem: str) -> Iterator[int]:
    return (at for at, sign in enumerate(stem) if sign == "-")


def overriding(unit: str, lines: Sequence[str]) -> dict[str, str]:
    """Path and link target of each unit file and drop-in in lines of ``PATH|TARGET``."""
    found = dict(line.split("|", 1) for line in lines)
    files = names(unit)
    return {
        path: target
        for path, target in found.items()
        for name in [path.rpartition("/")[2]]
        if name in files or (name.endswith(".conf") and not name.startswith(OF_CONTAINERS))
    }


def understood(path: str) -> str:
    """Shell for a ``files.Check``: succeeds where systemd understands the staged unit ``path``."""
    # systemd-analyze says what it does not understand, and yet ends with 0.
    said = f'systemd-analyze verify --man=no "$stage{path}" 2>&1'
    return f"if {said} | grep -F {path.rpartition('/')[2]} >&2; then exit 1; fi"
