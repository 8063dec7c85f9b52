"""The script that puts a client's pair where the proxy reads it, and the test that comes before."""

from mattermost_host.ops.acme import Served
from mattermost_host.ops.what_was_read import STAMPS
from mattermost_host.support.templates import render


def tested(certificate: str, key: str) -> str:
    """Shell that fails where NGINX does not take the pair at these paths below ``$stage``."""
    return render("tls/test-pair.sh.j2", certificate=certificate, key=key)


def in_stage() -> str:
    """The same of a pair that is staged under the names that certbot gives it."""
    return tested("/fullchain.pem", "/privkey.pem")


def hook(served: Served, proxy: str, lives: tuple[str, ...]) -> str:
    """Puts the pair of one of the folders ``lives`` in place, and has the unit ``proxy`` read it.

    It is told the folder as certbot tells its hooks.
    """
    return render(
        "tls/certificate-hook.sh.j2",
        lives=lives,
        tested=in_stage(),
        certificate=served.certificate,
        key=served.key,
        unit=proxy,
        stamps=STAMPS,
    )
