"""What SELinux has to allow, stated with the distribution's tools; nothing where it is off.

semanage takes a second for each question. Its rules are read from the files that it keeps them in,
booleans from the kernel, and what restorecon would relabel says whose context differs.
"""

import re
import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

SHOWN = 3
"""Files with another context that are named one by one."""
RELABEL = re.compile(r"Would relabel (.+) from (\S+) to (\S+)")
LIMIT_S = 300
"""Each change compiles the policy, a few seconds on a small host."""


@dataclass(frozen=True)
class Context:
    """Whatever matches ``pattern`` has ``type``: a rule of ``semanage fcontext``."""

    pattern: str
    type: str


@dataclass(frozen=True)
class Allowed:
    """What a component needs of the policy; the rest is the distribution's."""

    booleans: tuple[str, ...] = ()
    """Those that are on."""
    ports: tuple[tuple[int, str], ...] = ()
    """TCP ports and their types."""
    contexts: tuple[Context, ...] = ()
    labelled: tuple[str, ...] = ()
    """Files and folders, with all in them, whose contexts are compared with the rules."""


@dataclass(frozen=True)
class Found:
    """What the host says of it."""

    enabled: bool = False
    booleans: frozenset[str] = frozenset()
    """Those that are on, now and after a boot."""
    ports: frozenset[tuple[int, str]] = frozenset()
    """Ports that were given a type here."""
    contexts: frozenset[Context] = frozenset()
    """Rules that were made here."""
    mislabelled: tuple[str, ...] = ()
    """Paths whose type is not what the rules say."""


@dataclass(frozen=True)
class AskSelinux(Question[Found]):
    """SELinux's rules of this host, its booleans, and the contexts of some files."""

    booleans: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()

    about = "SELinux's rules and the contexts of files"

    @classmethod
    def joined(cls, questions: Sequence["AskSelinux"]) -> "AskSelinux":
        """All at once: each process reads the whole policy."""
        return cls(
            booleans=tuple(sorted({name for one in questions for name in one.booleans})),
            labelled=tuple(sorted({path for one in questions for path in one.labelled})),
        )

    def part(self, answer: Found) -> Found:
        """Without the files of others."""
        mine = tuple(
            path
            for path in answer.mislabelled
            if any(path == one or path.startswith(f"{one}/") for one in self.labelled)
        )
        return Found(answer.enabled, answer.booleans, answer.ports, answer.contexts, mine)

    def script(self) -> str:
        lines = [
            "selinuxenabled || exit 0; echo enabled",
            "kind=$(sed -n 's/^SELINUXTYPE=//p' /etc/selinux/config)",
            "root=$(sed -n 's/^store-root *= *//p' /etc/selinux/semanage.conf)",
            'cd "${root:-/var/lib/selinux}/${kind:-targeted}/active" || exit 0',
            "sed -n 's/^[a-z]/permanent|&/p' booleans.local",
            "sed -n 's/^portcon/port|&/p' ports.local",
            "sed -n 's/^[^#]/context|&/p' file_contexts.local",
        ]
        if self.booleans:
            lines.append(f"getsebool {shlex.join(self.booleans)} | sed 's/^/now|/'")
        if self.labelled:
            lines += [
                f"set --; for one in {shlex.join(self.labelled)}; do",
                '  [ ! -e "$one" ] || set -- "$@" "$one"',
                "done",
                '[ $# = 0 ] || restorecon -nvFR "$@" | sed "s/^/label|/"',
            ]
        return "\n".join(lines)

    def parse(self, lines: list[str]) -> Found:
        rows = [line.split("|", 1) for line in lines if "|" in line]
        return Found(
            enabled="enabled" in lines,
            booleans=frozenset(_values(rows, "permanent", r"(\w+)=1"))
            & frozenset(_values(rows, "now", r"(\w+) --> on")),
            ports=frozenset(
                (int(number), kind)
                for number, kind in _pairs(rows, "port", r"portcon tcp (\d+) \w+:\w+:(\w+).*")
            ),
            contexts=frozenset(
                Context(pattern, kind)
                for pattern, kind in _pairs(rows, "context", r"(\S+)\s+(?:-\w\s+)?\w+:\w+:(\w+).*")
            ),
            mislabelled=tuple(_mislabelled(text for key, text in rows if key == "label")),
        )


def _matches(rows: Sequence[Sequence[str]], key: str, pattern: str) -> Iterator[re.Match[str]]:
    found = (re.fullmatch(pattern, row[1].strip()) for row in rows if row[0] == key)
    return (one for one in found if one)


def _values(rows: Sequence[Sequence[str]], key: str, pattern: str) -> Iterator[str]:
    return (one[1] for one in _matches(rows, key, pattern))


def _pairs(rows: Sequence[Sequence[str]], key: str, pattern: str) -> Iterator[tuple[str, str]]:
    return ((one[1], one[2]) for one in _matches(rows, key, pattern))


def _mislabelled(lines: Iterable[str]) -> Iterator[str]:
    """By type, which alone decides in the targeted policy: the user is that of who made it."""
    for line in lines:
        found = RELABEL.fullmatch(line)
        if found and _type(found[2]) != _type(found[3]):
            yield found[1]


def _type(context: str) -> str:
    return context.split(":")[2] if context.count(":") >= 2 else context


def allowed(name: str, wanted: Allowed) -> OperationMeta:
    """Keep ``wanted`` in the policy, and the files with the contexts that its rules say.

    To be called before what the rules are about is put in place: new files get their contexts then.
    """
    expect(_question(wanted))
    return _allowed(name=name, wanted=wanted)


def _question(wanted: Allowed) -> AskSelinux:
    return AskSelinux(wanted.booleans, wanted.labelled)


@operation()
def _allowed(wanted: Allowed) -> Generator[StringCommand, None, None]:
    found = ask(_question(wanted))
    if not found.enabled:
        host.noop("SELinux is off")
        return
    booleans = [one for one in wanted.booleans if one not in found.booleans]
    ports = [one for one in wanted.ports if one not in found.ports]
    contexts = [one for one in wanted.contexts if one not in found.contexts]
    if not (booleans or ports or contexts or found.mislabelled):
        host.noop("SELinux allows it, and the files have their contexts")
        return
    explain(
        *(Change(f"SELinux's boolean {one}", "is off, now or after a boot") for one in booleans),
        *(Change(f"TCP port {number}", f"is not labelled {kind}") for number, kind in ports),
        *(Change(one.pattern, f"has no rule of SELinux for {one.type}") for one in contexts),
        *_explained(found.mislabelled),
    )
    script = ["set -eu"]
    if booleans:
        script.append(f"setsebool -P {' '.join(f'{one}=1' for one in booleans)}")
    script += [_port(number, kind) for number, kind in ports]
    if contexts:
        known = {one.pattern for one in found.contexts}
        rules = [_rule(one, "-m" if one.pattern in known else "-a") for one in contexts]
        # One compilation of the policy for all.
        script.append(f"printf '%s\\n' {shlex.join(rules)} | timeout {LIMIT_S} semanage import")
    script.append(
        f'for one in {shlex.join(wanted.labelled)}; do [ ! -e "$one" ] || restorecon -FR "$one"; '
        "done"
    )
    yield from changing(StringCommand("\n".join(script)))


def _explained(paths: Sequence[str]) -> Iterator[Change]:
    for path in paths[:SHOWN]:
        yield Change(path, "has another context of SELinux than its rules say")
    if len(paths) > SHOWN:
        yield Change(f"{len(paths) - SHOWN} more paths", "have another context of SELinux")


def _port(number: int, kind: str) -> str:
    """A port that the policy itself gives a type has to be modified."""
    what = f"-t {kind} -p tcp {number}"
    semanage = f"timeout {LIMIT_S} semanage port"
    return f"{semanage} -a {what} 2>/dev/null || {semanage} -m {what}"


def _rule(context: Context, verb: str) -> str:
    return f"fcontext {verb} -f a -t {context.type} '{context.pattern}'"
