"""The program lego on a host: unpacked from its verified tarball and unchanged since."""

from collections.abc import Generator
from dataclasses import dataclass
from secrets import token_hex

from pyinfra import host
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine import beforehand
from mattermost_host.engine.batch import Question
from mattermost_host.engine.connections import is_executing
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.push import push
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.releases.lego import LegoTarball

# In /opt/mattermost SELinux labels it as a program, and the requirements for that folder (no
# noexec, a fapolicyd rule) cover it.
FOLDER = "/opt/mattermost/lego/bin"
PROGRAM = f"{FOLDER}/lego"
NOTE = f"{FOLDER}/lego.unpacked"
"""File with the tarball's digest, and the program's type, mode, owner, size and change time."""
LISTED = f"find {PROGRAM} -maxdepth 0 -printf '%y %m %u:%g %s %C@\\n'"


@dataclass(frozen=True)
class Found:
    """The program on a host."""

    tarball: str = ""
    """SHA-256 of the tarball that it was unpacked from."""
    there: bool = False
    unchanged: bool = False
    """Whether the program is unchanged since."""


@dataclass(frozen=True)
class AskProgram(Question[Found]):
    """Which lego is on the host, and whether it is unchanged."""

    about = "lego"

    def script(self) -> str:
        return f"sed 's/^/noted=/' {NOTE}; {LISTED} | sed 's/^/now=/'"

    def parse(self, lines: list[str]) -> Found:
        noted = [line.removeprefix("noted=") for line in lines if line.startswith("noted=")]
        now = [line.removeprefix("now=") for line in lines if line.startswith("now=")]
        return Found(
            tarball=noted[0] if noted else "",
            there=bool(now),
            unchanged=bool(now) and noted[1:] == now,
        )


def unpacked(name: str, tarball: LegoTarball) -> OperationMeta:
    """Keep the program of ``tarball`` on the host."""
    expect(AskProgram())
    return _unpacked(name=name, tarball=tarball)


@operation()
def _unpacked(tarball: LegoTarball) -> Generator[StringCommand | FunctionCommand, None, None]:
    now: Found = ask(AskProgram())
    if now.unchanged and now.tarball == tarball.sha256:
        host.noop("lego is as it was unpacked")
        return
    if not now.there:
        explain(Change(PROGRAM, "is missing"))
    elif now.tarball != tarball.sha256:
        explain(Change(PROGRAM, "is of another release"))
    else:
        explain(Change(PROGRAM, "was changed since it was unpacked", severity="critical"))
    if not is_executing():
        beforehand.note(tarball.fetch)
        yield from changing(StringCommand(f"true {PROGRAM}"))
        return
    arrived = f"{FOLDER}/.arrived-{token_hex(4)}"
    yield from changing(StringCommand(f"umask 022; mkdir -p {FOLDER}; rm -f {FOLDER}/.arrived-*"))
    yield push(tarball.fetch().path, arrived)
    yield StringCommand(_unpack(arrived, tarball.sha256))


def _unpack(arrived: str, sha256: str) -> str:
    """The program is run once before it gets its name; the note is written last."""
    new = f"{arrived}.new"
    return f"""set -eu
umask 077
trap 'rm -f {arrived}*' EXIT
echo '{sha256}  {arrived}' | sha256sum -c --quiet
tar -xzOf {arrived} lego >{new}
chown root:root {new}
chmod 755 {new}
timeout 30 {new} --version >/dev/null || {{ echo 'lego does not run on this host' >&2; exit 1; }}
sync {new}
rm -f {NOTE}
mv -fT {new} {PROGRAM}
! selinuxenabled 2>/dev/null || restorecon -F {PROGRAM}
{{ echo {sha256}; {LISTED}; }} >{arrived}.note
chmod 644 {arrived}.note
sync {arrived}.note
mv -fT {arrived}.note {NOTE}"""
