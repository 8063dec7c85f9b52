"""Take SELinux's rules and booleans of a component back, as far as they are ours."""

import shlex
from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.engine.shell import PROGRESS
from mattermost_host.ops.selinux import (
    LIMIT_S,
    NOTE,
    Allowed,
    AskSelinux,
    Found,
    of_boolean,
    of_port,
)

STAYS = "stays: no deploy noted that it was changed for the site, so it may be somebody else's"


def taken_back(name: str, allowed: Allowed) -> OperationMeta:
    """Keep nothing of ``allowed`` that deploys brought; files that stay get their types again.

    Rules for our own folders are ours. A boolean or a port is ours where a deploy noted that it
    changed it; any other stays, and is named.
    """
    expect(AskSelinux(allowed.booleans))
    return _taken_back(name=name, allowed=allowed)


@operation()
def _taken_back(allowed: Allowed) -> Generator[StringCommand, None, None]:
    found: Found = ask(AskSelinux(allowed.booleans))
    if not found.enabled:
        host.noop("SELinux is off")
        return
    contexts = [one.pattern for one in allowed.contexts if one in found.contexts]
    booleans = [one for one in allowed.booleans if of_boolean(one) in found.noted]
    ports = [number for number, _ in allowed.ports if of_port(number) in found.noted]
    ruled = [number for number in ports if number in {one for one, _ in found.ports}]
    if not (contexts or booleans or ports):
        host.noop("no rule is left")
        return
    explain(
        *(Change(f"SELinux's boolean {one}", "was switched on by a deploy") for one in booleans),
        *(Change(f"TCP port {one}", "has a rule of SELinux from a deploy") for one in ports),
        *(Change(one, "has a rule of SELinux from a deploy") for one in contexts),
    )
    script = ["set -eu", *_left(allowed, found)]
    if booleans:
        script.append(f"setsebool -P {' '.join(f'{one}=0' for one in booleans)}")
    rules = [f"port -d -p tcp {number}" for number in ruled]
    rules += [f"fcontext -d -f a '{pattern}'" for pattern in contexts]
    if rules:
        # One import for all rules, because each change compiles the policy.
        script.append(f"printf '%s\\n' {shlex.join(rules)} | timeout {LIMIT_S} semanage import")
    script += _relabelled(allowed.labelled)
    if booleans or ports:
        script += _forgotten([*map(of_boolean, booleans), *map(of_port, ports)])
    yield from changing(StringCommand("\n".join(script)))


def _relabelled(paths: Sequence[str]) -> list[str]:
    return [
        f'for one in {shlex.join(paths)}; do [ ! -e "$one" ] || restorecon -FR "$one"; done',
    ]


def _forgotten(lines: Sequence[str]) -> list[str]:
    """After the change: one that was cut off is taken up by the next run."""
    wanted = " ".join(f"-e {shlex.quote(one)}" for one in lines)
    return [
        f"left=$(grep -vxF {wanted} {NOTE} || :)",
        f'if [ "$left" ]; then printf \'%s\\n\' "$left" >{NOTE}; else rm -f {NOTE}; fi',
    ]


def _left(allowed: Allowed, found: Found) -> list[str]:
    """Shell lines that name what is as a deploy needs it, and is not known to be ours."""
    on = [one for one in allowed.booleans if one in found.booleans]
    names = [f"SELinux's boolean {one}" for one in on if of_boolean(one) not in found.noted]
    names += [
        f"SELinux's rule for TCP port {number}"
        for number, kind in allowed.ports
        if (number, kind) in found.ports and of_port(number) not in found.noted
    ]
    return [f"echo {shlex.quote(f'{PROGRESS}{one} {STAYS}.')}" for one in names]
