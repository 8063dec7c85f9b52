"""A real service of S3 on a lab host, with TLS: versitygw, built from its source."""

import os
import secrets
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mattermost_host.certificates.authority import new_authority, new_leaf
from tests.lab import places
from tests.lab.hosts import Lab
from tests.lab.shell import run, wait_until

NAME = "s3.test"
PORT = 9000
BUCKET = "backups"
VARIABLE = "VERSITYGW"
MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
PROGRAM = "/usr/local/bin/versitygw"
UNIT = "versitygw"


class S3:
    """The host on which it answers, its bucket and what opens that."""

    def __init__(self, lab: Lab) -> None:
        """Boot it."""
        program = _program()
        self.host = lab.up("s3")
        self.access_key, self.secret_key = "backups", secrets.token_urlsafe(24)
        self.authority = new_authority("s3", datetime.now(UTC) - timedelta(minutes=1))
        own = new_leaf(self.authority, [NAME], datetime.now(UTC))
        self.host.write("/etc/s3.crt", own.certificate)
        self.host.write("/etc/s3.key", own.key.get_secret_value())
        with program.open("rb") as content:
            put = [*self.host.ssh(), f"cat >{PROGRAM} && chmod 755 {PROGRAM}"]
            subprocess.run(put, stdin=content, check=True, timeout=120)
        self.host.run(f"mkdir -p /srv/s3/{BUCKET}")
        lab.resolve(NAME, self.host)
        self.start()

    def start(self) -> None:
        """Let it answer."""
        keys = f"--access {self.access_key} --secret {self.secret_key}"
        self.host.run(
            f"systemd-run --quiet --unit={UNIT} {PROGRAM} {keys} --port :{PORT}"
            " --cert /etc/s3.crt --key /etc/s3.key posix /srv/s3"
        )
        listens = "ss -Hltn"
        wait_until(lambda: f":{PORT} " in self.host.run(listens).stdout, 30, "the service listens")

    def stop(self) -> None:
        """Let it refuse connections."""
        self.host.run(f"systemctl stop {UNIT}")

    def settings(self, folder: Path, path: str = "/chat") -> dict[str, str]:
        """The table ``backup`` of an inventory."""
        authority = folder / "s3.pem"
        authority.write_text(self.authority.certificate, encoding="utf-8")
        return {
            "to": f"s3://{BUCKET}{path}",
            "endpoint": f"https://{NAME}:{PORT}",
            "ca_certificate": str(authority),
        }

    @property
    def secrets(self) -> str:
        """The lines of a secrets file."""
        return (
            f'backup_s3_access_key = "{self.access_key}"\n'
            f'backup_s3_secret_key = "{self.secret_key}"\n'
        )


def _program() -> Path:
    """The program that VERSITYGW names, or built; without it and Go, who asks is skipped."""
    if named := os.environ.get(VARIABLE):
        return Path(named).resolve()
    kept = places.cache() / "versitygw" / MODULE.rpartition("@")[2] / "versitygw"
    if not kept.is_file():
        if not shutil.which("go"):
            pytest.skip(f"no S3: {VARIABLE} names no program, and there is no Go to build it")
        kept.parent.mkdir(parents=True, exist_ok=True)
        static = ["env", "CGO_ENABLED=0", f"GOBIN={kept.parent}"]
        run([*static, "go", "install", "-trimpath", "-ldflags", "-s -w", MODULE], timeout=1800)
    return kept
