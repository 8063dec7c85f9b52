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
"""Where a unit file or drop-in goes before those of packages."""
GENERATORS = (
    "/run/systemd/generator.early",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
)
"""systemd empties them at each reload, and its generators fill them again."""
OF_PACKAGES = "/usr/lib/systemd/system"
VENDORS = ("/usr/lib/", "/lib/")
"""Here a drop-in may be a package's."""
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
    files, folders = names(unit), _of_drop_ins(unit)
    for folder in (*FOLDERS, *GENERATORS):
        # A unit file in the last one goes behind packages.
        yield from (f"{folder}/{name}" for name in files if folder != GENERATORS[-1])
        yield from (f"{folder}/{name}.d" for name in folders)


def _of_drop_ins(unit: str) -> list[str]:
    stem, _, kind = unit.rpartition(".")
    dashes = (at for at, sign in enumerate(stem) if sign == "-")
    return [*names(unit), kind, *(f"{stem[: at + 1]}.{kind}" for at in dashes)]


def overriding(unit: str, lines: Sequence[str], loaded: Sequence[str] = ()) -> dict[str, str]:
    """Path and link target of each unit file and drop-in in lines of ``PATH|TARGET``.

    ``loaded`` are the drop-ins that systemd says it has read: some of them may be at the place of
    another name of the unit.
    """
    found = dict(line.split("|", 1) for line in lines)
    files = names(unit)
    elsewhere = dict.fromkeys((one for one in loaded if not one.startswith(VENDORS)), "")
    return {
        path: target
        for path, target in (elsewhere | found).items()
        for name in [path.rpartition("/")[2]]
        # /lib may be a link to /usr/lib.
        if f"/usr{path}" not in found
        if name in files or (name.endswith(".conf") and not name.startswith(OF_CONTAINERS))
    }


def without_package(unit: str) -> str:
    """Shell that prints a line for each drop-in among those of packages that is none's.

    ``$unit`` is what systemd shows of the unit. Where there is none, no process is started.
    """
    folders = " ".join(f"{OF_PACKAGES}/{name}.d/*.conf" for name in _of_drop_ins(unit))
    return (
        "loaded=${unit##*DropInPaths=}; loaded=${loaded%%\n*}\n"
        f"for path in $loaded {folders}; do\n"
        '  case $path in /usr/lib/* | /lib/*) [ -e "$path" ] || continue ;; *) continue ;; esac\n'
        '  dpkg-query -S "*${path#/usr}" >/dev/null || rpm -qf "$path" >/dev/null ||'
        " printf 'Overriding=%s|\\n' \"$path\"\n"
        "done"
    )


def is_generated(path: str) -> bool:
    """Whether only a generator can have put there what systemd has read."""
    return path.startswith(tuple(f"{folder}/" for folder in GENERATORS))


def understood(path: str) -> str:
    """Shell for a ``files.Check``: succeeds where systemd understands the staged unit ``path``."""
    # systemd-analyze says what it does not understand, and yet ends with 0.
    said = f'systemd-analyze verify --man=no "$stage{path}" 2>&1'
    return f"if {said} | grep -F {path.rpartition('/')[2]} >&2; then exit 1; fi"
