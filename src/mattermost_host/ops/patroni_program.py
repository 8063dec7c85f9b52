"""Patroni 4 where the distribution has an older one: unpacked from its wheel, unchanged since.

The wheel is pure Python. It lies in a folder of root's alone, not among Python's packages, and what
it imports are the distribution's. No folder is named by Python's version, so that Patroni starts
after an upgrade of Python, too; the next run compiles it anew.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from secrets import token_hex

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import beforehand
from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain, foretell
from mattermost_host.engine.push import push
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.patroni import NEEDS, PACKAGES, VERSION
from mattermost_host.ops import files
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.releases.patroni import PatroniWheel
from mattermost_host.support.templates import render

FOLDER = "/opt/mattermost-host/patroni"
LIBRARY = f"{FOLDER}/{VERSION}"
NOTE = f"{FOLDER}/unpacked"
"""File with the wheel's digest, the Python that compiled it, and a digest of the list of files."""
PATRONI, PATRONICTL = f"{FOLDER}/bin/patroni", f"{FOLDER}/bin/patronictl"
PYTHON = "readlink -f /usr/bin/python3"
LISTED = (
    f"find {LIBRARY} -printf '%P %y %m %u:%g %s %C@ %l\\n' | sort | sha256sum | cut -d ' ' -f 1"
)


@dataclass(frozen=True)
class Program:
    """Patroni's program, its packages, and what a run compares with what the unit has read."""

    patroni: str
    packages: tuple[str, ...]
    read: tuple[str, ...] = ()


PACKAGED = Program("/usr/bin/patroni", PACKAGES)
UNPACKED = Program(PATRONI, NEEDS, (PATRONI, NOTE))


def entries() -> Iterator[Entry]:
    """Its folders, and the two programs."""
    yield Directory(FOLDER.rpartition("/")[0])
    yield Directory(FOLDER)
    yield Alone(FOLDER, tuple(one.rpartition("/")[2] for one in (LIBRARY, NOTE, f"{FOLDER}/bin")))
    yield Directory(f"{FOLDER}/bin")
    yield Alone(f"{FOLDER}/bin", tuple(one.rpartition("/")[2] for one in (PATRONI, PATRONICTL)))
    yield File(PATRONI, _program("patroni.__main__", "main"), "755")
    yield File(PATRONICTL, _program("patroni.ctl", "ctl"), "755")


def _program(module: str, function: str) -> str:
    return render("patroni/program.py.j2", library=LIBRARY, module=module, function=function)


@dataclass(frozen=True)
class Found:
    """Patroni on a host."""

    wheel: str = ""
    """SHA-256 of the wheel that it was unpacked from."""
    there: bool = False
    compiled: bool = False
    """Whether that was for the host's present Python."""
    unchanged: bool = False
    """Whether each of its files is unchanged since."""


@dataclass(frozen=True)
class AskProgram(Question[Found]):
    """Which Patroni is on the host, and whether it is unchanged."""

    about = "Patroni"

    def script(self) -> str:
        return (
            f"sed 's/^/noted=/' {NOTE}; [ ! -d {LIBRARY} ] || "
            f"{{ {PYTHON}; {LISTED}; }} | sed 's/^/now=/'"
        )

    def parse(self, lines: list[str]) -> Found:
        noted = [line.removeprefix("noted=") for line in lines if line.startswith("noted=")]
        now = [line.removeprefix("now=") for line in lines if line.startswith("now=")]
        return Found(
            wheel=noted[0] if noted else "",
            there=bool(now),
            compiled=bool(now) and noted[1:2] == now[:1],
            unchanged=bool(now) and noted[2:] == now[1:],
        )


def present(wheel: PatroniWheel) -> list[OperationMeta]:
    """Keep the programs, and the content of ``wheel`` that they start."""
    return [
        files.present(name="Patroni's programs are in place", entries=list(entries())),
        unpacked(name="Patroni is unpacked", wheel=wheel),
    ]


def unpacked(name: str, wheel: PatroniWheel) -> OperationMeta:
    """Keep the content of ``wheel`` on the host."""
    expect(AskProgram())
    return _unpacked(name=name, wheel=wheel)


@operation()
def _unpacked(wheel: PatroniWheel) -> Generator[StringCommand | FunctionCommand, None, None]:
    now: Found = ask(AskProgram())
    if now == Found(wheel.sha256, there=True, compiled=True, unchanged=True):
        host.noop("Patroni is as it was unpacked")
        return
    explain(_difference(now, wheel))
    foretell({NOTE: "as unpacked"})
    if not is_executing():
        beforehand.note(wheel.fetch)
        yield from changing(StringCommand(f"true {LIBRARY}"))
        return
    arrived = f"{FOLDER}/.arrived-{token_hex(4)}"
    yield from changing(StringCommand(f"umask 022; mkdir -p {FOLDER}; rm -rf {FOLDER}/.arrived-*"))
    yield push(wheel.fetch().path, arrived)
    yield StringCommand(_unpack(arrived, wheel.sha256))


def _difference(now: Found, wheel: PatroniWheel) -> Change:
    if not now.there:
        return Change(LIBRARY, "is missing")
    if not now.wheel:
        return Change(LIBRARY, "was not unpacked to its end")
    if now.wheel != wheel.sha256:
        return Change(LIBRARY, "is of another release")
    if not now.unchanged:
        return Change(LIBRARY, "was changed since it was unpacked", severity="critical")
    return Change(LIBRARY, "was compiled for another Python")


def _unpack(arrived: str, sha256: str) -> str:
    """It is loaded once before it gets its name; the note is written last."""
    new = f"{arrived}.new"
    loads = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import patroni.__main__, patroni.ctl, patroni.dcs.etcd3, psycopg2"
    )
    return f"""set -eu
umask 022
trap 'rm -rf {arrived}*' EXIT
echo '{sha256}  {arrived}' | sha256sum -c --quiet
python3 -I -m zipfile -e {arrived} {new}
python3 -I -m compileall -q {new}
timeout 60 python3 -IBc '{loads}' {new} || {{
  echo 'Patroni {VERSION} does not load with the packages of this host' >&2; exit 1
}}
sync -f {new}
rm -f {NOTE}
[ ! -e {LIBRARY} ] && [ ! -L {LIBRARY} ] || mv -T {LIBRARY} {arrived}.old
mv -T {new} {LIBRARY}
{{ echo {sha256}; {PYTHON}; {LISTED}; }} >{arrived}.note
sync {arrived}.note
mv -fT {arrived}.note {NOTE}"""
