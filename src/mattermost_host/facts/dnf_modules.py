"""Modules of dnf, out of the small files in which it keeps what was enabled."""

from collections.abc import Iterator, Sequence


def fixed(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Modules in dnf's files that are enabled, with their stream, or disabled, with an empty one.

    A module that was reset keeps its file, without a state.
    """
    for name, keys in _sections(lines):
        if keys.get("state") == "enabled" and keys.get("stream"):
            yield name, keys["stream"]
        elif keys.get("state") == "disabled":
            yield name, ""


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The sections of ini files, one after the other."""
    name, keys = "", dict[str, str]()
    for line in [*(line.strip() for line in lines), "[]"]:
        if line[:1] == "[" and line[-1:] == "]":
            if name:
                yield name, keys
            name, keys = line[1:-1], {}
        elif "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            keys[key.strip()] = value.strip()
