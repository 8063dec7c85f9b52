"""No secret in output, arguments, journal, or a file that others may read."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.deployment import ROOT, Deployment
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until

# The arguments of every process, over and over, until its folder has a file `stop`.
WATCH = """
import glob, pathlib, sys, time
folder, seen, rounds = pathlib.Path(sys.argv[1]), set(), 0
while not (folder / "stop").exists():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            seen.add(open(path, "rb").read())
        except OSError:
            pass
    rounds += 1
    (folder / "watching").touch()
    time.sleep(0.003)
(folder / "arguments").write_bytes(b"\\n".join(sorted(seen)).replace(b"\\0", b" "))
"""
READABLE = """
find /etc /var /opt/mattermost /run /tmp /home /usr/local /srv /root -xdev -type f -perm -o=r \
  -size -4M ! -path '/opt/mattermost/releases/*' ! -path '/var/lib/apt/*' ! -path '/var/cache/*' \
  ! -path '/var/lib/dpkg/*' ! -path '/tmp/watch/*' -exec cat {} + | tr -cd '\\11\\12\\40-\\176'
"""
ENVIRONMENT = "/etc/mattermost-host/mattermost.env"
SMTP, SMTP_LATER = "an-smtp-password-nobody-may-see", "the-smtp-password-of-next-month"
LONGEST_LINE = re.compile(r"^[A-Za-z0-9+/=]{40,}$", re.MULTILINE)


@contextmanager
def _watched(host: LabHost, folder: Path) -> Iterator[None]:
    """Sample the arguments of all processes, on the host and on this machine."""
    script = folder / "watch.py"
    script.write_text(WATCH)
    host.write("/root/watch.py", WATCH)
    host.run("mkdir /tmp/watch && systemd-run --unit=watch python3 /root/watch.py /tmp/watch")
    with subprocess.Popen([sys.executable, str(script), str(folder)]):
        try:
            wait_until((folder / "watching").exists, 10, "this machine is watched")
            host.run("until [ -e /tmp/watch/watching ]; do sleep 0.1; done", timeout=10)
            yield
        finally:
            (folder / "stop").touch()
    host.run("touch /tmp/watch/stop; until [ -e /tmp/watch/arguments ]; do sleep 0.1; done")


@dataclass(frozen=True)
class Seen:
    """The secrets, and every place where one could be seen with its text."""

    secrets: frozenset[str]
    places: Mapping[str, str]


@pytest.fixture(scope="module")
def seen(lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """All that an install, a plan, a change, a failure and a verification leave behind."""
    host, watch = lab.up("secrecy"), tmp_path_factory.mktemp("watch")
    deployment = Deployment(lab, host, tmp_path_factory.mktemp("secrecy"), release)
    with _watched(host, watch):
        said = dict(_outputs(deployment))
    places = said | {
        "the arguments on the host": host.read("/tmp/watch/arguments"),
        "the arguments on this machine": (watch / "arguments").read_text(errors="replace"),
        "the journal": host.run("journalctl --no-pager --all | tr -cd '\\11\\12\\40-\\176'").stdout,
        "the log of the server": host.run("cat /var/log/mattermost/*").stdout,
        "files that others may read": host.run(READABLE, timeout=600).stdout,
        "files of this machine": _files_here(deployment),
    }
    key = next(_values(deployment.authority_key.read_text(encoding="utf-8")))
    secrets = {*_values(deployment.secrets), key, SMTP, SMTP_LATER}
    return Seen(frozenset(secrets), places)


def _outputs(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """What an operator reads in the life of a site, as loud as it gets."""
    host, inventory = deployment.host, str(deployment.inventory)
    loud = ["-vvv", "--diff", "--debug", inventory, "deploys/site.py"]
    _say_password(deployment, SMTP)
    yield "the first run", deployment.run("pyinfra", "-y", *loud).output
    _say_password(deployment, SMTP_LATER)
    yield "a plan", deployment.run("pyinfra", "--dry", *loud).output
    yield "a run with another password", deployment.run("pyinfra", "-y", *loud).output
    host.run(f"rm {ENVIRONMENT}; mkdir -p {ENVIRONMENT}/in-the-way")
    failing = deployment.run("pyinfra", "-y", *loud, check=False)
    assert failing.status != 0, "it is to fail: then pyinfra shows what it ran"
    yield "a run that fails", failing.output
    host.run(f"rm -r {ENVIRONMENT}")
    yield "a run that repairs", deployment.run("pyinfra", "-y", *loud).output
    yield "the verification", deployment.verify("--journey").output
    checked = deployment.run("mattermost-host", "preflight", "--verbose", "--json", inventory)
    yield "the preflight", checked.output


def _say_password(deployment: Deployment, password: str) -> None:
    """Write it as an operator does, into the secrets file."""
    file = deployment.secrets_file
    file.touch(mode=0o600)
    text = re.sub(r"(?m)^\[settings\]\n.*\n", "", file.read_text(encoding="utf-8"))
    file.write_text(f'{text}\n[settings]\n"EmailSettings.SMTPPassword" = "{password}"\n')


def _values(value: object) -> Iterator[str]:
    """Passwords whole; of a private key its longest line, which nothing else contains."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _values(each)
    elif isinstance(value, str) and "PRIVATE KEY" in value:
        yield max(LONGEST_LINE.findall(value), key=len)
    elif isinstance(value, str) and "CERTIFICATE" not in value:
        yield value


def _files_here(deployment: Deployment) -> str:
    """What a run leaves on this machine, besides the files for secrets themselves."""
    folder = deployment.inventory.parent
    private = (deployment.secrets_file, deployment.authority_key)
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
    left = [path for path in folder.iterdir() if path not in private]
    left += ROOT.glob("pyinfra*.log")
    return "\n".join(path.read_text(errors="replace") for path in left if path.is_file())


@pytest.mark.parametrize(
    "place",
    [
        "the first run",
        "a plan",
        "a run with another password",
        "a run that fails",
        "a run that repairs",
        "the verification",
        "the preflight",
        "the arguments on the host",
        "the arguments on this machine",
        "the journal",
        "the log of the server",
        "files that others may read",
        "files of this machine",
    ],
)
def test_no_secret_is_seen(seen: Seen, place: str) -> None:
    shown = sorted(secret[:4] for secret in seen.secrets if secret in seen.places[place])
    assert not shown, f"the secrets that begin so are in {place}: {shown}"


def test_we_looked_where_secrets_would_be(seen: Seen) -> None:
    """Each look finds what is known to be there, so finding no secret means something."""
    assert len(seen.secrets) == 5, "administrator, two SMTP passwords, two private keys"
    known = {
        "a run with another password": "folders, settings and unit are in place",
        "a run that fails": ENVIRONMENT,
        "the arguments on the host": "--data-binary @-",
        "the arguments on this machine": "deploys/site.py",
        "the journal": "Accepted publickey for root",
        "the log of the server": "Server is listening",
        "files that others may read": "BEGIN CERTIFICATE",
        "files of this machine": "BEGIN CERTIFICATE",
    }
    assert [place for place, text in known.items() if text not in seen.places[place]] == []
