"""The command line of scripts/try-on."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click

from mattermost_host.cli.sentences import sentences
from mattermost_host.knowledge import releases
from mattermost_host.site.site import Site
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.paths import PROJECT
from tests.try_on import about, report
from tests.try_on.place import PASSWORD, Login, Place, version
from tests.try_on.steps import Step, Steps
from tests.try_on.trial import Trial, environment, line

LEAVES = (
    "on the host: Mattermost, PostgreSQL and NGINX as they were deployed, with their packages, "
    "the firewall, the kernel parameters and the accounts; there is no way back but a new host, "
    "so try it on one that you can throw away",
    "on this machine: the folder of the trial (FOLDER) with the inventory, its secrets and this "
    "report. The secrets open this site: delete the folder with the host",
    "in ~/.ssh/known_hosts: the host's key, where it was not there before",
)


def main(
    login: Login,
    release: str | None,
    folder: Path | None,
    file: Path | None,
    *,
    postgresql: int | None,
    yes: bool,
) -> int:
    """Run the trial; exit status 0 where all held."""
    place = Place.make(folder)
    place.write(login, release, postgresql)
    os.chdir(PROJECT)
    paper = Paper(place, login, _shown(release), file or place.report)
    steps = Steps(place.folder, environment(place.folder), paper.take)
    trial = Trial(place.inventory, steps)
    if trial.check():
        paper.describe(trial)
        _ask(login, paper.host, yes=yes)
        paper.left = LEAVES
        paper.write()
        deployed = trial.deploy()
        # Its packages have come meanwhile.
        paper.describe(trial)
        if deployed:
            trial.prove()
    click.echo(_farewell(place, paper.target, len(steps.problems)))
    return 1 if steps.problems else 0


@dataclass
class Paper:
    """The report, written anew after each step: a trial may be ended at any time."""

    place: Place
    login: Login
    release: str
    target: Path
    host: dict[str, str] = field(default_factory=dict)
    left: Sequence[str] = ("nothing on the host: it was not changed", *LEAVES[1:])
    steps: list[Step] = field(default_factory=list)

    def describe(self, trial: Trial) -> None:
        """Ask the host what it is, and write that down; a silent one stays as it was."""
        with suppress(OperatorError):
            self.host |= about.read(trial.on_host(about.SCRIPT)[1])
        self.write()

    def take(self, step: Step) -> None:
        """Say how a step went, and write it down."""
        click.echo(line(step))
        self.steps.append(step)
        self.write()

    def write(self) -> None:
        """Put down what is known by now."""
        mask = self.place.mask(self.login, os.environ.get(PASSWORD), _addresses(self.place))
        subject = report.Subject(self.host, self.release, version())
        text = report.text(subject, self.steps, self.left, mask)
        self.target.write_text(text, encoding="utf-8")


def _ask(login: Login, host: dict[str, str], *, yes: bool) -> None:
    """Raises click.Abort where the caller does not want it."""
    name = host.get("distribution", "unknown system")
    click.echo(
        f"\n{login.destination} ({name}) will be changed: Mattermost, PostgreSQL and NGINX are "
        "installed, the firewall and kernel parameters are set, and then things are broken on "
        "purpose and repaired. Nothing of it is taken back. Use a host that you can throw away.\n"
    )
    if not yes and not sys.stdin.isatty():
        raise OperatorError("nobody can be asked here, so nothing was changed; add --yes")
    if not yes:
        click.confirm("Go on?", abort=True)


def _addresses(place: Place) -> tuple[str, ...]:
    """Where the inventory's host is reached, for what the report is not to say."""
    try:
        return tuple(one.address for one in Site.load(place.inventory).hosts)
    except OperatorError:
        return ()


def _shown(release: str | None) -> str:
    """A release for the report: no folder of this machine, no password of a mirror."""
    if release is None:
        return f"{releases.default()}, the vendor's"
    return Path(without_secrets(release)).name


def _farewell(place: Place, target: Path, problems: int) -> str:
    verdict = f"{problems} steps were not as expected" if problems else "Everything held"
    again = f"To go on with the same host and secrets: --folder {place.folder}"
    return (
        f"\n{verdict}. The report, to attach to an issue: {target}\n{again}\n"
        "Read it before you publish it. Secrets, and the host's name and addresses, are left out.\n"
        f"Left behind: what was deployed on the host, and {place.folder} (it holds secrets)."
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("host")
@click.option("--user", help="Who logs in; root, or somebody with sudo.")
@click.option("--port", type=click.IntRange(1, 65535), help="sshd's port.")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Private key to log in with.",
)
@click.option("--ask-sudo-password", is_flag=True, help=f"Prompt for it; or set {PASSWORD}.")
@click.option("--release", metavar="TARBALL_OR_URL", help="Without it, the vendor's newest ESR.")
@click.option(
    "--postgresql", type=int, help="Major version; without it, the distribution's default."
)
@click.option(
    "--report",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; without it, into the folder of the trial.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of a trial before, whose secrets the host has.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before the host is changed.")
def command(
    host: str,
    user: str | None,
    port: int | None,
    key: str | None,
    ask_sudo_password: bool,
    release: str | None,
    postgresql: int | None,
    file: Path | None,
    folder: Path | None,
    yes: bool,
) -> None:
    """Try mattermost-host on HOST, a machine that you can throw away.

    Preflight, deploy, second run, verification, tamperings, drift: with a report to attach to an
    issue. The preflight changes nothing; after it, it asks before the host is changed.

    Exit status: 0 everything held, 1 not, 2 a wrong command line.

    Example: scripts/try-on 192.0.2.10 --user admin
    """
    with sentences():
        before, _, name = host.rpartition("@")
        if ask_sudo_password:
            os.environ[PASSWORD] = click.prompt("Password of sudo", hide_input=True)
        login = Login(name, user or before or None, port, key, bool(os.environ.get(PASSWORD)))
        local = release and not release.startswith(("https://", "http://"))
        source = str(Path(release or "").resolve()) if local else release
        target = file.resolve() if file else None
        sys.exit(main(login, source, folder, target, postgresql=postgresql, yes=yes))


if __name__ == "__main__":
    command(prog_name="scripts/try-on")
