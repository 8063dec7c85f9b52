"""Arguments of several commands, checked before any work begins."""

import errno
import os
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

    name = "file"

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


class OutputFile(click.Path):
    """A file that is written at the end."""

    name = "file"

    def __init__(self, *, dash: bool = True) -> None:
        super().__init__(dir_okay=False, writable=True, allow_dash=dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path unchanged; one that can't be written is an error of the command line."""
        text = os.fsdecode(value)
        if not text or not text.isprintable():
            self.fail(f"{text!a} is not a file name", param, ctx)
        super().convert(value, param, ctx)
        if text == "-" and self.allow_dash:
            return text
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
        return text


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


INVENTORY = click.argument("inventory", type=InventoryFile())
OUTPUT = OutputFile()
