"""What a root image is made of."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

# What a small server of a hosting provider brings, python3 with it. No curl, no gnupg, no
# locales: what the product needs beyond this, it must install itself.
MINIMAL = (
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


@dataclass(frozen=True)
class Recipe:
    """A Debian suite, the packages in it, and a script that its own shell runs at the end.

    The folder `files`, if there is one, is at /build/NAME while that script runs, and the sources
    of the suites `also` are at /build/SUITE.list. What matches `removed` is deleted last, when
    nothing of Debian's tools is needed any more.
    """

    debian: str
    packages: tuple[str, ...]
    setup: str
    files: Path | None = None
    removed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def digest(self, *more: str) -> str:
        """Changes with anything that the image is made of, and with `more`."""
        parts = [*self.packages, self.setup, *self.removed, *more]
        for path in sorted(self.files.rglob("*")) if self.files else ():
            if path.is_file() and "__pycache__" not in path.parts:
                parts += [str(path.relative_to(self.files or path)), path.read_text()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
