"""Unit files and drop-ins that override a unit's described file."""

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
"""Folders whose unit files and drop-ins override those of packages."""
GENERATORS = (
    "/run/systemd/generator.early",
    "/run/systemd/generator",
    "/run/systemd/generator.late",
)
"""Generators' folders, which systemd empties and fills again at each reload."""
OF_PACKAGES = "/usr/lib/systemd/system"
VENDORS = ("/usr/lib/", "/lib/")
"""Folders where a drop-in may belong to a package."""
OF_CONTAINERS = "zzz-lxc-"
"""Drop-ins below /run by which LXC adapts services to its containers, written at each boot."""
MASK = "/dev/null"


def names(unit: str) -> list[str]:
    """File names of ``unit``, and of its template."""
    stem, _, kind = unit.rpartition(".")
    template = [f"{stem.partition('@')[0]}@.{kind}"] if "@" in stem else []
    return [unit, *template]


def places(unit: str) -> Iterator[str]:
    """All paths of its unit files and drop-ins: its own, its template's, its type's."""
    files, folders = names(unit), _of_drop_ins(unit)
    for folder in (*FOLDERS, *GENERATORS):
        # A unit file in the last folder does not override packages.
        yield from (f"{folder}/{name}" for name in files if folder != GENERATORS[-1])
        yield from (f"{folder}/{name}.d" for name in folders)


def _of_drop_ins(unit: str) -> list[str]:
    stem, _, kind = unit.rpartition(".")
    dashes = (at for at, sign in enumerate(stem) if sign == "-")
    return [*names(unit), kind, *(f"{stem[: at + 1]}.{kind}" for at in dashes)]


def overriding(unit: str, lines: Sequence[str], loaded: Sequence[str] = ()) -> dict[str, str]:
    """Path and link target of each unit file and drop-in, from lines ``PATH|TARGET``.

    The lines may be of other units, too. ``loaded`` are the drop-ins that systemd has read: some
    may belong to another name of the unit.
    """
    files, folders = names(unit), [f"{name}.d" for name in _of_drop_ins(unit)]
    paths = (line.split("|", 1) for line in lines)
    found = {
        path: to
        for path, to in paths
        if path.rpartition("/")[2] in files or path.split("/")[-2] in folders
    }
    elsewhere = dict.fromkeys((one for one in loaded if not one.startswith(VENDORS)), "")
    return {
        path: target
        for path, target in (elsewhere | found).items()
        for name in [path.rpartition("/")[2]]
        # /lib may be a link to /usr/lib, so each file could appear twice.
        if f"/usr{path}" not in found
        if name in files or (name.endswith(".conf") and not name.startswith(OF_CONTAINERS))
    }


def without_package(unit: str) -> str:
    """Shell commands that print each drop-in in the packages' folders that no package owns.

    ``$unit`` is the output of `systemctl show`. Without such drop-ins no process is started.
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


def dangling(unit: str) -> str:
    """Shell commands that print each link in UNIT.requires to a unit that is missing or masked.

    With such a link the unit does not start again, though it may still run. Units without a file
    (devices, slices, mounts) are left out. Without such links no process is started.
    """
    links = " ".join(f"{folder}/{name}.requires/*" for folder in FOLDERS for name in names(unit))
    folders = " ".join((*FOLDERS, *GENERATORS, OF_PACKAGES))
    return (
        f"for link in {links}; do\n"
        "  case $link in\n"
        "    *.service | *.socket | *.target | *.timer | *.path) ;;\n    *) continue ;;\n  esac\n"
        "  named=${link##*/}; template=$named\n"
        '  case $named in *@*) template="${named%%@*}@.${named##*.}" ;; esac\n'
        f"  for folder in {folders}; do\n"
        '    ! { [ -f "$folder/$named" ] || [ -f "$folder/$template" ]; } || continue 2\n'
        "  done\n"
        "  printf 'Dangling=%s\\n' \"$link\"\n"
        "done"
    )


def is_generated(path: str) -> bool:
    """Whether a generator has written the drop-in."""
    return path.startswith(tuple(f"{folder}/" for folder in GENERATORS))


def understood(path: str) -> str:
    """Shell for a ``files.Check``: succeeds if systemd accepts the staged unit ``path``."""
    # systemd-analyze reports errors with exit status 0.
    said = f'systemd-analyze verify --man=no "$stage{path}" 2>&1'
    return f"if {said} | grep -F {path.rpartition('/')[2]} >&2; then exit 1; fi"
