"""SELinux rules, booleans and file contexts; nothing is done if SELinux is off.

semanage takes a second for each query, so rules are read from its files and booleans from the
kernel; `restorecon -n` shows which contexts differ. Changes are made by the distribution's tools.
"""

import re
import shlex
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect

SHOWN = 3
"""Number of files with a wrong context that are named."""
RELABEL = re.compile(r"Would relabel (.+) from (\S+) to (\S+)")
RULE = re.compile(r"(\S+)\s+(?:-(\S)\s+)?\S+")
"""A line of file_contexts.local: pattern, kind of file where it is for one only, context."""
LITERAL = re.compile(r"[^.^$*+?()\[\]{}|\\]*")
"""The beginning of a pattern that stands for itself."""
LIMIT_S = 300
"""Time limit: each change compiles the policy, which takes some seconds on a small host."""
NOTE = "/var/lib/mattermost-host/selinux"
"""The booleans and ports that deploys changed, one in a line; an uninstall takes back no others.

Rules for file contexts need none: they are about our own folders.
"""


@dataclass(frozen=True)
class Context:
    """A rule of ``semanage fcontext``: paths that match ``pattern`` have ``type``."""

    pattern: str
    type: str


@dataclass(frozen=True)
class Allowed:
    """What a component needs beyond the distribution's policy."""

    booleans: tuple[str, ...] = ()
    """Booleans that must be on."""
    ports: tuple[tuple[int, str], ...] = ()
    """TCP ports with their types."""
    contexts: tuple[Context, ...] = ()
    labelled: tuple[str, ...] = ()
    """Files and folders whose contexts, with everything below, are compared with the rules."""

    @classmethod
    def joined(cls, parts: Sequence["Allowed"]) -> "Allowed":
        """What several components need."""
        return cls(
            booleans=tuple(name for one in parts for name in one.booleans),
            ports=tuple(port for one in parts for port in one.ports),
            contexts=tuple(rule for one in parts for rule in one.contexts),
            labelled=tuple(path for one in parts for path in one.labelled),
        )

    def is_inside(self, pattern: str) -> bool:
        """Whether a rule is about nothing but what is labelled."""
        literal = LITERAL.match(pattern)
        begin = literal[0] if literal else ""
        return any(begin == one or begin.startswith(f"{one}/") for one in self.labelled)


@dataclass(frozen=True)
class Found:
    """SELinux's state on the host."""

    enabled: bool = False
    booleans: frozenset[str] = frozenset()
    """Booleans that are on, now and after a boot."""
    ports: frozenset[tuple[int, str]] = frozenset()
    """Ports with a local rule."""
    contexts: frozenset[Context] = frozenset()
    """Local rules for file contexts."""
    rules: frozenset[tuple[str, str]] = frozenset()
    """Pattern and type of file (semanage's letter; a: all) of each local rule; an equivalence is
    ``a``, too."""
    mislabelled: tuple[str, ...] = ()
    """Paths whose type differs from the rules."""
    noted: frozenset[str] = frozenset()
    """Lines of ``NOTE``."""


@dataclass(frozen=True)
class AskSelinux(Question[Found]):
    """The host's local rules and booleans of SELinux, and the contexts of some files."""

    booleans: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()

    about = "SELinux's rules and the contexts of files"

    @classmethod
    def joined(cls, questions: Sequence["AskSelinux"]) -> "AskSelinux":
        """One question for all: each process reads the whole policy."""
        return cls(
            booleans=tuple(sorted({name for one in questions for name in one.booleans})),
            labelled=tuple(sorted({path for one in questions for path in one.labelled})),
        )

    def part(self, answer: Found) -> Found:
        """The answer without the files of other questions."""
        mine = tuple(
            path
            for path in answer.mislabelled
            if any(path == one or path.startswith(f"{one}/") for one in self.labelled)
        )
        return replace(answer, mislabelled=mine)

    def script(self) -> str:
        lines = [
            "selinuxenabled || exit 0; echo enabled",
            "kind=$(sed -n 's/^SELINUXTYPE=//p' /etc/selinux/config)",
            "root=$(sed -n 's/^store-root *= *//p' /etc/selinux/semanage.conf)",
            'cd "${root:-/var/lib/selinux}/${kind:-targeted}/active" || exit 0',
            f"[ ! -f {NOTE} ] || sed 's/^/noted|/' {NOTE}",
            "sed -n 's/^[a-z]/permanent|&/p' booleans.local",
            "sed -n 's/^portcon/port|&/p' ports.local",
            "sed -n 's/^[^#]/context|&/p' file_contexts.local",
            'files="/etc/selinux/${kind:-targeted}/contexts/files"',
            "sed -n 's/^[^#]/same|&/p' \"$files/file_contexts.subs\"",
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
            rules=frozenset(_rules(rows)),
            mislabelled=tuple(_mislabelled(text for key, text in rows if key == "label")),
            noted=frozenset(text for key, text in rows if key == "noted"),
        )


def _matches(rows: Sequence[Sequence[str]], key: str, pattern: str) -> Iterator[re.Match[str]]:
    found = (re.fullmatch(pattern, row[1].strip()) for row in rows if row[0] == key)
    return (one for one in found if one)


def _values(rows: Sequence[Sequence[str]], key: str, pattern: str) -> Iterator[str]:
    return (one[1] for one in _matches(rows, key, pattern))


def _pairs(rows: Sequence[Sequence[str]], key: str, pattern: str) -> Iterator[tuple[str, str]]:
    return ((one[1], one[2]) for one in _matches(rows, key, pattern))


def _rules(rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for found in _matches(rows, "context", RULE.pattern):
        yield found[1], (found[2] or "a").replace("-", "f")
    yield from ((found[1], "a") for found in _matches(rows, "same", r"(\S+)\s+\S+"))


def _mislabelled(lines: Iterable[str]) -> Iterator[str]:
    """Only the type decides in the targeted policy; the user part is the creator's."""
    for line in lines:
        found = RELABEL.fullmatch(line)
        if found and _type(found[2]) != _type(found[3]):
            yield found[1]


def _type(context: str) -> str:
    return context.split(":")[2] if context.count(":") >= 2 else context


def allowed(name: str, wanted: Allowed) -> OperationMeta:
    """Keep ``wanted`` in the policy, and the files' contexts according to the rules.

    Call it before the files are put in place, so that new ones get their contexts at once.
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
    ours = {(one.pattern, "a") for one in wanted.contexts}
    others = sorted(one for one in found.rules - ours if wanted.is_inside(one[0]))
    if not (booleans or ports or contexts or others or found.mislabelled):
        host.noop("SELinux allows it, and the files have their contexts")
        return
    explain(
        *(Change(f"SELinux's boolean {one}", "is off, now or after a boot") for one in booleans),
        *(Change(f"TCP port {number}", f"is not labelled {kind}") for number, kind in ports),
        *(Change(one.pattern, f"has no rule of SELinux for {one.type}") for one in contexts),
        *(Change(pattern, "has a rule of SELinux that is not ours") for pattern, _ in others),
        *_explained(found.mislabelled),
    )
    script = ["set -eu", *_noted(booleans, ports, found)]
    if booleans:
        script.append(f"setsebool -P {' '.join(f'{one}=1' for one in booleans)}")
    script += [_port(number, kind) for number, kind in ports]
    if contexts or others:
        known = {one.pattern for one in found.contexts}
        rules = [f"fcontext -d -f {kind} {shlex.quote(pattern)}" for pattern, kind in others]
        rules += [_rule(one, "-m" if one.pattern in known else "-a") for one in contexts]
        # One import for all rules, because each change compiles the policy.
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


def of_boolean(name: str) -> str:
    """The line of the note about a boolean."""
    return f"boolean {name}"


def of_port(number: int) -> str:
    """The line of the note about a port."""
    return f"port {number}"


def _noted(booleans: Sequence[str], ports: Sequence[tuple[int, str]], found: Found) -> list[str]:
    """Shell lines that note what is about to be changed, but no port that has somebody's rule."""
    ruled = {number for number, _ in found.ports}
    lines = [of_boolean(one) for one in booleans]
    lines += [of_port(number) for number, _ in ports if number not in ruled]
    new = [one for one in lines if one not in found.noted]
    if not new:
        return []
    folder = NOTE.rpartition("/")[0]
    return [
        f"[ -d {folder} ] || mkdir -m 755 {folder}",
        f"printf '%s\\n' {shlex.join(new)} >>{NOTE}; chmod 644 {NOTE}; sync {NOTE}",
    ]


def _port(number: int, kind: str) -> str:
    """-a fails for a port that the policy itself defines; that one has to be modified (-m)."""
    what = f"-t {kind} -p tcp {number}"
    semanage = f"timeout {LIMIT_S} semanage port"
    return f"{semanage} -a {what} 2>/dev/null || {semanage} -m {what}"


def _rule(context: Context, verb: str) -> str:
    return f"fcontext {verb} -f a -t {context.type} '{context.pattern}'"
