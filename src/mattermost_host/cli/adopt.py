"""The commands ``adopt`` and ``take-over``: a server that somebody else installed."""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from mattermost_host.cli.arguments import INVENTORY, InputFile, OutputFolder
from mattermost_host.cli.init import DEPLOYS, checked, write_folder
from mattermost_host.cli.init import INVENTORY as FILE
from mattermost_host.cli.upgrade import YES
from mattermost_host.engine import each_host
from mattermost_host.engine.connections import all_hosts, connections
from mattermost_host.engine.host_data import PORTS, host_name_mistake
from mattermost_host.engine.inventory import SiteHost
from mattermost_host.engine.inventory_shape import LOCAL
from mattermost_host.facts import reading
from mattermost_host.ops.foreign import flat
from mattermost_host.plan import apply as application
from mattermost_host.preflight.adoption import Look, judge, look
from mattermost_host.preflight.report import Report
from mattermost_host.releases.download import sha256_of
from mattermost_host.releases.tarball import packaged_configuration
from mattermost_host.site import adoption, secrets_file
from mattermost_host.site.adoption import Adopted
from mattermost_host.site.secrets_file import Files, Stored
from mattermost_host.site.site import Site
from mattermost_host.support.addresses import MOST_OF_TARBALL
from mattermost_host.support.atomic_file import locked, write_private, write_public
from mattermost_host.support.errors import OperatorError, SiteError
from mattermost_host.support.paths import PROJECT

PLACE = re.compile(
    r"(?:([\w.][\w.+$-]*)@)?"
    r"(\[[^@\s\]]+\]|[^@\s:]*:[^@\s]*:[^@\s]*|[^@\s:]+)"  # [IPv6], IPv6, any other
    r"(?::([0-9]+))?"
)
LONGEST_PORT = 5
HOW = (
    "; it is not repeated here, because it may hold a password. Write USER@HOST for the user, "
    "HOST:PORT for the port ([ADDRESS]:PORT for IPv6), and no password: adopt logs in with an ssh "
    "key, which ssh-copy-id takes to the host"
)


@click.command()
@click.argument("host")
@click.argument("folder", type=OutputFolder(), required=False)
@click.option(
    "--ssh-config",
    type=InputFile(),
    help="OpenSSH's configuration to log in with, instead of ~/.ssh/config.",
)
@click.option(
    "--release",
    type=InputFile(most=MOST_OF_TARBALL),
    help="Tarball of the server's own release: the inventory states it, and its settings are "
    "compared with those of the server.",
)
def adopt(host: str, folder: Path | None, ssh_config: Path | None, release: Path | None) -> None:
    """Write the inventory of a Mattermost that somebody else installed; change nothing there.

    HOST is a name or address, an alias of ssh's configuration, root@HOST, HOST:PORT, or @local.
    Without FOLDER it is written to a new folder here, under the site's name. Nothing is
    overwritten. The vendor's tarball, package and Omnibus are known. What can't be carried over is
    said, and noted in the inventory; secrets are written to the secrets file only.

    Exit status: 0 the folder is written, 1 it is not.

    Example: mattermost-host adopt root@192.0.2.10
    """
    place = _place(host, ssh_config)
    found = _looked_at(place)
    stated, found = _release(release, found)
    one = adoption.adopted(found)
    here = folder or Path(urlsplit(one.url).hostname or "site")
    _write(here, one, found, place, stated or _official(one))
    report = Report({place.name: tuple(judge(found))})
    report.show(verbose=True)
    for note in one.notes:
        click.echo(f"- {adoption.in_comment(note)}")
    where = "" if here == Path() else f"cd {shlex.quote(str(here))} && "
    click.echo(f"{here / FILE} is written; nothing was changed on {place.name}. Check it.")
    first = "mend the errors above; then " if report.errors else ""
    click.echo(f"Next: {first}{where}mattermost-host take-over {FILE}")


def _place(text: str, config: Path | None) -> SiteHost:
    """The host that ``text`` names, with how to log in."""
    data: dict[str, Any] = {"ssh_config_file": str(config.resolve())} if config else {}
    if text == LOCAL:
        return SiteHost(LOCAL, (), {})
    found = PLACE.fullmatch(text)
    if found is None or host_name_mistake(found[2].strip("[]")):
        shown, how = ("HOST", HOW) if {":", "@"} & set(text) else (ascii(text), "")
        raise click.UsageError(f"{shown} is not the name or address of a host{how}")
    if found[1]:
        data["ssh_user"] = found[1]
    if found[3]:
        data["ssh_port"] = _port(found[3])
    return SiteHost(found[2].strip("[]"), (), data)


def _port(digits: str) -> int:
    if len(digits) > LONGEST_PORT or int(digits) not in PORTS:
        raise click.UsageError("HOST:PORT has no port from 1 to 65535: correct it, or leave it out")
    return int(digits)


def _looked_at(place: SiteHost) -> Look:
    with connections([place], PROJECT / "config.py") as state:
        (host,) = all_hosts(state)

        def asked(_: Any) -> Look:
            if refusal := each_host.connect(host):
                raise OperatorError(f"{place.name} can't be reached: {refusal}")
            return look(host, reading.read(host, ""))

        return each_host.ask([host], asked)[0]


def _release(tarball: Path | None, found: Look) -> tuple[Mapping[str, Any], Look]:
    """What the inventory states of the release, and ``found`` with that release's settings."""
    if tarball is None:
        return {}, found
    stated = {
        "version": found.foreign.version,
        "file": str(tarball.resolve()),
        "sha256": sha256_of(tarball),
    }
    packaged = flat(packaged_configuration(tarball))
    foreign = replace(found.foreign, defaults=found.foreign.defaults or packaged)
    return stated, replace(found, foreign=foreign)


def _official(one: Adopted) -> Mapping[str, Any]:
    edition = {} if one.edition == "enterprise" else {"edition": one.edition}
    return {"version": one.version, **edition}


def _write(
    here: Path, one: Adopted, found: Look, place: SiteHost, release: Mapping[str, Any]
) -> None:
    name = Path(FILE).stem
    # The files of the certificate are not there yet.
    _check(adoption.inventory(replace(one, tls=""), found, place, release, name))
    text = adoption.inventory(one, found, place, release, name)
    write_folder(here, text, {**DEPLOYS, "take_over.py": "Moves the server over."})
    stored = Stored(settings=dict(one.secrets), database_password=one.database_password)
    with locked(secrets_file.secrets_path(here / FILE)):
        secrets_file.write(here / FILE, Files(stored))
    if one.key is not None:
        write_public(here / f"{name}.certificate.pem", one.certificate)
        write_private(here / f"{name}.key.pem", one.key.get_secret_value())


def _check(text: str) -> None:
    """Raises SiteError with the mistakes of the inventory, but for the release's digest."""
    try:
        checked(text)
    except SiteError as error:
        left = [one for one in error.mistakes if not one.path.startswith("mattermost.release")]
        if left:
            raise SiteError(error.source, left) from None


@click.command("take-over")
@INVENTORY
@YES
def take_over(inventory: Path, yes: bool) -> None:
    """Move a Mattermost that somebody else installed on the host over to the site.

    The same release serves from its new place, with its database, files, settings, salts and
    secrets, and what the old one had is kept; or the old one serves again. Users wait meanwhile;
    how long is printed. One that was cut off is brought to its end, or back. Then the site is
    deployed and verified.

    Exit status: 0 it serves and all checks passed, 1 not; the last lines say which one serves.

    Example: mattermost-host take-over inventory.py
    """
    sys.exit(application.take_over(Site.use(inventory), ask=not yes))
