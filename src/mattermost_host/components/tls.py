"""The site's certificate: from the internal authority, from files, or by ACME."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pyinfra.api import deploy as component
from pyinfra.api.operation import OperationMeta

from mattermost_host.certificates.authority import Pair
from mattermost_host.certificates.check import check_pair, days_left
from mattermost_host.certificates.pem import check_authorities, pem_blocks
from mattermost_host.facts.host import HostFacts
from mattermost_host.facts.place import UNASKED, Place
from mattermost_host.knowledge.families import Certbot, Family
from mattermost_host.knowledge.names import is_public
from mattermost_host.knowledge.surface import SecretFile, Surface, Unit, Wanted
from mattermost_host.knowledge.texts import STRICT, HttpsUrl, Line, MailAddress
from mattermost_host.ops import acme, files, packages, running, what_was_read
from mattermost_host.ops.entries import Absent, Directory, File
from mattermost_host.ops.files import Check
from mattermost_host.preflight import conflicts, dnf
from mattermost_host.preflight.finding import Finding, Requirement
from mattermost_host.support.errors import Mistake
from mattermost_host.support.paths import is_file
from mattermost_host.support.templates import render

FOLDER = "/etc/mattermost-host/tls"
CERTIFICATE = f"{FOLDER}/fullchain.pem"
KEY = f"{FOLDER}/privkey.pem"
ACME_AUTHORITIES = f"{FOLDER}/acme-authorities.pem"
STATE = "/var/lib/mattermost-host"
CHALLENGES = f"{STATE}/acme"
PROGRAMS = "/usr/local/lib/mattermost-host"
HOOK = f"{PROGRAMS}/certificate-hook"
OF_UNIT = "mattermost-host.conf"
PROXY = "nginx.service"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
WARNING_DAYS = 21
"""An operator's own certificate needs a person to renew it, who may be on holiday."""

PURPOSE = "site"
"""The certificate of the site among those of its authority."""


class Settings(BaseModel):
    """Where the site's certificate comes from."""

    model_config = STRICT

    mode: Literal["internal-ca", "files", "acme"] = Field(
        default="internal-ca",
        description=(
            "`internal-ca`: from an authority of the site's own, whose certificate you give to "
            "your users (`NAME.ca.pem` beside the inventory). `files`: your own certificate and "
            "key. `acme`: from Let's Encrypt or another ACME server, renewed by itself; by "
            "writing it you accept that server's terms. On Enterprise Linux it needs EPEL, which "
            "you enable yourself."
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
    email: MailAddress | None = Field(
        default=None,
        description="With `acme`: where the authority may write to.",
    )
    ca_bundle: Line | None = Field(
        default=None,
        description=(
            "With `acme`: PEM file on the control machine with the authorities of a private ACME "
            "server's own certificate."
        ),
    )


def surface(settings: Settings, place: Place) -> Surface:
    """The key, and the timer that renews it."""
    renewed = settings.mode == "acme" and place.facts is not UNASKED
    units = (Unit(place.facts.family.certbot.timer),) if renewed else ()
    return Surface(units=units, secret_files=(SecretFile(KEY),))


@component("TLS")
def deploy(
    settings: Settings, *, family: Family, server_name: str, pair: Pair | None
) -> OperationMeta:
    """Put a pair where the proxy reads it; what is returned tells whether there is a new one.

    With ACME it is certbot's, and until there is one a placeholder with which the proxy can start
    and answer the challenge.
    """
    if settings.mode != "acme":
        assert pair is not None
        files.present(
            name="the certificate folder exists, without ACME files",
            entries=[*_folders(), *_nothing_of_acme(family.certbot)],
        )
        return files.present(
            name="certificate and key are in place",
            entries=list(_pair_files(pair)),
            check=Check(_tested_pair(CERTIFICATE, KEY)),
        )
    packages.installed(
        name="certbot is installed",
        packages=family.certbot.packages,
        manager=family.package_manager,
    )
    files.present(
        name="certbot is configured",
        entries=[*_folders(), *_acme_files(settings, family.certbot)],
    )
    return acme.standing(
        name="a temporary certificate is in place",
        place=place_of(family.certbot),
        server_name=server_name,
    )


@component("TLS")
def issue(settings: Settings, *, family: Family, server_name: str) -> None:
    """With ACME, have the certificate issued and renewed: when the proxy answers on port 80."""
    if settings.mode != "acme":
        return
    order = acme.Order(
        server_name=server_name,
        directory=settings.directory,
        webroot=CHALLENGES,
        email=settings.email,
        authorities=ACME_AUTHORITIES if settings.ca_bundle else None,
    )
    acme.issued(name="the certificate is issued", place=place_of(family.certbot), order=order)
    running.running(name="automatic renewal is enabled", unit=family.certbot.timer)


def place_of(certbot: Certbot) -> acme.Place:
    """Where certbot's work and ours meet on a host."""
    return acme.Place(CERTIFICATE, KEY, HOOK, f"{_drop_ins(certbot)}/{OF_UNIT}", certbot.service)


def _drop_ins(certbot: Certbot) -> str:
    return f"/etc/systemd/system/{certbot.service}.d"


def challenge_folder(settings: Settings) -> str | None:
    """The folder below which the proxy must serve ``/.well-known/acme-challenge/``."""
    return CHALLENGES if settings.mode == "acme" else None


def secrets(settings: Settings, place: Place) -> Wanted:
    """A certificate for the site's name, where its own authority issues it."""
    if settings.mode != "internal-ca":
        return Wanted()
    return Wanted(certificates={PURPOSE: (place.site.name,)})


def pair_of(settings: Settings, certificates: Mapping[str, Pair]) -> Pair | None:
    """The site's certificate and key; None where the host gets them by ACME."""
    if settings.mode == "files":
        assert settings.certificate and settings.key  # a rule of this component
        certificate, key = (
            pem_blocks(Path(file).read_bytes()) for file in (settings.certificate, settings.key)
        )
        return Pair(certificate=certificate, key=SecretStr(key))
    # What an earlier mode left in the secrets file is not the site's any more.
    return certificates[PURPOSE] if settings.mode == "internal-ca" else None


def mistakes(settings: Settings, place: Place) -> Iterator[Mistake]:
    """What is wrong with the settings as a whole, and with the operator's own files."""
    server_name = place.site.name
    yield from _mistakes_of_files(settings, server_name)
    if settings.mode != "files" and (settings.certificate or settings.key):
        needed = 'write mode = "files", or leave certificate and key out'
        yield Mistake("tls", f'certificate or key with mode "{settings.mode}"', needed)
    if settings.mode != "acme":
        if settings.ca_bundle:
            found = f'"{settings.ca_bundle}" with mode "{settings.mode}"'
            yield Mistake("tls.ca_bundle", found, 'write mode = "acme", or leave it out')
        return
    yield from check_authorities("tls.ca_bundle", settings.ca_bundle)
    if server_name and not is_public(server_name):
        yield Mistake(
            "tls.mode",
            f'"acme" for {server_name}',
            "an ACME server verifies a full DNS name; use such a name, or internal-ca",
        )


def requires(settings: Settings, place: Place) -> list[Requirement]:
    """Time left of a certificate that we push."""
    pair = pair_of(settings, place.secrets.certificates if place.secrets else {})
    if settings.mode == "acme":
        return [conflicts.no_certbot_of_snap(), dnf.epel()]
    if pair is None:
        return []

    def check(_: HostFacts) -> Iterator[Finding]:
        yield time_left(settings, pair, datetime.now(UTC))

    return [
        Requirement(
            "certificate-time",
            check,
            "The certificate that we push is valid long enough to be renewed.",
        )
    ]


def time_left(settings: Settings, pair: Pair, now: datetime) -> Finding:
    """Whether the certificate holds long enough for somebody to renew it."""
    days = days_left(pair.certificate.encode(), now)
    remedy = (
        "Have it renewed, put the new one into the same file, and deploy."
        if settings.mode == "files"
        else "The authority itself ends: remove the table [authority] from the secrets file, "
        "deploy, and give the new NAME.ca.pem to your users."
    )
    verdict: Literal["ok", "warning", "error"] = "error" if days < 0 else "ok"
    if 0 <= days < WARNING_DAYS:
        verdict = "warning"
    return Finding(
        "certificate-time",
        verdict,
        f"{days} days left",
        f"at least {WARNING_DAYS} days",
        "" if verdict == "ok" else remedy,
    )


def _mistakes_of_files(settings: Settings, server_name: str) -> Iterator[Mistake]:
    if settings.mode != "files":
        return
    contents: dict[str, bytes] = {}
    for key, file in (("certificate", settings.certificate), ("key", settings.key)):
        if not file or not is_file(file):
            found = repr(file) if file else "nothing"
            yield Mistake(f"tls.{key}", found, 'a file is needed with mode "files"')
        else:
            contents[key] = Path(file).read_bytes()
    if len(contents) == 2:
        now = datetime.now(UTC)
        yield from check_pair(contents["certificate"], contents["key"], server_name, now)


def _folders() -> Iterator[Directory]:
    yield Directory(FOLDER.rpartition("/")[0])
    yield Directory(FOLDER)


def _pair_files(pair: Pair) -> Iterator[File]:
    yield File(CERTIFICATE, pair.certificate)
    yield File(KEY, pair.key.get_secret_value(), mode="600", secret=True)


def _tested_pair(certificate: str, key: str) -> str:
    """Shell that fails where NGINX does not take the pair at these paths below ``$stage``."""
    return render("tls/test-pair.sh.j2", certificate=certificate, key=key)


def _acme_files(settings: Settings, certbot: Certbot) -> Iterator[Directory | File | Absent]:
    hook = render(
        "tls/certificate-hook.sh.j2",
        live=acme.LIVE,
        tested=_tested_pair("/fullchain.pem", "/privkey.pem"),
        certificate=CERTIFICATE,
        key=KEY,
        unit=PROXY,
        stamps=what_was_read.STAMPS,
    )
    yield Directory(STATE)
    yield Directory(CHALLENGES)
    yield Directory(PROGRAMS)
    yield File(HOOK, hook, mode="755")
    if settings.ca_bundle:
        yield File(ACME_AUTHORITIES, pem_blocks(Path(settings.ca_bundle).read_bytes()))
        yield Directory(_drop_ins(certbot))
        trusting = render("tls/certbot.conf.j2", authorities=ACME_AUTHORITIES)
        yield File(f"{_drop_ins(certbot)}/{OF_UNIT}", trusting)
    else:
        yield Absent(ACME_AUTHORITIES)
        yield Absent(f"{_drop_ins(certbot)}/{OF_UNIT}")


def _nothing_of_acme(certbot: Certbot) -> Iterator[Absent]:
    """certbot, which may have other work on the host, stays; our certificate and key do not."""
    drop_in = f"{_drop_ins(certbot)}/{OF_UNIT}"
    return map(Absent, (*acme.REMAINS, HOOK, CHALLENGES, ACME_AUTHORITIES, drop_in))
