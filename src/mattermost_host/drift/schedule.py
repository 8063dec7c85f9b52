"""A systemd timer on this machine that looks for drift.

Root gets units of the system, anybody else units of their own.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path

import click

from mattermost_host.drift import metrics as drift_metrics
from mattermost_host.drift import run as drift
from mattermost_host.drift.repair import Heal
from mattermost_host.site.secrets import (
    ADMIN_VARIABLE,
    DATABASE_VARIABLE,
    MAIL_VARIABLE,
    WEBHOOK_VARIABLE,
)
from mattermost_host.site.secrets_file import secrets_path
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from mattermost_host.support.paths import CACHE, home, user_name
from mattermost_host.support.templates import render

CHECKOUT = Path(__file__).parents[3]
KEPT_VARIABLES = ("PATH", "XDG_STATE_HOME", "XDG_CACHE_HOME")
"""What the service takes over from whoever schedules it: which Python, and where things are."""
SECRET_VARIABLES = {
    ADMIN_VARIABLE: "admin_password",
    DATABASE_VARIABLE: "database_password",
    WEBHOOK_VARIABLE: "drift_webhook",
    MAIL_VARIABLE: "drift_mail_password",
}
LOOKED_AHEAD = 1500
"""Times of a calendar expression among which one must lie in the window; a day in minutes."""


@dataclass(frozen=True)
class Places:
    """Where units and their launcher belong, for the system or for one user."""

    units: Path
    programs: Path
    system: bool

    @classmethod
    def mine(cls) -> "Places":
        """Those of whoever runs this."""
        if os.geteuid() == 0:
            return cls(Path("/etc/systemd/system"), Path("/usr/local/lib/mattermost-host"), True)
        here = home()
        return cls(here / ".config/systemd/user", here / ".local/lib/mattermost-host", False)

    def systemctl(self, *arguments: str) -> list[str]:
        """The argv of systemctl for these units."""
        return ["systemctl", *([] if self.system else ["--user"]), *arguments]


def install(inventory: Path, on_calendar: str, heal: Heal | None) -> None:
    """Install and start the timer; say what was done.

    Raises OperatorError where the inventory, the expression or this machine will not do.
    """
    site = Site.load(inventory)
    times = next_times(on_calendar)
    if heal and heal.window and not any(map(heal.window.holds, times)):
        raise OperatorError(
            f"--on-calendar {on_calendar} never falls into --window {heal.window}, so nothing that "
            "restarts a service would ever be put right; change one of them"
        )
    _refuse_secrets_of_the_environment(inventory)
    places, name = Places.mine(), unit_name(inventory)
    _require_systemd(places)
    for path, text in files(site, on_calendar, heal, places).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _run(places.systemctl("daemon-reload"))
    _run(places.systemctl("enable", "--quiet", f"{name}.timer"))
    _run(places.systemctl("restart", f"{name}.timer"))
    _say_installed(name, inventory, places)


def remove(inventory: Path) -> None:
    """Stop the timer and remove what ``install`` wrote; the history stays."""
    places, name = Places.mine(), unit_name(inventory)
    _require_systemd(places)
    written = [path for path in _paths(inventory, places) if path.exists()]
    if not written:
        raise OperatorError(f"no look for drift of {inventory} is scheduled by this user here")
    _run(places.systemctl("disable", "--quiet", "--now", f"{name}.timer"))
    for path in written:
        path.unlink()
    _run(places.systemctl("daemon-reload"))
    click.echo(f"{name}.timer is removed. The history stays: {drift.history_file(inventory)}")


def unit_name(inventory: Path) -> str:
    """Name of the inventory's timer and service, without what comes after the dot."""
    return f"mattermost-host-drift-{drift.key(inventory)}"


def _paths(inventory: Path, places: Places) -> tuple[Path, Path, Path]:
    name = unit_name(inventory)
    return (
        places.programs / f"{name}.sh",
        places.units / f"{name}.service",
        places.units / f"{name}.timer",
    )


def files(site: Site, on_calendar: str, heal: Heal | None, places: Places) -> Mapping[Path, str]:
    """Launcher, service and timer for ``site``: path and text."""
    launcher, service, timer = _paths(site.path, places)
    inventory = site.path.resolve()
    argv = [str(CHECKOUT / ".venv/bin/mattermost-host"), "drift", str(inventory)]
    if heal:
        argv += ["--heal", heal.scope, *(["--window", str(heal.window)] if heal.window else [])]
    texts = (
        render(
            "schedule/launcher.sh.j2",
            checkout=shlex.quote(str(CHECKOUT)),
            site=shlex.quote(inventory.stem),
            state=shlex.quote(str(drift.folder(site.path))),
        ),
        render(
            "schedule/drift.service.j2",
            site=_literal(inventory.stem),
            system=places.system,
            user=user_name(),
            checkout=_literal(str(CHECKOUT)),
            launcher=_word(str(launcher)),
            command=" ".join(_word(word) for word in argv),
            environment=[_word(each, dollar="$") for each in _environment()],
            local=any(host.name.startswith("@") for host in site.hosts),
            # -: the launcher makes what is missing, and needs these mounted nevertheless.
            writable=[_word(f"-{path}", dollar="$") for path in _writable(site)],
        ),
        render("schedule/drift.timer.j2", site=_literal(inventory.stem), on_calendar=on_calendar),
    )
    return dict(zip((launcher, service, timer), texts, strict=True))


def next_times(on_calendar: str) -> list[time]:
    """The times of day at which a calendar expression elapses next.

    Raises OperatorError where it is no such expression, or never elapses.
    """
    if shutil.which("systemd-analyze") is None:
        raise OperatorError("systemd-analyze is missing: a schedule needs a machine with systemd")
    argv = ["systemd-analyze", "calendar", f"--iterations={LOOKED_AHEAD}", "--", on_calendar]
    asked = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if asked.returncode or not on_calendar.isprintable():
        raise OperatorError(
            f"--on-calendar {on_calendar!r} is no calendar expression of systemd "
            f"({asked.stderr.strip() or 'it has more than one line'}); "
            'write for example "*-*-* 03:00" or "Mon..Fri 03:00", see systemd.time(7)'
        )
    found = re.findall(
        r"^ *(?:Next elapse|Iter\. #\d+): \S+ \S+ (\d\d:\d\d:\d\d)", asked.stdout, re.M
    )
    if not found:
        raise OperatorError(f"--on-calendar {on_calendar!r} lies in the past: it never comes")
    return [time.fromisoformat(one) for one in found]


def _refuse_secrets_of_the_environment(inventory: Path) -> None:
    for variable, secret in SECRET_VARIABLES.items():
        if os.environ.get(variable):
            raise OperatorError(
                f"{variable} is set in this shell, and the service will not see it; write it as "
                f"{secret} into {secrets_path(inventory)}, unset it, and schedule again"
            )


def _require_systemd(places: Places) -> None:
    if not Path("/run/systemd/system").is_dir():
        raise OperatorError("this machine is not run by systemd, so it has no timers")
    argv = places.systemctl("show-environment")
    asked = subprocess.run(argv, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise OperatorError(
            f"systemd does not answer {user_name()} ({asked.stderr.strip()}); log in as that "
            "user, not by su or sudo, or schedule as root (on Debian the package libpam-systemd "
            "gives each user a systemd of their own)"
        )


def _environment() -> Iterator[str]:
    for name in KEPT_VARIABLES:
        if value := os.environ.get(name):
            yield f"{name}={_without_venv(value) if name == 'PATH' else value}"
    yield "PYINFRA_PROGRESS=off"


def _without_venv(path: str) -> str:
    """A new environment is not to be made by the Python of the old one."""
    inside = str(CHECKOUT / ".venv")
    return ":".join(one for one in path.split(":") if not one.startswith(inside))


def _writable(site: Site) -> Iterator[Path]:
    """The only folders that a run writes to."""
    yield drift.folder(site.path)
    yield site.path.resolve().parent  # the lock; and a certificate that is due, in the secrets
    yield CACHE
    metrics = drift_metrics.directory(site.settings.drift.metrics_directory)
    if metrics is not None:
        yield metrics.resolve()


def _literal(text: str) -> str:
    """``text`` where a unit file takes the rest of the line."""
    return text.replace("%", "%%")


def _word(text: str, dollar: str = "$$") -> str:
    """``text`` as one word of a unit file; ``$`` means something in command lines only."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", dollar)}"'


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OperatorError(f"{shlex.join(argv)} failed: {done.stderr.strip()}")
    return done.stdout


def _say_installed(name: str, inventory: Path, places: Places) -> None:
    user = [] if places.system else ["--user"]
    shown = _run(places.systemctl("list-timers", "--no-pager", "--no-legend", f"{name}.timer"))
    click.echo(f"{name}.timer is installed; next: {' '.join(shown.split()[:4])}")
    click.echo(f"Try it now:  {shlex.join(places.systemctl('start', f'{name}.service'))}")
    click.echo(f"See it:      {shlex.join(['journalctl', *user, '-u', f'{name}.service'])}")
    click.echo(f"History:     mattermost-host drift {inventory} --history")
    click.echo(f"Remove it:   mattermost-host schedule {inventory} --remove")
    if not places.system and not _lingers():
        click.echo(
            "Your timers stop when you log out. To keep them: "
            f"sudo loginctl enable-linger {user_name()}"
        )


def _lingers() -> bool:
    argv = ["loginctl", "show-user", user_name(), "-p", "Linger", "--value"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "yes"
