"""Certificates by ACME: a placeholder until the first one is there, then what the client was given.

Whether there is something to do is read off the certificate that the client keeps on the host: its
names, its time, the authority it came from. A timer of the client renews it.
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
    """Where the proxy reads its pair, and the script that puts the client's there."""

    certificate: str
    key: str
    hook: str


@dataclass(frozen=True)
class Client:
    """A program that gets and renews certificates, as it keeps them on a host."""

    name: str
    live: str
    """Folder with fullchain.pem and privkey.pem, which only root may write."""
    directory: str
    """Shell that prints ``directory=`` and the address the certificate came from."""
    unit_file: str
    unread: str
    """Shell that succeeds where systemd has not read ``unit_file``."""
    timer: str
    """The unit that renews in time."""
    command: Callable[["Order", Served], str] = field(repr=False)
    """Shell that asks for a certificate now, puts it where it is served, or fails."""
    files_of_timer: tuple[str, ...] = ()
    """Where they are ours."""
    remains: tuple[str, ...] = ()
    """To be removed before the next order, where the client knows its certificate no longer."""


@dataclass(frozen=True)
class Order:
    """What the client is asked for."""

    server_name: str
    directory: str
    """URL of the authority's ACME directory."""
    webroot: str
    email: str | None = None
    authorities: str | None = None
    """File on the host with the certificates that the ACME server itself is verified with."""


@dataclass(frozen=True)
class CertificateState:
    """What stands on the host."""

    fits: bool = False
    """Certificate and key are where the proxy reads them, belong together, have their modes."""
    installed: bool = False
    """They are the client's."""
    issued: x509.Certificate | None = None
    """The certificate that the client keeps."""
    directory: str = ""
    """Where the client had it from."""
    unread: bool = False
    """systemd has not read the client's unit file, and does not say so."""


@dataclass(frozen=True)
class AskCertificate(Question["CertificateState"]):
    """The pair that the proxy reads, and the client's."""

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
    """Keep a pair where the proxy reads it: the client's where there is one, else a placeholder."""
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
    """Write a self-signed pair, each file in one step; the key travels by standard input."""
    pair = new_placeholder(server_name, datetime.now(UTC))
    texts = (pair.key.get_secret_value(), pair.certificate)
    script = ["set -eu", "umask 077"]
    for path, mode in ((served.key, 600), (served.certificate, 644)):
        aside = f"{path}.mattermost-host~"
        # printf is the shell's own, so nothing of this shows in the list of processes.
        script.append(f'read -r text; printf %s "$text" | base64 -d > {aside}')
        script.append(f"chmod {mode} {aside}; chown root:root {aside}; mv -fT {aside} {path}")
    stdin = [base64.b64encode(text.encode()).decode() for text in texts]
    return StringCommand("\n".join(script), _stdin=stdin)


def issued(name: str, client: Client, served: Served, order: Order) -> OperationMeta:
    """Keep a certificate for the order's name, from its authority, with time left.

    The proxy must be answering on port 80 by now.
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
    """What is not right with the certificate that the client keeps."""
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
    """Whether less than a quarter of its life is left: clients renew it when it is a third.

    Until then it is the timer's: a run must not find a difference at each of its renewals.
    """
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return end - now < (end - begin) / 4
