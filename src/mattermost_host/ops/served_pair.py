"""The script that installs a client's pair for the proxy, and the test before that."""

from mattermost_host.ops.acme import Served
from mattermost_host.ops.what_was_read import STAMPS
from mattermost_host.support.templates import render


def tested(certificate: str, key: str) -> str:
    """Shell command that fails if NGINX refuses the pair at these paths below ``$stage``."""
    return render("tls/test-pair.sh.j2", certificate=certificate, key=key)


def in_stage() -> str:
    """The same for a pair that is staged under certbot's file names."""
    return tested("/fullchain.pem", "/privkey.pem")


def hook(served: Served, proxy: str, lives: tuple[str, ...]) -> str:
    """A script that installs the pair from one of ``lives`` and reloads the unit ``proxy``.

    It gets the folder in the variable that certbot sets for its hooks.
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
