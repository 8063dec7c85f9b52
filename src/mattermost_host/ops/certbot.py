"""The distribution's certbot: its files, and how it orders a certificate."""

import shlex
from collections.abc import Iterator

from mattermost_host.certificates.authority import canonical
from mattermost_host.knowledge.families import Certbot
from mattermost_host.ops.acme import Client, Order, Served
from mattermost_host.ops.entries import Absent, Directory, File
from mattermost_host.support.templates import render

LINEAGE = "mattermost-host"
"""certbot's name for the certificate; it stays the same if the site's name changes."""
LIVE = f"/etc/letsencrypt/live/{LINEAGE}"
RENEWAL = f"/etc/letsencrypt/renewal/{LINEAGE}.conf"
LOG = "/var/log/letsencrypt/letsencrypt.log"
"""certbot's log of its last run."""
BAD_NONCE = "urn:ietf:params:acme:error:badNonce"
REMAINS = (LIVE, f"/etc/letsencrypt/archive/{LINEAGE}", RENEWAL)
"""All of certbot's files for a certificate. If one is missing, certbot refuses to continue."""
OF_UNIT = "mattermost-host.conf"


def client(certbot: Certbot) -> Client:
    """certbot on a host. It has a drop-in only for a private authority."""
    drop_in, known = _drop_in(certbot), f"systemctl show -p DropInPaths {certbot.service}"
    return Client(
        name="certbot",
        live=LIVE,
        directory=f"sed -n 's/^server *= */directory=/p' {RENEWAL}",
        unit_file=drop_in,
        unread=f"[ -e {drop_in} ] && ! {known} | grep -qF {drop_in}",
        timer=certbot.timer,
        command=_command,
        remains=REMAINS,
    )


def _drop_in(certbot: Certbot) -> str:
    return f"/etc/systemd/system/{certbot.service}.d/{OF_UNIT}"


def entries(certbot: Certbot, order: Order) -> Iterator[Directory | File | Absent]:
    """The drop-in that makes its unit trust a private ACME server's authorities."""
    drop_in = _drop_in(certbot)
    if order.authorities:
        yield Directory(drop_in.rpartition("/")[0])
        yield File(drop_in, render("tls/certbot.conf.j2", authorities=order.authorities))
    else:
        yield Absent(drop_in)


def nothing(certbot: Certbot) -> Iterator[Absent]:
    """Entries that remove our certificate and key; certbot, which may have other uses, stays."""
    return map(Absent, (*REMAINS, _drop_in(certbot)))


def _command(order: Order, served: Served) -> str:
    """Shell command that orders a certificate now. certbot saves the options for renewals."""
    account = f"--email {shlex.quote(order.email)}" if order.email else ""
    trust = f"REQUESTS_CA_BUNDLE={order.authorities} " if order.authorities else ""
    directory, name = shlex.quote(order.directory), shlex.quote(canonical(order.server_name))
    return f"""order() {{
  {trust}certbot certonly --non-interactive --agree-tos --no-eff-email \\
    {account or "--register-unsafely-without-email"} --server {directory} \\
    --cert-name {LINEAGE} --domain {name} --renew-with-new-domains --force-renewal \\
    --key-type ecdsa --webroot --webroot-path {order.webroot} --deploy-hook {served.hook}
}}
# An ACME server may refuse any request's nonce; certbot retries once and then crashes.
order || {{ grep -qs {BAD_NONCE} {LOG} && order; }} || {{
  echo {directory} gave no certificate for {name}, see above. >&2
  echo It must reach this host at http://{name}/, port 80: check the DNS record and firewalls. >&2
  exit 1
}}"""
