"""Arguments of several commands, checked before any work begins."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import click

from mattermost_host.support.addresses import MOST_BYTES
from mattermost_host.support.paths import is_file

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
"""The exception type for a wrong argument."""


class InventoryFile(click.Path):
    """The path of an inventory; the file need not exist."""

    name = "inventory"

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the path; a name that no file can have is an error of the command line."""
        text = os.fsdecode(value)
        if not text or not text.isprintable():
            self.fail(f"{text!a} is empty or has characters that can't be printed", param, ctx)
        try:
            Path(text).stat()
        except OSError as error:
            if error.errno not in ABSENT:
                self.fail(f"{_short(text)}: {error.strerror}", param, ctx)
        return Path(text)


class InputFile(click.Path):
    """A file that is read: a regular one of at most ``most`` bytes, so that reading it ends."""

    def __init__(self, *, most: int = MOST_BYTES) -> None:
        super().__init__(path_type=Path, exists=True, dir_okay=False)
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the path; what is no such file is an error of the command line."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        shown = _short(ascii(str(path)))
        if not is_file(str(path)):
            self.fail(f"{shown} is not a regular file", param, ctx)
        if (size := path.stat().st_size) > self.most:
            needed = f"such a file has at most {self.most >> 10:,} KiB: name the right one"
            self.fail(f"{shown} has {size >> 10:,} KiB; {needed}", param, ctx)
        return path


class _Output(click.Path):
    """What is written at the end; the folder above it has to exist."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the path; one that can't be written is an error of the command line."""
        text = os.fsdecode(value)
        if text == "-" and not self.allow_dash:
            needed = f"write the {self.name}'s name, or ./- for one that is called so"
            self.fail(f"standard output (-) can't be used here; {needed}", param, ctx)
        if not text or not text.isprintable():
            self.fail(f"{text!a} is not a {self.name} name", param, ctx)
        converted = super().convert(value, param, ctx)
        if text == "-":
            return converted
        try:
            Path(text).stat()
        except FileNotFoundError:
            folder = Path(text).parent
            if not folder.is_dir():
                self.fail(f"the folder {_short(str(folder))} does not exist", param, ctx)
            if not os.access(folder, os.W_OK | os.X_OK):
                self.fail(f"the folder {_short(str(folder))} is not writable", param, ctx)
        except OSError as error:
            self.fail(f"{_short(text)}: {error.strerror}", param, ctx)
        return converted


class OutputFile(_Output):
    """A file that is written at the end."""

    def __init__(self, *, dash: bool = True) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=dash)


class OutputFolder(_Output):
    """A folder that is made, or written into."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, writable=True, path_type=Path)
        self.name = "folder"


def refuse_same(*files: tuple[str, str | Path | None]) -> None:
    """Raise UsageError if two of these files, each with what it is called, are the same one."""
    seen: dict[object, str] = {}
    for called, file in files:
        if file is None or (place := _place(str(file))) is None:
            continue
        if place in seen:
            both = f"{seen[place]} and {called} are the same file, {_short(str(file))}"
            raise click.UsageError(f"{both}; nothing was written. Name another for one of them")
        seen[place] = called


def _place(file: str) -> object:
    """What tells a file from others, by whatever name; None for a device, which takes all."""
    if file == "-":
        return file
    try:
        status = Path(file).stat()
    except OSError:
        return os.path.realpath(file)
    ordinary = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
    return (status.st_dev, status.st_ino) if ordinary else None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


INVENTORY = click.argument("inventory", type=InventoryFile())
OUTPUT = OutputFile()
