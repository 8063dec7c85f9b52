"""The distribution upgraded in place to its next release, by a program on the host."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import host_lock
from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.platforms import Platform
from mattermost_host.ops.host_program import HostProgram
from mattermost_host.ops.upgrade import Ways, of_server
from mattermost_host.support.templates import render

FOLDER = "/var/lib/mattermost-host/system"
UNIT = "mattermost-host-system.service"
PROGRAM = HostProgram(
    UNIT,
    FOLDER,
    "another upgrade of the system",
    "The upgrade was cut off: run upgrade-system again; it goes on.",
)
FETCHES = "fetches"
"""The step at which the sources of packages name the next release and nothing is installed."""
ONLY_ON = ("installs", "stuck")
"""Steps of the journal from which it can only go on."""
UNFINISHED = (FETCHES, *ONLY_ON)
"""Those at which one that was cut off leaves the system to be looked at."""


@dataclass(frozen=True)
class Found:
    """The last upgrade of the system, and what stands in the way of the next."""

    journal: Mapping[str, str] = field(default_factory=dict)
    at_work: bool = False
    serving: bool = False
    """The server's unit is active."""
    held: tuple[str, ...] = ()
    """Packages that an administrator keeps in their version."""
    broken: tuple[str, ...] = ()
    """Packages that are not wholly installed."""
    others: tuple[str, ...] = ()
    """Files of sources that name neither the release nor one of its own suites."""
    free_mb: int = -1
    """Least of what is free where packages are fetched to and installed."""

    @property
    def unfinished(self) -> bool:
        """Whether one has begun to install, and did not end."""
        return not self.at_work and self.journal.get("step", "") in ONLY_ON


@dataclass(frozen=True)
class AskSystem(Question[Found]):
    """The journal, apt's state, and room."""

    about = "the upgrade of the system"
    waits = True

    code_name: str

    def script(self) -> str:
        return "\n".join(
            [
                f"[ -f {FOLDER}/journal ] && sed 's/^/journal=/' {FOLDER}/journal",
                f"systemctl is-active --quiet {UNIT} && echo at_work=yes",
                "systemctl is-active --quiet mattermost.service && echo serving=yes",
                "apt-mark showhold | sed 's/^/held=/'",
                "dpkg-query -W -f='${db:Status-Status} ${Package}\\n'"
                " | sed -n -E 's/^(unpacked|half-[a-z]+|triggers-[a-z]+) /broken=/p'",
                # After that step those that count are the kept ones: the program puts them back.
                f"at=/etc/apt; ! grep -qsx step={FETCHES} {FOLDER}/journal || at={FOLDER}/sources",
                'for file in "$at/sources.list" "$at"/sources.list.d/*; do'
                ' [ ! -f "$file" ] || ! grep -qs "^[^#]" "$file" ||'
                f' grep -qsw {self.code_name} "$file" ||'
                ' echo "others=/etc/apt${file#"$at"}"; done',
                "df -Pm /usr /var/lib/dpkg /var/cache/apt | awk 'NR > 1 && (!least || $4 < least)"
                ' { least = $4 } END { print "free_mb=" least }\'',
            ]
        )

    def parse(self, lines: list[str]) -> Found:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        free = "".join(values.get("free_mb", ()))
        return Found(
            journal=dict(line.split("=", 1) for line in values.get("journal", ()) if "=" in line),
            at_work="at_work" in values,
            serving="serving" in values,
            held=tuple(values.get("held", ())),
            broken=tuple(values.get("broken", ())),
            others=tuple(values.get("others", ())),
            free_mb=int(free) if free.isdecimal() else -1,
        )


def upgraded(
    name: str, question: AskSystem, before: Platform, after: Platform, ways: Ways
) -> OperationMeta:
    """Let the host run the next release of its distribution; one that was cut off goes on."""
    expect(question)
    return _upgraded(name=name, question=question, before=before, after=after, ways=ways)


@operation()
def _upgraded(
    question: AskSystem, before: Platform, after: Platform, ways: Ways
) -> Generator[StringCommand, None, None]:
    unfinished = ask(question).unfinished
    if before is after and not unfinished:
        host.noop("the system has this release")
        return
    old, new = (f"{one.name} {one.release}" for one in (before, after))
    found = f"is {old}: it is upgraded to {new}, and there is no way back"
    if unfinished:
        found = f"is left between two releases by an upgrade to {new} that was cut off; it goes on"
    explain(
        Change("the system", found, severity="critical", heals=False),
        Change("nginx.service", "is upgraded", "restart", heals=False),
        Change("postgresql.service", "is restarted by its packages", "restart", heals=False),
    )
    program = render(
        "upgrade/system.sh.j2",
        kept=FOLDER,
        old=before.code_name,
        new=after.code_name,
        old_name=old,
        new_name=new,
        mode="resume" if unfinished else "upgrade",
        server=of_server(ways),
        lock=host_lock.PROGRAM_LOCK,
    )
    yield from changing(StringCommand(PROGRAM.begin(program, done="done")))
