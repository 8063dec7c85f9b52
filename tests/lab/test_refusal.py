"""What is refused: a host that will not do, a wrong release, a configuration that is broken.

Each refusal is a sentence, and what was there goes on.
"""

import gzip
import io
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from difflib import unified_diff
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mattermost_host.support.paths import CACHE
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab, LabHost

STATE_OF_A_HOST = """
find /etc /opt /usr/local /usr/sbin /root /home /srv /var/lib/dpkg /var/spool /var/tmp /tmp \
  -not -path '*/.ssh*' -not -path /tmp -not -path /var/tmp -not -path '*/systemd-private-*' \
  -printf '%p %m %u %g %s %T@\\n' | sort
dpkg-query -W
systemctl list-unit-files --no-legend --no-pager
systemctl list-units --no-legend --no-pager --plain --state=active --type=service,socket,timer |
  awk '{ print $1 }' | grep -Ev '^(user|user-runtime-dir)@|timedated'
getent passwd
cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/core/somaxconn
"""
FETCHED = re.compile(r"[0-9a-f]{64}\.tar\.gz|\.fetching-")
BROKEN = "/etc/nginx/sites-enabled/of-somebody-else"


def test_debian_11_is_refused_and_nothing_touched(lab: Lab, release: Path, tmp_path: Path) -> None:
    host = lab.up("eleven", suite="bullseye")
    deployment = Deployment(lab, host, tmp_path, release)
    before = host.run(STATE_OF_A_HOST).stdout
    for refused in (
        deployment.deploy(check=False),
        deployment.run(
            "pyinfra", "-y", str(deployment.inventory), "deploys/preflight.py", check=False
        ),
        deployment.run("mattermost-host", "preflight", str(deployment.inventory), check=False),
    ):
        assert refused.status != 0
        assert "PostgreSQL 13" in refused.words
        assert "14" in refused.words
        assert "pgdg" in refused.words and "postgres.dsn" in refused.words
        assert "Traceback" not in refused.output
    after = host.run(STATE_OF_A_HOST).stdout
    assert list(unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")) == []


@pytest.fixture(scope="module")
def deployment(
    lab: Lab, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A site that works."""
    folder = tmp_path_factory.mktemp("refusal")
    made = Deployment(lab, lab.up("refusal"), folder, release)
    made.deploy()
    yield made


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that a web server on loopback gives away; its address is in `.url`."""
    folder = tmp_path_factory.mktemp("web")
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        (folder / ".url").write_text(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _other(release: Path, target: Path) -> None:
    """The same server with other bytes: gzip of another level."""
    with gzip.open(release) as plain, gzip.open(target, "wb", compresslevel=1) as packed:
        shutil.copyfileobj(plain, packed)


def _truncated(release: Path, target: Path) -> None:
    data = release.read_bytes()
    target.write_bytes(data[: len(data) // 2])


def _not_a_server(release: Path, target: Path) -> None:
    _archive(target, {"something/README": b"nothing\n"})


def _climbing(release: Path, target: Path) -> None:
    climber = "mattermost/../../../etc/cron.d/climber"
    _archive(target, {"mattermost/bin/mattermost": b"#!/bin/sh\n", climber: b"\n"})


def _archive(target: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(target, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("by", ["file", "url"])
@pytest.mark.parametrize(
    ("make", "source", "sentence"),
    [
        (_other, {"sha256": "0" * 64}, f"{'0' * 64} was expected"),
        (_truncated, {"unverified": True}, "is truncated"),
        (_not_a_server, {"unverified": True}, "is not a Mattermost server"),
        (_climbing, {"unverified": True}, "lies outside of it"),
    ],
    ids=["digest", "truncated", "not-a-server", "climbing"],
)
def test_release_that_is_not_right_is_refused(
    deployment: Deployment,
    release: Path,
    web: Path,
    make: Callable[[Path, Path], None],
    source: dict[str, object],
    sentence: str,
    by: str,
) -> None:
    tarball = web / "mattermost-11.8.1-linux-amd64.tar.gz"
    make(release, tarball)
    place = str(tarball) if by == "file" else f"{(web / '.url').read_text()}/{tarball.name}"
    working = deployment.site["mattermost"]["release"]
    before = _what_stands(deployment)
    try:
        deployment.site["mattermost"]["release"] = {"file": place, **source}
        deployment.write()
        refused = deployment.deploy(check=False)
    finally:
        deployment.site["mattermost"]["release"] = working
        deployment.write()
    assert refused.status != 0
    assert sentence in refused.words
    assert tarball.name in refused.words, "the sentence names what it is about"
    assert "Traceback" not in refused.output
    assert _what_stands(deployment) == before
    assert deployment.status() == 200


def _what_stands(deployment: Deployment) -> tuple[str, dict[str, str], list[str]]:
    """The releases on the host, the running server, and what the control machine keeps."""
    folder = "find /opt/mattermost /etc/cron.d -printf '%p %y %l %s %T@\\n' | sort"
    # What a fetch keeps, or leaves; tests beside this one put tarballs of their own there.
    kept = sorted(path.name for path in CACHE.glob("releases/*") if FETCHED.match(path.name))
    return (
        deployment.host.run(folder).stdout,
        deployment.started("mattermost.service"),
        kept,
    )


def test_after_refusals_there_is_nothing_to_change(deployment: Deployment) -> None:
    assert deployment.deploy().changed == ()


def test_broken_site_of_others_is_named_and_the_old_configuration_serves_on(
    deployment: Deployment,
) -> None:
    host = deployment.host
    workers = _workers(host)
    before = host.read("/etc/nginx/conf.d/mattermost.conf")
    host.write(BROKEN, "server { listen 8080; no_such_directive on; }\n")
    deployment.site["nginx"] = {"trusted_proxies": ["192.0.2.0/24"]}
    deployment.write()
    refused = deployment.deploy(check=False)
    assert "of-somebody-else" in refused.words and "no_such_directive" in refused.words
    assert host.read("/etc/nginx/conf.d/mattermost.conf") == before
    assert _workers(host) == workers
    assert deployment.status() == 200
    assert host.run("ls -d /var/tmp/mattermost-host.* 2>/dev/null", check=False).stdout == ""
    host.run(f"rm {BROKEN}")
    assert "NGINX | the tested configuration is in place" in deployment.deploy().changed
    assert "192.0.2.0/24" in host.run("nginx -T 2>/dev/null").stdout
    assert deployment.deploy().changed == ()
    assert deployment.status() == 200


def _workers(host: LabHost) -> str:
    return host.run("pgrep -f 'nginx: worker'").stdout


def test_broken_site_of_others_does_not_hide_behind_a_run_without_changes(
    deployment: Deployment,
) -> None:
    """A reload that would fail is seen before it: a renewed certificate needs one."""
    host = deployment.host
    host.write(BROKEN, "server { listen 8080; no_such_directive on; }\n")
    host.run("touch /etc/mattermost-host/tls/fullchain.pem")
    refused = deployment.deploy(check=False)
    assert "of-somebody-else" in refused.words, refused.output
    assert deployment.status() == 200
    host.run(f"rm {BROKEN}")
    assert deployment.deploy().changed == ("NGINX | NGINX is running",)
    assert deployment.deploy().changed == ()
