"""The site's certificate: from its own authority, from files, or by ACME."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pyinfra.api import deploy as component
from pyinfra.api.operation import OperationMeta

from mattermost_host.certificates.authority import Pair
from mattermost_host.certificates.check import check_files
from mattermost_host.certificates.pem import check_authorities, pem_blocks
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED, Place
from mattermost_host.knowledge.families import Family
from mattermost_host.knowledge.names import is_public
from mattermost_host.knowledge.surface import SecretFile, Surface, Unit, Wanted
from mattermost_host.knowledge.texts import STRICT, HttpsUrl, Line, MailAddress
from mattermost_host.ops import (
    account,
    acme,
    certbot,
    files,
    lego,
    lego_program,
    packages,
    remains,
    running,
    served_pair,
)
from mattermost_host.ops.acme import Order, Served
from mattermost_host.ops.acme_client import LIVES, chosen, is_lego
from mattermost_host.ops.entries import Absent, Directory, Entry, File
from mattermost_host.ops.files import Check
from mattermost_host.preflight import certificate
from mattermost_host.preflight.finding import Requirement
from mattermost_host.releases import lego as lego_release
from mattermost_host.releases.lego import LegoSettings, LegoTarball
from mattermost_host.support.addresses import without_secrets
from mattermost_host.support.errors import Mistake

FOLDER = "/etc/mattermost-host/tls"
CERTIFICATE = f"{FOLDER}/fullchain.pem"
KEY = f"{FOLDER}/privkey.pem"
ACME_AUTHORITIES = f"{FOLDER}/acme-authorities.pem"
STATE = "/var/lib/mattermost-host"
CHALLENGES = f"{STATE}/acme"
PROGRAMS = "/usr/local/lib/mattermost-host"
HOOK = f"{PROGRAMS}/certificate-hook"
SERVED = Served(CERTIFICATE, KEY, HOOK)
PROXY = "nginx.service"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
PURPOSE = "site"
"""Name of the site's certificate among those of its authority."""


class Settings(BaseModel):
    """Where the site's certificate comes from."""

    model_config = STRICT

    mode: Literal["internal-ca", "files", "acme"] = Field(
        default="internal-ca",
        description=(
            "`internal-ca`: from an authority of the site's own, whose certificate you give to "
            "your users (`NAME.ca.pem` beside the inventory). `files`: your own certificate and "
            "key. `acme`: from Let's Encrypt or another ACME server, renewed by itself; by "
            "writing it you accept that server's terms."
        ),
    )
    certificate: Line | None = Field(
        default=None,
        description="With `files`: PEM file on the control machine, the site's first, then chain.",
    )
    key: Line | None = Field(
        default=None,
        description="With `files`: PEM file on the control machine, without a passphrase.",
    )
    directory: HttpsUrl = Field(
        default=LETS_ENCRYPT,
        description="With `acme`: directory URL of the ACME server.",
    )
    client: Literal["certbot", "lego"] | None = Field(
        default=None,
        description=(
            "With `acme`: the program that gets the certificate and renews it. Without it certbot "
            "where the distribution has it (Debian, Ubuntu), else lego (Enterprise Linux). "
            "certbot on Enterprise Linux comes from EPEL, which you enable yourself."
        ),
    )
    lego: LegoSettings = Field(default=LegoSettings(), description="Which lego.")
    email: MailAddress | None = Field(
        default=None,
        description="With `acme`: contact address for the ACME server.",
    )
    ca_bundle: Line | None = Field(
        default=None,
        description=(
            "With `acme`: PEM file on the control machine with the authorities of a private ACME "
            "server's own certificate."
        ),
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The key, and the timer that renews the certificate."""
    renewed = settings.mode == "acme" and place.facts is not UNASKED
    units = (Unit(chosen(settings.client, place.facts.family).timer),) if renewed else ()
    return Surface(units=units, secret_files=(SecretFile(KEY),))


def lacks(settings: Settings, facts: HostFacts, wanted: LegoTarball) -> bool:
    """Whether a host should use the ``wanted`` lego, and has another one or none."""
    return (
        settings.mode == "acme"
        and is_lego(settings.client, facts.family)
        and facts.lego != wanted.sha256
    )


@component("TLS")
def deploy(
    settings: Settings,
    *,
    family: Family,
    server_name: str,
    pair: Pair | None,
    lego_tarball: LegoTarball,
) -> OperationMeta:
    """Put a pair where the proxy reads it; returns the operation that may change it.

    With ACME it is the client's pair; until there is one, a placeholder with which the proxy can
    start and answer the challenge.
    """
    if settings.mode == "acme":
        order, client = _order(settings, server_name), chosen(settings.client, family)
        if client is lego.CLIENT:
            _with_lego(settings, order, family, lego_tarball)
        else:
            _with_certbot(settings, order, family)
        return acme.standing(
            name="a temporary certificate is in place",
            client=client,
            served=SERVED,
            server_name=server_name,
        )
    assert pair is not None
    remains.removed(name="lego's files are removed", paths=lego.OURS, timers=(lego.TIMER_FILE,))
    files.present(
        name="the certificate folder exists, without ACME files",
        entries=[
            *_folders(),
            *map(Absent, (HOOK, CHALLENGES, ACME_AUTHORITIES)),
            *certbot.nothing(family.certbot),
        ],
    )
    return files.present(
        name="certificate and key are in place",
        entries=list(_pair_files(pair)),
        check=Check(served_pair.tested(CERTIFICATE, KEY)),
    )


def _with_certbot(settings: Settings, order: Order, family: Family) -> None:
    packages.installed(
        name="certbot is installed",
        packages=family.certbot.packages,
        manager=family.package_manager,
    )
    remains.removed(name="lego's files are removed", paths=lego.OURS, timers=(lego.TIMER_FILE,))
    files.present(
        name="certbot is configured",
        entries=[
            *_acme_files(settings),
            Directory(CHALLENGES),
            *certbot.entries(family.certbot, order),
        ],
    )


def _with_lego(settings: Settings, order: Order, family: Family, lego_tarball: LegoTarball) -> None:
    packages.installed(
        name="openssl is installed", packages=("openssl",), manager=family.package_manager
    )
    account.system_account(name="the account for lego exists", user=lego.USER, home=lego.STATE)
    lego_program.unpacked(name="lego is unpacked", tarball=lego_tarball)
    files.present(
        name="lego is configured",
        entries=[
            *_acme_files(settings),
            *lego.entries(order, SERVED),
            *certbot.nothing(family.certbot),
        ],
    )


@component("TLS")
def issue(settings: Settings, *, family: Family, server_name: str) -> None:
    """With ACME, have the certificate issued and renewed; the proxy must answer on port 80."""
    if settings.mode != "acme":
        return
    order, client = _order(settings, server_name), chosen(settings.client, family)
    acme.issued(name="the certificate is issued", client=client, served=SERVED, order=order)
    running.running(
        name="automatic renewal is enabled",
        unit=client.timer,
        restart_on=client.files_of_timer,
    )


def _order(settings: Settings, server_name: str) -> Order:
    return Order(
        server_name=server_name,
        directory=settings.directory,
        webroot=CHALLENGES,
        email=settings.email,
        authorities=ACME_AUTHORITIES if settings.ca_bundle else None,
    )


def challenge_folder(settings: Settings) -> str | None:
    """The folder for ``/.well-known/acme-challenge/``, which the proxy must serve."""
    return CHALLENGES if settings.mode == "acme" else None


def secrets(settings: Settings, place: Place) -> Wanted:
    """A certificate for the site's name, if its own authority issues it."""
    if settings.mode != "internal-ca":
        return Wanted()
    return Wanted(certificates={PURPOSE: (place.site.name,)})


def pair_of(settings: Settings, certificates: Mapping[str, Pair]) -> Pair | None:
    """The site's certificate and key; None if the host gets them by ACME."""
    if settings.mode == "files":
        assert settings.certificate and settings.key  # a rule of this component
        certificate, key = (
            pem_blocks(Path(file).read_bytes()) for file in (settings.certificate, settings.key)
        )
        return Pair(certificate=certificate, key=SecretStr(key))
    # The secrets file may still have the certificate of an earlier mode.
    return certificates[PURPOSE] if settings.mode == "internal-ca" else None


def mistakes(settings: Settings, place: Place) -> Iterator[Mistake]:
    """Mistakes in how the settings go together, and in the operator's own files."""
    server_name = place.site.name
    if settings.mode == "files":
        now = datetime.now(UTC)
        yield from check_files(settings.certificate, settings.key, server_name, now)
    elif settings.certificate or settings.key:
        needed = 'write mode = "files", or leave certificate and key out'
        yield Mistake("tls", f'certificate or key with mode "{settings.mode}"', needed)
    if settings.mode != "acme":
        for key in sorted({"ca_bundle", "client", "lego"} & settings.model_fields_set):
            stated = getattr(settings, key)
            found = f'"{without_secrets(stated)}"' if isinstance(stated, str) else "settings"
            needed = 'write mode = "acme", or leave it out'
            yield Mistake(f"tls.{key}", f'{found} with mode "{settings.mode}"', needed)
        return
    yield from lego_release.mistakes(settings.lego, "tls.lego")
    yield from check_authorities("tls.ca_bundle", settings.ca_bundle)
    if server_name and not is_public(server_name):
        yield Mistake(
            "tls.mode",
            f'"acme" for {server_name}',
            "an ACME server verifies a full DNS name; use such a name, or internal-ca",
        )


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """The remaining time of a certificate that we push; with ACME, what its client needs."""
    pair = pair_of(settings, place.secrets.certificates if place.secrets else {})
    if settings.mode != "acme":
        return [certificate.time(settings.mode, pair)] if pair else []
    return certificate.of_client(settings.client)


def _folders() -> Iterator[Directory]:
    yield Directory(FOLDER.rpartition("/")[0])
    yield Directory(FOLDER)


def _pair_files(pair: Pair) -> Iterator[File]:
    yield File(CERTIFICATE, pair.certificate)
    yield File(KEY, pair.key.get_secret_value(), mode="600", secret=True)


def _acme_files(settings: Settings) -> Iterator[Entry]:
    """The files that both clients need."""
    hook = served_pair.hook(SERVED, PROXY, LIVES)
    yield from _folders()
    yield Directory(STATE)
    yield Directory(PROGRAMS)
    yield File(HOOK, hook, mode="755")
    bundle = settings.ca_bundle and pem_blocks(Path(settings.ca_bundle).read_bytes())
    yield File(ACME_AUTHORITIES, bundle) if bundle else Absent(ACME_AUTHORITIES)
