"""The form of the groups in an inventory, checked before pyinfra reads them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from mattermost_host.engine.host_data import host_name_mistake
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake

LOCAL = "@local"
CONNECTORS = ("ssh", "vagrant", "terraform")
"""pyinfra's connectors that use ssh. Those for containers are left out: they run no systemd."""
REHEARSAL = "fake"
"""pyinfra's connector for trying things without a host."""
DEEPEST = 20
MOST_BITS = 64
MOST = 100
"""Mistakes of one list."""
FORM = 'write ["name-of-a-host"], or ["name-of-a-host"] and data: (["…"], {"ssh_user": "…"})'
ALONE = 'write the host\'s name alone, and the rest as data: ("name-of-a-host", {"ssh_user": "…"})'
MEMBER = 'write "name-of-a-host", or ("name-of-a-host", {"ssh_user": "…"})'


class Unreadable(Exception):
    """A value that can't be copied."""

    def __init__(self, mistake: Mistake):
        super().__init__(str(mistake))
        self.mistake = mistake


def sound_groups(
    names: Mapping[str, Any], ours: Sequence[str], mistakes: list[Mistake]
) -> dict[str, Any]:
    """The valid parts of the groups among ``names``, in pyinfra's form.

    Mistakes are added to ``mistakes``. ``ours`` names groups whatever their type; others are groups
    if they are lists or tuples.
    """
    groups: dict[str, Any] = {}
    for name, value in names.items():
        if name.startswith("_") or not (name in ours or isinstance(value, list | tuple)):
            continue
        members, data = _split(value)
        if members is None:
            mistakes.append(Mistake(name, _kind(value), FORM))
            continue
        found = list(islice(_member_mistakes(name, members), MOST))
        mistakes.extend(mistake for _, mistake in found)
        wrong = {at for at, _ in found}
        # A list with so much that is wrong is no list of hosts.
        taken: Iterable[tuple[int, Any]] = () if len(found) == MOST else enumerate(members)
        sound = [_member(one) for at, one in taken if at not in wrong]
        groups[name] = (sound, dict(data))
    return groups


def _split(value: Any) -> tuple[Sequence[Any] | None, Mapping[Any, Any]]:
    """Members and data of a group; None instead of members if it has another form."""
    if isinstance(value, list):
        return value, {}
    if isinstance(value, tuple) and len(value) == 2:
        members, data = value
        if isinstance(members, list) and isinstance(data, dict):
            return members, data
    return None, {}


def _member(member: Any) -> Any:
    """A copy, because pyinfra adds to the data of hosts."""
    return member if isinstance(member, str) else (member[0], dict(member[1]))


def _member_mistakes(group: str, members: Sequence[Any]) -> Iterator[tuple[int, Mistake]]:
    for at, member in enumerate(members):
        name, data = member if isinstance(member, tuple) and len(member) == 2 else (member, {})
        if not isinstance(name, str) or not isinstance(data, dict):
            yield at, Mistake(f"{group}[{at}]", _kind(member), MEMBER)
        elif ":" in name.rpartition("@")[0]:
            yield at, Mistake(f"{group}[{at}]", "a name with a user and a password in it", ALONE)
        elif found := _name_mistake(name):
            # A user and a password may stand before the name.
            yield at, Mistake(f'host "{without_secrets(name)}"', *found)


def _name_mistake(name: str) -> tuple[str, str] | None:
    if name == LOCAL:
        return None
    if not name.startswith("@"):
        wrong = host_name_mistake(name)
        return (
            ("a name that " + wrong, "write a name or address that ssh accepts") if wrong else None
        )
    connector, _, rest = name[1:].partition("/")
    if connector not in (*CONNECTORS, REHEARSAL):
        known = ", ".join([LOCAL, *(f"@{one}/…" for one in CONNECTORS)])
        return (
            f"the connector @{connector}",
            f"write a name that ssh knows, or one of {known}: a host runs systemd, and one can "
            "log in to it",
        )
    wrong = host_name_mistake(rest) if connector == "ssh" else ""
    return ("a name that " + wrong, "write a name or address that ssh accepts") if wrong else None


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def plain(value: Any, path: str, around: tuple[int, ...] = ()) -> Any:
    """A copy of tables, lists and strings in Python's own classes.

    Raises Unreadable if a value is nested too deep, contains itself, or has too many digits.
    """
    if isinstance(value, dict | list | tuple):
        if id(value) in around:
            raise Unreadable(Mistake(path, "a value that contains itself", "write it out"))
        if len(around) > DEEPEST:
            found = f"tables or lists nested more than {DEEPEST} deep"
            raise Unreadable(Mistake(path, found, "see docs/settings.md"))
        around = (*around, id(value))
    if isinstance(value, dict):
        return {
            plain(key, path): plain(inner, f"{path}.{key}" if path else str(key), around)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        kind = list if isinstance(value, list) else tuple
        return kind(plain(inner, path, around) for inner in value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > MOST_BITS:
        raise Unreadable(Mistake(path, "a number of more than 19 digits", "write a smaller one"))
    return str.__str__(value) if isinstance(value, str) else value
