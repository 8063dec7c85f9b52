"""Certificates by ACME: a placeholder until the first one is issued, then the client's.

The client's certificate on the host shows whether one has to be ordered: its names, its expiry, the
authority that issued it. The client's own timer renews it.
"""

import base64
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.certificates.authority import (
    canonical,
    names_of,
    new_placeholder,
)
from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain, foretell
from mattermost_host.engine.questions import ask, changing, expect


@dataclass(frozen=True)
class Served:
    """Paths of the pair that the proxy reads, and of the script that installs the client's."""

    certificate: str
    key: str
    hook: str


@dataclass(frozen=True)
class Client:
    """An ACME client on a host: its files, and commands about them."""

    name: str
    live: str
    """Folder with fullchain.pem and privkey.pem, which only root can write to."""
    directory: str
    """Shell command that prints ``directory=`` and the ACME directory of the certificate."""
    unit_file: str
    unread: str
    """Shell command that succeeds if systemd has not read ``unit_file``."""
    timer: str
    """The unit that renews the certificate."""
    command: Callable[["Order", Served], str] = field(repr=False)
    """Shell command that orders a certificate now and installs it."""
    files_of_timer: tuple[str, ...] = ()
    """Where they are ours."""
    remains: tuple[str, ...] = ()
    """To remove before the next order, if the client does not know the certificate any more."""


@dataclass(frozen=True)
class Order:
    """What certificate the client should get."""

    server_name: str
    directory: str
    """URL of the authority's ACME directory."""
    webroot: str
    email: str | None = None
    authorities: str | None = None
    """File on the host with the CA certificates that verify the ACME server itself."""


@dataclass(frozen=True)
class CertificateState:
    """The certificates on the host."""

    fits: bool = False
    """The proxy's certificate and key exist, match each other, and have the right modes."""
    installed: bool = False
    """They are copies of the client's."""
    issued: x509.Certificate | None = None
    """The client's certificate (PEM)."""
    directory: str = ""
    """The ACME directory that the client got it from."""
    unread: bool = False
    """systemd has not read the client's unit file, which its own flag does not show."""


@dataclass(frozen=True)
class AskCertificate(Question["CertificateState"]):
    """The proxy's pair and the client's certificate."""

    about = "the certificate"

    client: Client
    served: Served

    def script(self) -> str:
        certificate, key, live = self.served.certificate, self.served.key, self.client.live
        return f"""
[ "$(stat -c %a:%U {certificate} {key} | xargs)" = "644:root 600:root" ] &&
  public=$(openssl x509 -in {certificate} -noout -pubkey) &&
  [ "$public" = "$(openssl pkey -in {key} -pubout)" ] && echo fits
cmp -s {live}/fullchain.pem {certificate} && cmp -s {live}/privkey.pem {key} && echo installed
{self.client.directory}
{self.client.unread} && echo unread
cat {live}/fullchain.pem"""

    def parse(self, lines: list[str]) -> CertificateState:
        values = dict(line.split("=", 1) for line in lines if line.startswith("directory="))
        return CertificateState(
            fits="fits" in lines,
            installed="installed" in lines,
            issued=_certificate_in("\n".join(lines)),
            directory=values.get("directory", ""),
            unread="unread" in lines,
        )


def _certificate_in(text: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return None


def standing(name: str, client: Client, served: Served, server_name: str) -> OperationMeta:
    """Keep a pair where the proxy reads it: the client's if there is one, else a placeholder."""
    expect(AskCertificate(client, served))
    return _standing(name=name, client=client, served=served, server_name=server_name)


@operation()
def _standing(
    client: Client, served: Served, server_name: str
) -> Generator[StringCommand, None, None]:
    now: CertificateState = ask(AskCertificate(client, served))
    if not now.fits or (now.issued is not None and not now.installed):
        foretell({served.certificate: "new", served.key: "new"})
    if now.issued is not None and not (now.installed and now.fits):
        found = f"and its key are not {client.name}'s"
        explain(Change(served.certificate, found, severity="critical"))
        yield from changing(StringCommand(f"RENEWED_LINEAGE={client.live} {served.hook}"))
    elif not now.fits:
        explain(Change(served.certificate, "and its key are missing", severity="critical"))
        yield from changing(_put_placeholder(served, server_name))
    else:
        host.noop("certificate and key are in place")


def _put_placeholder(served: Served, server_name: str) -> StringCommand:
    """Write a self-signed pair, each file atomically; the key is sent on standard input."""
    pair = new_placeholder(server_name, datetime.now(UTC))
    texts = (pair.key.get_secret_value(), pair.certificate)
    script = ["set -eu", "umask 077"]
    for path, mode in ((served.key, 600), (served.certificate, 644)):
        aside = f"{path}.mattermost-host~"
        # printf is a shell builtin, so the key does not show up in the list of processes.
        script.append(f'read -r text; printf %s "$text" | base64 -d > {aside}')
        script.append(f"chmod {mode} {aside}; chown root:root {aside}; mv -fT {aside} {path}")
    stdin = [base64.b64encode(text.encode()).decode() for text in texts]
    return StringCommand("\n".join(script), _stdin=stdin)


def issued(name: str, client: Client, served: Served, order: Order) -> OperationMeta:
    """Keep a valid certificate for the order's name from its authority.

    The proxy must already answer on port 80.
    """
    expect(AskCertificate(client, served))
    return _issued(name=name, client=client, served=served, order=order)


@operation()
def _issued(client: Client, served: Served, order: Order) -> Generator[StringCommand, None, None]:
    now: CertificateState = ask(AskCertificate(client, served))
    steps = ["systemctl daemon-reload"] if now.unread else []
    wrong = list(_wrong(now, order))
    if wrong:
        if client.remains and not now.directory:
            steps.append(f"rm -rf {' '.join(client.remains)}")
        steps.append(client.command(order, served))
        steps.append(f"cmp {client.live}/fullchain.pem {served.certificate}")
    if not steps:
        host.noop("the certificate is the authority's and has time left")
        return
    explain(
        *([Change(client.unit_file, "was not read by systemd")] if now.unread else ()),
        *(Change(f"{client.name}'s certificate", found, "reload") for found in wrong),
    )
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def _wrong(now: CertificateState, order: Order) -> Iterator[str]:
    """What is wrong with the client's certificate, as predicates of sentences."""
    if now.issued is None:
        yield "is missing"
        return
    if names_of(now.issued) != {canonical(order.server_name)}:
        yield f"is not for {order.server_name}"
    if _is_overdue(now.issued, datetime.now(UTC)):
        yield "should have been renewed by now"
    if now.directory != order.directory:
        yield f"does not come from {order.directory}"


def _is_overdue(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether less than a quarter of its lifetime is left.

    Clients renew at a third; until a quarter, renewal is left to their timer, so that a run does
    not report a difference each time one is due.
    """
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now < (end - begin) / 4
