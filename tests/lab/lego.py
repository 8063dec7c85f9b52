"""lego's tarball for the lab: the file that LEGO_RELEASE names, or built from the same release."""

import json
import os
import platform
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from mattermost_host.knowledge.lego import VERSION
from tests.lab import places
from tests.lab.shell import run

VARIABLE = "LEGO_RELEASE"
MODULE = "github.com/go-acme/lego/v4"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NO_DNS = """package dns

import (
	"fmt"

	"github.com/go-acme/lego/v4/challenge"
)

// NewDNSChallengeProviderByName knows none of them.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("built without the DNS provider %s", name)
}
"""
"""The 190 providers of DNS would be 20 minutes of compiling, for what nothing here uses."""


def tarball() -> Path:
    """A tarball with the real program; without a file or Go, the test that asks is skipped."""
    if named := os.environ.get(VARIABLE):
        return Path(named).resolve()
    architecture = ARCHITECTURES[platform.machine()]
    kept = places.cache() / "lego" / f"built_v{VERSION}_linux_{architecture}.tar.gz"
    if not kept.is_file():
        if not shutil.which("go"):
            pytest.skip(f"no lego: {VARIABLE} names no tarball, and there is no Go to build it")
        _build(kept)
    return kept


def _build(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        source, program = Path(folder) / "source", Path(folder) / "lego"
        told = run(["go", "mod", "download", "-json", f"{MODULE}@v{VERSION}"], cwd=folder)
        shutil.copytree(json.loads(told.stdout)["Dir"], source)
        run(["chmod", "-R", "u+w", str(source)])
        (source / "providers/dns/zz_gen_dns_providers.go").write_text(NO_DNS, encoding="utf-8")
        flags = ["-trimpath", "-ldflags", f"-s -w -X main.version={VERSION}"]
        static = ["env", "CGO_ENABLED=0", "go", "build", *flags, "-o", str(program)]
        run([*static, "./cmd/lego"], cwd=source, timeout=1800)
        made = Path(folder) / "made.tar.gz"
        with tarfile.open(made, "w:gz") as archive:
            archive.add(program, "lego")
        made.rename(kept)
