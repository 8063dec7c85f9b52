"""dnf's modules, read from the files in /etc/dnf/modules.d that hold their state."""

from collections.abc import Iterator, Sequence


def fixed(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Enabled modules with their stream, and disabled ones with an empty stream.

    A module that was reset keeps its file, without a state.
    """
    for name, keys in _sections(lines):
        if keys.get("state") == "enabled" and keys.get("stream"):
            yield name, keys["stream"]
        elif keys.get("state") == "disabled":
            yield name, ""


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The sections of several ini files in one stream of lines."""
    name, keys = "", dict[str, str]()
    for line in [*(line.strip() for line in lines), "[]"]:
        if line[:1] == "[" and line[-1:] == "]":
            if name:
                yield name, keys
            name, keys = line[1:-1], {}
        elif "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            keys[key.strip()] = value.strip()
