"""init: write a folder from which a new site is deployed."""

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from mattermost_host.cli.arguments import OutputFolder
from mattermost_host.knowledge import releases
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError, SiteError
from mattermost_host.support.paths import PROJECT
from mattermost_host.support.templates import render

INVENTORY = "inventory.py"
DEPLOYS = {
    "site.py": "Deploys the whole site.",
    "preflight.py": "Checks the hosts and changes nothing.",
}
IGNORED = "*.secrets.toml\n*.lock\n*.pem\n__pycache__/\n"
USERS = 200


@click.command()
@click.argument("url")
@click.argument("folder", type=OutputFolder(), required=False)
@click.option("--host", "hosts", multiple=True, help="Name or address of the host; repeatable.")
@click.option("--users", default=USERS, show_default=True, help="People who will have an account.")
def init(url: str, folder: Path | None, hosts: tuple[str, ...], users: int) -> None:
    """Write a folder with an inventory, from which the site is deployed.

    Without FOLDER it is made here, under the site's name. Nothing is overwritten. Without --host
    the site is deployed to the host of its own name.

    Exit status: 0 the folder is written, 1 it is not.

    Example: mattermost-host init https://chat.example.com --host 192.0.2.10 --users 500
    """
    _refuse_twice(hosts)
    name = _name(url)
    here = folder or Path(name or "site")
    # A wrong URL is one mistake, not two.
    write(here, url, users, hosts or (name or "localhost",))
    where = "" if here == Path() else f"cd {shlex.quote(str(here))} && "
    click.echo(f"{here / INVENTORY} is written. Check in it how to log in to the host.")
    click.echo(f"Next: {where}mattermost-host preflight {INVENTORY}")
    click.echo(f"Then: {where}pyinfra {INVENTORY} deploys/site.py")


def _refuse_twice(hosts: Sequence[str]) -> None:
    """Raise UsageError if two of the names are one host's, as DNS compares them."""
    seen: dict[str, str] = {}
    for host in hosts:
        plain = host.lower().rstrip(".")
        if plain in seen:
            both = f"{seen[plain]!a} and {host!a}"
            raise click.UsageError(f"--host {both} are the same host; leave one of them out")
        seen[plain] = host


def _name(url: str) -> str:
    """The host's name in ``url``; empty if there is none, which the checks report."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def write(folder: Path, url: str, users: int, hosts: Sequence[str]) -> None:
    """Write the folder. Raises OperatorError if a value is wrong, or files exist already."""
    text = render(
        "init/inventory.py.j2", url=url, users=users, hosts=hosts, version=releases.default()
    )
    checked(text)
    write_folder(folder, text, DEPLOYS)


def write_folder(folder: Path, text: str, deploys: Mapping[str, str]) -> None:
    """Write a site's folder with the inventory ``text``. Raises OperatorError.

    ``deploys`` are the names of its deploys, each with its purpose.
    """
    present = [name for name in (INVENTORY, "config.py", "deploys") if (folder / name).exists()]
    if present:
        raise OperatorError(
            f"{folder} already has {', '.join(present)}, and nothing is overwritten; "
            "name another folder, or move them away"
        )
    files = {INVENTORY: text, "config.py": (PROJECT / "config.py").read_text(encoding="utf-8")}
    for name, purpose in deploys.items():
        files[f"deploys/{name}"] = render("init/deploy.py.j2", name=name, purpose=purpose)
    if not (folder / ".gitignore").exists():
        files[".gitignore"] = IGNORED
    try:
        for name, content in files.items():
            _write_file(folder / name, content)
    except OSError as error:
        raise OperatorError(f"{error.filename} can't be written: {error.strerror}") from None


def checked(text: str) -> str:
    """The text of a new inventory. Raises SiteError with every mistake that it would have."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, INVENTORY)
        path.write_text(text, encoding="utf-8")
        try:
            Site.described(path)
        except SiteError as error:
            raise SiteError("the new inventory", error.mistakes) from None
    return text


def _write_file(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
