"""lego for the site's certificate: our account, unit and timer, and root's copy.

lego runs as an account that can write to its own folder and that of the challenges. The same
account reads the certificate from there for root's copy, so that root opens nothing in that folder.
"""

import shlex
from collections.abc import Iterator

from mattermost_host.certificates.authority import canonical
from mattermost_host.ops.acme import Client, Order, Served
from mattermost_host.ops.entries import Alone, Directory, Entry, File
from mattermost_host.ops.lego_program import FOLDER, NOTE, PROGRAM
from mattermost_host.ops.served_pair import in_stage
from mattermost_host.support.templates import render

USER = "mattermost-acme"
STATE = "/var/lib/mattermost-host/lego"
"""lego's own folder: ACME accounts with their keys, and certificates."""
LIVE = "/var/lib/mattermost-host/certificate"
"""Root's copy of the pair, and the directory that it came from."""
ORDER = f"{FOLDER}/order-certificate"
TAKE = f"{FOLDER}/take-certificate"
SERVICE = "mattermost-certificate.service"
TIMER = "mattermost-certificate.timer"
UNITS = "/etc/systemd/system"
SERVICE_FILE, TIMER_FILE = f"{UNITS}/{SERVICE}", f"{UNITS}/{TIMER}"
FILES_OF_TIMER = (TIMER_FILE, f"{TIMER_FILE}.d")
OURS = (SERVICE_FILE, f"{SERVICE_FILE}.d", *FILES_OF_TIMER, FOLDER, STATE, LIVE)


def entries(order: Order, served: Served) -> Iterator[Entry]:
    """Its folders, scripts and units."""
    yield Directory(STATE, "700", USER, USER)
    yield Directory(order.webroot, "755", USER, USER)
    yield Directory(LIVE, "700")
    yield Directory(FOLDER)
    yield Alone(FOLDER, tuple(one.rpartition("/")[2] for one in (PROGRAM, NOTE, ORDER, TAKE)))
    yield from _scripts(order, served)
    service = render(
        "tls/certificate.service.j2",
        user=USER,
        state=STATE,
        webroot=order.webroot,
        authorities=order.authorities,
        order=ORDER,
        take=TAKE,
    )
    yield File(SERVICE_FILE, service)
    yield Alone(f"{SERVICE_FILE}.d")
    yield File(TIMER_FILE, render("tls/certificate.timer.j2", service=SERVICE))
    yield Alone(f"{TIMER_FILE}.d")


def _scripts(order: Order, served: Served) -> Iterator[File]:
    name = canonical(order.server_name)
    account = f"--email {shlex.quote(order.email)} " if order.email else ""
    words = f"{name} {order.directory} {order.email or ''}"
    ordering = render(
        "tls/order-certificate.sh.j2",
        program=PROGRAM,
        state=STATE,
        name=shlex.quote(name),
        words=shlex.quote(words.strip()),
        server=shlex.quote(order.directory),
        webroot=order.webroot,
        account=account,
    )
    yield File(ORDER, ordering, mode="755")
    taking = render(
        "tls/take-certificate.sh.j2",
        user=USER,
        state=STATE,
        name=shlex.quote(name),
        server=shlex.quote(order.directory),
        live=LIVE,
        served=served,
        tested=in_stage(),
    )
    yield File(TAKE, taking, mode="755")


def _command(order: Order, _: Served) -> str:
    """Shell command: the renewing unit orders a certificate, or copies the one that lego has."""
    directory, name = shlex.quote(order.directory), shlex.quote(canonical(order.server_name))
    return f"""systemctl reset-failed {SERVICE} 2>/dev/null || true
systemctl start {SERVICE} || {{
  journalctl -u {SERVICE} -n 30 -o cat --no-pager >&2
  echo {directory} gave no certificate for {name}, see above. >&2
  echo It must reach this host at http://{name}/, port 80: check the DNS record and firewalls. >&2
  exit 1
}}"""


CLIENT = Client(
    name="lego",
    live=LIVE,
    directory=f"sed 's/^/directory=/' {LIVE}/directory",
    unit_file=SERVICE_FILE,
    unread=f"systemctl show -p NeedDaemonReload {SERVICE} | grep -q yes",
    timer=TIMER,
    command=_command,
    files_of_timer=FILES_OF_TIMER,
)
