"""Which servers of others can't be adopted at all, each with its sentence."""

from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge import platforms, releases
from mattermost_host.ops.foreign import Foreign
from mattermost_host.releases.choice import VERSION
from mattermost_host.support.errors import OperatorError

OLDEST = (5, 37)
"""The oldest release whose settings are known."""


def refuse_system(facts: HostFacts) -> None:
    """Raise OperatorError for a system on which no server can be adopted."""
    row = platforms.find_nearest(facts.distribution, facts.release)
    refusal = platforms.refusal(facts.distribution, facts.release)
    if refusal or row is None:
        system = f"{facts.distribution or 'an unknown system'} {facts.release}".strip()
        raise OperatorError(f"{system}: {refusal or 'no supported system'}")


def refuse_server(host: str, foreign: Foreign, *, managed: bool) -> None:
    """Raise OperatorError where there is no server that can be adopted."""
    if not foreign.units:
        ours = "; what runs there was set up by this program" if managed else ""
        raise OperatorError(
            f"{host} has no Mattermost that somebody else installed: no unit of systemd runs "
            f"bin/mattermost{ours}"
        )
    if not foreign.unit:
        names = ", ".join(name for name, _, _ in foreign.units)
        raise OperatorError(
            f"the server on {host} does not run ({names}): start it, since much is known only of a "
            "server that runs, and an adopted one is to be what it was"
        )
    if not VERSION.fullmatch(foreign.version):
        raise OperatorError(f"`{foreign.binary} version` on {host} names no release")
    line = releases.numbers(foreign.version)[:2]
    newest = releases.numbers(releases.LINES[0].name)
    if not OLDEST <= line <= newest:
        raise OperatorError(
            f"the server on {host} is release {foreign.version}, and releases from "
            f"{'.'.join(map(str, OLDEST))} to {releases.LINES[0].name} are known: move it to one "
            "of these first, by the vendor's instructions"
        )
    if not foreign.config and not foreign.config_source:
        raise OperatorError(f"the server's config.json on {host} can't be found or understood")
    driver, source = (
        str(foreign.setting(f"SqlSettings.{name}") or "") for name in ("DriverName", "DataSource")
    )
    if driver == "mysql" or "@tcp(" in source or foreign.config_source.startswith("mysql"):
        raise OperatorError(
            f"the server on {host} has its data in MySQL, which releases from 11 on can't use: "
            "move it to PostgreSQL first, by the vendor's instructions, then adopt it"
        )
