"""firewalld policies: loaded from their files and unchanged since.

firewall-cmd takes a second for each query. nft lists the kernel's rules in a fraction of that; they
and firewalld's files are compared with a listing from the time of loading. So a rule added at run
time, a file that would change the next start, and a rule added by nft are all found.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain, foreseen_content
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.ops.unit_state import AskUnit, as_described, enabled, flaws
from mattermost_host.ops.what_was_read import words

SERVICE = "firewalld.service"
POLICY = "mattermost-host"
"""firewalld limits names to 18 characters."""
OPENS = f"filter_IN_policy_{POLICY}_allow"
"""The chain with the rules of our policy."""
SHARED = ("filter_INPUT", "filter_FORWARD")
"""Prefixes of the chains that lead to ours."""
RELOAD_LIMIT_S = 60
STATES = ("Id", "ActiveState", "UnitFileState")


@dataclass(frozen=True)
class Found:
    """The state of our policies in firewalld."""

    stopped: tuple[str, ...] = ()
    """Units (firewalld's and ours) that are not active, or would not be after a boot."""
    first: bool = False
    """Whether the kernel evaluates our policy before everything else."""
    differences: tuple[tuple[str, str], ...] = ()
    """Chains and files, and how they changed since the rules were loaded."""
    opened: tuple[str, ...] = ()
    """The rules of our policy in the kernel."""


@dataclass(frozen=True)
class AskPolicies(Question[Found]):
    """Compare our policies in the kernel with the listing from the time of loading."""

    about = "the rules of firewalld"

    unit: str
    program: str
    """Prints, line by line, what decides who may connect; fails if our policy is not first."""
    listing: str
    """File with its output from when the rules were loaded."""

    def script(self) -> str:
        return (
            f"systemctl show -p Id,ActiveState,UnitFileState {SERVICE} {self.unit}\n"
            f"now=$(sh {self.program}) && echo first=yes\n"
            f"[ -e {self.listing} ] || echo 'diff=> rules|were not loaded by our unit'\n"
            f'echo "$now" | diff {self.listing} - | sed -n "s/^[<>]/diff=&/p"\n'
            f'echo "$now" | sed -n "s/^{OPENS}|/opened=/p"'
        )

    def parse(self, lines: list[str]) -> Found:
        pairs = [line.split("=", 1) for line in lines if "=" in line]
        values = {one[0]: one[1] for one in pairs}
        return Found(
            stopped=tuple(_stopped(pairs, (SERVICE, self.unit))),
            first="first" in values,
            differences=tuple(_differences([value for key, value in pairs if key == "diff"])),
            opened=tuple(rule for rule in values.get("opened", "").split(";") if rule),
        )


def _stopped(pairs: Sequence[Sequence[str]], units: Sequence[str]) -> Iterator[str]:
    """systemctl prints the units one after the other, with the properties of each in any order."""
    blocks: list[set[str]] = [set()]
    for key, value in pairs:
        if key in STATES:
            if any(one.startswith(f"{key}=") for one in blocks[-1]):
                blocks.append(set())
            blocks[-1].add(f"{key}={value}")
    for unit in units:
        if {f"Id={unit}", "ActiveState=active", "UnitFileState=enabled"} not in blocks:
            yield unit


def _differences(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The differences that matter: other chains come and go with their interfaces."""
    before, after = _chains(lines, "< "), _chains(lines, "> ")
    for name in sorted(before.keys() | after.keys()):
        both = name in before and name in after
        if name.startswith("/"):
            yield name, "changed since firewalld loaded it"
        elif both or is_ours(name) or name == "rules":
            old, new = _rules(before.get(name, "")), _rules(after.get(name, ""))
            added = [f"has '{rule}'" for rule in new if rule not in old]
            lost = [f"has lost '{rule}'" for rule in old if rule not in new]
            yield name, " and ".join([*added, *lost]) or "has another order"


def _chains(lines: Sequence[str], side: str) -> dict[str, str]:
    found = (line.removeprefix(side).partition("|") for line in lines if line.startswith(side))
    return {name: rest for name, _, rest in found}


def _rules(text: str) -> list[str]:
    return [rule for rule in text.split(";") if rule]


def is_ours(chain: str) -> bool:
    """Whether a chain has our rules, or leads to them."""
    return "_policy_mattermost-" in chain or chain.startswith(SHARED)


def in_force(
    name: str, policies: AskPolicies, unit_file: str, after: tuple[OperationMeta, ...] = ()
) -> OperationMeta:
    """Keep firewalld running with our policies as in their files, now and after each boot."""
    unit = AskUnit(policies.unit, (unit_file,))
    expect(policies)
    expect(unit)
    return _in_force(name=name, policies=policies, unit=unit, after=after)


@operation()
def _in_force(
    policies: AskPolicies, unit: AskUnit, after: tuple[OperationMeta, ...]
) -> Generator[StringCommand, None, None]:
    foreseen = not is_executing() and any(map(foreseen_content, after))
    found, now = ask(policies), ask(unit)
    wrong = [*_wrong(found), *flaws(policies.unit, now)]
    if foreseen and not wrong:
        wrong.append(Change("firewalld", "will have newer rules"))
    if not wrong:
        host.noop("the policies in the kernel are those of the files")
        return
    explain(*wrong)
    steps = [
        "set -eu",
        *as_described(policies.unit, now, reload=True),
        f"systemctl unmask -q {SERVICE}",
        f"systemctl unmask -q --runtime {SERVICE}",
        enabled(SERVICE),
        f"if systemctl is-active -q {SERVICE}; then {_reload()}",
        f"else systemctl start {SERVICE}; fi",
        f"systemctl reload-or-restart {policies.unit}",
    ]
    yield from changing(StringCommand("\n".join(steps)))


def _wrong(found: Found) -> Iterator[Change]:
    for unit in found.stopped:
        yield Change(unit, "is not active, or would not be after a boot", severity="critical")
    if not found.first:
        yield Change(f"policy {POLICY}", "does not come first in the kernel", severity="critical")
        return
    for subject, text in found.differences:
        if is_ours(subject) or subject == "rules":
            yield Change(f"firewalld's {subject}", text, severity="critical")
        elif subject.startswith("/"):
            yield Change(subject, text)
        else:
            yield Change(f"firewalld's {subject}", f"{text}; our policy decides before it")


def _reload() -> str:
    return f"timeout {RELOAD_LIMIT_S} firewall-cmd -q --reload"


@dataclass(frozen=True)
class AskLeftovers(Question[tuple[str, ...]]):
    """Chains of our policies in the kernel, and our unit if it is active or enabled.

    Our files don't count: a killed run may have removed them without a reload.
    """

    about = "what firewalld has of our policies"

    unit: str

    def script(self) -> str:
        return (
            "nft list table inet firewalld | "
            "sed -n 's/^[[:space:]]*chain \\(.*_policy_mattermost-[^ ]*\\) {/\\1/p'\n"
            f"for state in active enabled; do systemctl -q is-$state {self.unit} && "
            f"echo {self.unit}; done"
        )

    def parse(self, lines: list[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(lines))


def removed(name: str, unit: str, files: tuple[str, ...]) -> OperationMeta:
    """Keep our policies, defined by ``files``, out of firewalld, which keeps running."""
    expect(AskLeftovers(unit))
    return _removed(name=name, unit=unit, files=files)


@operation()
def _removed(unit: str, files: tuple[str, ...]) -> Generator[StringCommand, None, None]:
    left = ask(AskLeftovers(unit))
    if not left:
        host.noop("no policy of ours in firewalld")
        return
    explain(Change(f"policy {POLICY}", f"is in force: {', '.join(left)}"))
    yield from changing(
        StringCommand(
            f"set -eu; systemctl disable -q --now {unit} || true; "
            f"rm -f -- {words(files)}; "
            f"! systemctl is-active -q {SERVICE} || {_reload()}"
        )
    )
