"""A systemd timer on this machine that checks for drift.

Root gets system units, other users get user units.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from mattermost_host.drift import metrics
from mattermost_host.drift.memory import folder, key
from mattermost_host.drift.repair import Heal
from mattermost_host.engine.connections import CONFIG
from mattermost_host.engine.trusted import refuse_mistrusted_tree
from mattermost_host.site import secret_variables
from mattermost_host.site.secrets_file import secrets_path
from mattermost_host.site.site import Site
from mattermost_host.support import trust
from mattermost_host.support.atomic_file import replace
from mattermost_host.support.defects import state_folder
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.paths import CACHE, PROJECT, home, user_name
from mattermost_host.support.templates import TEMPLATES, render
from mattermost_host.verify.run import TESTS

ENVIRONMENT = Path(sys.prefix)
"""The virtual environment that the service runs from: the current one."""
SETUP = PROJECT / "scripts/setup"
"""The script that makes a checkout's environment; an installed package has none."""
ADVICE = """
A timer needs a machine that is run by systemd. A user's own needs a login as that user, not su or
sudo, and on Debian the package libpam-systemd; or schedule as root."""
LOOKED_AHEAD = 1500
"""How many times of a calendar expression are compared with the window: minutes of a day."""


@dataclass(frozen=True)
class Places:
    """Folders for units and launcher, for the system or for one user."""

    units: Path
    programs: Path
    system: bool

    @classmethod
    def mine(cls) -> "Places":
        """The folders for the current user."""
        if os.geteuid() == 0:
            return cls(Path("/etc/systemd/system"), Path("/usr/local/lib/mattermost-host"), True)
        return cls(home() / ".config/systemd/user", home() / ".local/lib/mattermost-host", False)

    def systemctl(self, *arguments: str) -> str:
        """The output of systemctl for these units. Raises OperatorError if it fails."""
        try:
            return _run("systemctl", *([] if self.system else ["--user"]), *arguments)
        except OperatorError as error:
            raise OperatorError(f"{error}{ADVICE}") from None

    def of(self, inventory: Path) -> Mapping[str, Path]:
        """The files of an inventory's timer, by template."""
        name = unit_name(inventory)
        return {
            "schedule/launcher.sh.j2": self.programs / f"{name}.sh",
            "schedule/drift.service.j2": self.units / f"{name}.service",
            "schedule/drift.timer.j2": self.units / f"{name}.timer",
        }


def unit_name(inventory: Path) -> str:
    """Name of the inventory's timer and service, without suffix."""
    return f"mattermost-host-drift-{key(inventory)}"


def install(inventory: Path, on_calendar: str, heal: Heal | None) -> None:
    """Install and start the timer; returns what was done.

    Raises OperatorError if the inventory, the expression or this machine does not meet the
    requirements.
    """
    site, places, name = Site.load(inventory), Places.mine(), unit_name(inventory)
    _refuse_schedule(on_calendar, heal)
    _refuse_secrets_of_the_environment(inventory)
    for path in _code(inventory):
        refuse_mistrusted_tree(path)
    places.systemctl("show-environment")
    for path, text in files(site, on_calendar, heal, places).items():
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace(path, text, 0o644)
    places.systemctl("daemon-reload")
    places.systemctl("enable", "--quiet", f"{name}.timer")
    places.systemctl("restart", f"{name}.timer")
    listed = places.systemctl("list-timers", "--no-pager", "--no-legend", f"{name}.timer")
    stated = site.settings.drift.metrics_directory
    said = render(
        "schedule/installed.txt.j2",
        name=name,
        next=" ".join(listed.split()[:4]),
        user="" if places.system else "--user ",
        user_name=user_name(),
        inventory=shlex.quote(str(inventory)),
        no_metric=metrics.USUAL.is_dir() and not metrics.directory(stated),
        metrics=metrics.USUAL,
        lingers=places.system or _lingers(),
    )
    click.echo(said, nl=False)


def remove(inventory: Path) -> None:
    """Stop the timer and remove what ``install`` wrote; the history is kept."""
    places, name = Places.mine(), unit_name(inventory)
    places.systemctl("show-environment")
    written = [path for path in places.of(inventory).values() if path.exists()]
    if not written:
        raise OperatorError(f"no drift check of {inventory} is scheduled by this user here")
    places.systemctl("disable", "--quiet", "--now", f"{name}.timer")
    for path in written:
        path.unlink()
    places.systemctl("daemon-reload")
    click.echo(f"{name}.timer is removed. The history stays in {folder(inventory)}")


def files(site: Site, on_calendar: str, heal: Heal | None, places: Places) -> Mapping[Path, str]:
    """Launcher, service and timer for ``site``: path and text."""
    inventory, paths = site.path.resolve(), places.of(site.path)
    command = [str(ENVIRONMENT / "bin/mattermost-host"), "drift", str(inventory)]
    values: dict[str, object] = {
        "site": inventory.stem,
        "inventory": inventory,
        "on_calendar": on_calendar,
        "system": places.system,
        "user": user_name(),
        "folder": Path.cwd(),
        "launcher": paths["schedule/launcher.sh.j2"],
        "command": [*command, *(heal.options if heal else [])],
        "environment": ENVIRONMENT,
        "setup": SETUP if ENVIRONMENT.parent == SETUP.parents[1] else "",
        "state": folder(site.path),
        "check": Path(trust.__file__).read_text(encoding="utf-8"),
        "code": list(_code(inventory)),
        "variables": dict(_variables()),
        "local": any(host.name.startswith("@") for host in site.hosts),
        "writable": list(_writable(site, heal)),
        "in_shell": lambda value: shlex.quote(str(value)),
        "word": _word,
        "line": _line,
    }
    return {path: render(template, **values) for template, path in paths.items()}


def next_times(on_calendar: str) -> list[str]:
    """The next times of day of a calendar expression, ``03:00``.

    Raises OperatorError if it is not a calendar expression, or never elapses.
    """
    asked = ["systemd-analyze", "calendar", f"--iterations={LOOKED_AHEAD}", "--", on_calendar]
    try:
        said = _run(*asked)
    except OperatorError as error:
        raise OperatorError(
            f"--on-calendar {on_calendar!r} is no calendar expression of systemd ({error}); "
            'write for example "*-*-* 03:00" or "Mon..Fri 03:00", see systemd.time(7)'
        ) from None
    found = re.findall(r"^ *(?:Next elapse|Iter\. #\d+): \S+ \S+ (\d\d:\d\d):\d\d", said, re.M)
    if not found:
        raise OperatorError(f"--on-calendar {on_calendar!r} lies in the past: it never comes")
    return found


def _refuse_schedule(on_calendar: str, heal: Heal | None) -> None:
    times = next_times(on_calendar)
    if heal and heal.window and not any(heal.now(clock) == "all" for clock in times):
        raise OperatorError(
            f"--on-calendar {on_calendar} never falls into --window {heal.window}, so no "
            "repair that restarts a service would ever run; change one of them"
        )


def _refuse_secrets_of_the_environment(inventory: Path) -> None:
    for variable in secret_variables.VARIABLES:
        if os.environ.get(variable):
            raise OperatorError(
                f"{variable} is set in this shell, and the service will not see it; write it as "
                f"{variable.removeprefix(secret_variables.PREFIX).lower()} into "
                f"{secrets_path(inventory)}, "
                "unset it, and schedule again"
            )


def _code(inventory: Path) -> Iterator[Path]:
    """Everything that the service executes; the launcher checks it before each run."""
    if not CONFIG.is_file():
        raise OperatorError("there is no config.py here; run this in the folder that holds it")
    here, path = Path.cwd(), inventory.resolve()
    ours = (Path(trust.__file__).parents[1], SETUP.parent, TEMPLATES, TESTS)
    for part in (here, path, path.parent / "group_data", ENVIRONMENT, *ours):
        if part == here or (part.exists() and here not in part.parents):
            yield part


def _variables() -> Iterator[tuple[str, str]]:
    """Environment variables that the service gets from the user who schedules it."""
    folders = os.environ.get("PATH", "").split(":")
    # Without this environment, which the launcher may rebuild, and folders of others.
    mine = [one for one in folders if one[:1] == "/" and not Path(one).is_relative_to(ENVIRONMENT)]
    yield "PATH", ":".join(one for one in mine if not trust.mistrust(Path(one)))
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        if value := os.environ.get(name):
            yield name, value
    yield "PYINFRA_PROGRESS", "off"


def _writable(site: Site, heal: Heal | None) -> Iterator[Path]:
    """The only folders that a run may write to."""
    yield state_folder()
    if heal:
        yield site.path.resolve().parent  # for the lock, and a renewed certificate
        yield CACHE
    if place := metrics.directory(site.settings.drift.metrics_directory):
        yield place.resolve()


def _line(value: object) -> str:
    """``value`` escaped for a unit file's setting that takes the rest of the line."""
    return str(value).replace("%", "%%")


def _word(value: object, dollar: str = "$$") -> str:
    """``value`` escaped as one word of a unit file; ``$`` is special in command lines only."""
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", dollar)
    return f'"{_line(escaped)}"'


def _lingers() -> bool:
    return _run("loginctl", "show-user", user_name(), "-p", "Linger", "--value").strip() == "yes"


def _run(*argv: str) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=environment, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperatorError(f"{argv[0]} does not work here: {error}") from None
    if done.returncode:
        raise OperatorError(f"{shlex.join(argv)} failed: {done.stderr.strip()}")
    return done.stdout
