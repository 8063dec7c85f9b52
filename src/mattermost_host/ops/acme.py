"""Certificates by ACME: a placeholder until the first one is there, then what certbot was given.

Whether there is something to do is read off the certificate that certbot keeps on the host: its
names, its time, the authority it came from. certbot's own timer renews it.
"""

import base64
import shlex
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.certificates.authority import (
    canonical,
    names_of,
    needs_renewal,
    new_placeholder,
)
from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain, foretell
from mattermost_host.engine.questions import ask, changing, expect

LINEAGE = "mattermost-host"
"""certbot's name for the certificate; it stays when the site changes its name."""
LIVE = f"/etc/letsencrypt/live/{LINEAGE}"
RENEWAL = f"/etc/letsencrypt/renewal/{LINEAGE}.conf"
LOG = "/var/log/letsencrypt/letsencrypt.log"
"""certbot's log of its last run."""
BAD_NONCE = "urn:ietf:params:acme:error:badNonce"
REMAINS = (LIVE, f"/etc/letsencrypt/archive/{LINEAGE}", RENEWAL)
"""All that certbot keeps of a certificate. With one of them gone it refuses to go on."""


@dataclass(frozen=True)
class Place:
    """Where the proxy reads its pair, and the script that puts certbot's there."""

    certificate: str
    key: str
    hook: str
    drop_in: str
    """Of ``service``; there only for a private authority."""
    service: str
    """The unit that renews."""


@dataclass(frozen=True)
class Order:
    """What certbot is asked for."""

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
    """They are certbot's."""
    issued: x509.Certificate | None = None
    """The certificate that certbot keeps."""
    directory: str = ""
    """Where certbot had it from."""
    unread_drop_in: bool = False
    """systemd has not read the drop-in yet, and does not say so."""


@dataclass(frozen=True)
class AskCertificate(Question["CertificateState"]):
    """The pair that the proxy reads, and certbot's."""

    about = "the certificate"

    place: Place

    def script(self) -> str:
        certificate, key, drop_in = self.place.certificate, self.place.key, self.place.drop_in
        service = self.place.service
        return f"""
[ "$(stat -c %a:%U {certificate} {key} | xargs)" = "644:root 600:root" ] &&
  public=$(openssl x509 -in {certificate} -noout -pubkey) &&
  [ "$public" = "$(openssl pkey -in {key} -pubout)" ] && echo fits
cmp -s {LIVE}/fullchain.pem {certificate} && cmp -s {LIVE}/privkey.pem {key} && echo installed
sed -n 's/^server *= */directory=/p' {RENEWAL}
[ -e {drop_in} ] && ! systemctl show -p DropInPaths {service} | grep -qF {drop_in} &&
  echo unread
cat {LIVE}/cert.pem"""

    def parse(self, lines: list[str]) -> CertificateState:
        values = dict(line.split("=", 1) for line in lines if line.startswith("directory="))
        return CertificateState(
            fits="fits" in lines,
            installed="installed" in lines,
            issued=_certificate_in("\n".join(lines)),
            directory=values.get("directory", ""),
            unread_drop_in="unread" in lines,
        )


def _certificate_in(text: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return None


def standing(name: str, place: Place, server_name: str) -> OperationMeta:
    """Keep a pair where the proxy reads it: certbot's where there is one, else a placeholder."""
    expect(AskCertificate(place))
    return _standing(name=name, place=place, server_name=server_name)


@operation()
def _standing(place: Place, server_name: str) -> Generator[StringCommand, None, None]:
    now: CertificateState = ask(AskCertificate(place))
    if not now.fits or (now.issued is not None and not now.installed):
        foretell({place.certificate: "new", place.key: "new"})
    if now.issued is not None and not (now.installed and now.fits):
        explain(Change(place.certificate, "and its key are not certbot's", severity="critical"))
        yield from changing(StringCommand(f"RENEWED_LINEAGE={LIVE} {place.hook}"))
    elif not now.fits:
        explain(Change(place.certificate, "and its key are missing", severity="critical"))
        yield from changing(_put_placeholder(place, server_name))
    else:
        host.noop("certificate and key are in place")


def _put_placeholder(place: Place, server_name: str) -> StringCommand:
    """Write a self-signed pair, each file in one step; the key travels by standard input."""
    pair = new_placeholder(server_name, datetime.now(UTC))
    texts = (pair.key.get_secret_value(), pair.certificate)
    script = ["set -eu", "umask 077"]
    for path, mode in ((place.key, 600), (place.certificate, 644)):
        aside = f"{path}.mattermost-host~"
        # printf is the shell's own, so nothing of this shows in the list of processes.
        script.append(f'read -r text; printf %s "$text" | base64 -d > {aside}')
        script.append(f"chmod {mode} {aside}; chown root:root {aside}; mv -fT {aside} {path}")
    stdin = [base64.b64encode(text.encode()).decode() for text in texts]
    return StringCommand("\n".join(script), _stdin=stdin)


def issued(name: str, place: Place, order: Order) -> OperationMeta:
    """Keep a certificate for the order's name, from its authority, with a third of its life left.

    The proxy must be answering on port 80 by now.
    """
    expect(AskCertificate(place))
    return _issued(name=name, place=place, order=order)


@operation()
def _issued(place: Place, order: Order) -> Generator[StringCommand, None, None]:
    now: CertificateState = ask(AskCertificate(place))
    steps = ["systemctl daemon-reload"] if now.unread_drop_in else []
    wrong = list(_wrong(now, order))
    if wrong:
        if not now.directory:
            steps.append(f"rm -rf {' '.join(REMAINS)}")
        steps.append(_certbot(place, order))
    if not steps:
        host.noop("the certificate is the authority's and not due for renewal")
        return
    explain(
        *([Change(place.drop_in, "was not read by systemd")] if now.unread_drop_in else ()),
        *(Change("certbot's certificate", found, "reload") for found in wrong),
    )
    yield from changing(StringCommand("\n".join(["set -eu", *steps])))


def _wrong(now: CertificateState, order: Order) -> Iterator[str]:
    """What is not right with the certificate that certbot keeps."""
    if now.issued is None:
        yield "is missing"
        return
    if names_of(now.issued) != {canonical(order.server_name)}:
        yield f"is not for {order.server_name}"
    if needs_renewal(now.issued, datetime.now(UTC)):
        yield "is due for renewal"
    if now.directory != order.directory:
        yield f"does not come from {order.directory}"


def _certbot(place: Place, order: Order) -> str:
    """Ask for a certificate now. certbot keeps the choices and renews with them."""
    account = f"--email {shlex.quote(order.email)}" if order.email else ""
    trust = f"REQUESTS_CA_BUNDLE={order.authorities} " if order.authorities else ""
    directory, name = shlex.quote(order.directory), shlex.quote(canonical(order.server_name))
    return f"""order() {{
  {trust}certbot certonly --non-interactive --agree-tos --no-eff-email \\
    {account or "--register-unsafely-without-email"} --server {directory} \\
    --cert-name {LINEAGE} --domain {name} --renew-with-new-domains --force-renewal \\
    --key-type ecdsa --webroot --webroot-path {order.webroot} --deploy-hook {place.hook}
}}
# An ACME server may refuse any request for its nonce; certbot asks twice, and then breaks down.
order || {{ grep -qs {BAD_NONCE} {LOG} && order; }} || {{
  echo {directory} gave no certificate for {name}, see above. >&2
  echo It must reach this host at http://{name}/, port 80: see to the name and to firewalls. >&2
  exit 1
}}
cmp {LIVE}/fullchain.pem {place.certificate}"""
