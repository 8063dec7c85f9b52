"""The real parsers of what our templates render; a test that misses one is skipped and says so."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def needs(program: str) -> str:
    """The path of ``program``; skips the test where it is not installed."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed on this machine")
    return found


def complaints_of_systemd(unit: Path) -> list[str]:
    """What systemd says of a unit file and of the drop-ins in the folder beside it.

    It exits with 0 whatever it says: an unknown key is a warning to it.
    """
    command = [needs("systemd-analyze"), "verify", "--man=no", str(unit)]
    search = {**os.environ, "SYSTEMD_UNIT_PATH": f"{unit.parent}:", "SYSTEMD_COLORS": "0"}
    done = subprocess.run(command, env=search, capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


def exposure(unit: Path) -> float:
    """The figure of ``systemd-analyze security`` for a unit file, 0 (closed) to 10 (open)."""
    command = [needs("systemd-analyze"), "security", "--offline=true", "--no-pager", str(unit)]
    search = {**os.environ, "SYSTEMD_UNIT_PATH": f"{unit.parent}:", "SYSTEMD_COLORS": "0"}
    done = subprocess.run(command, env=search, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges no unit offline (it came with systemd 250)")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    return float(found.group(1))


def _alone(*command: str) -> subprocess.CompletedProcess[str]:
    """Run in a network namespace of its own, where everybody is root: nothing is touched here."""
    unshare = [needs("unshare"), "--map-root-user", "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine makes no network namespace for a test (unshare -r -n)")
    return subprocess.run([*unshare, *command], capture_output=True, text=True, check=False)


def check_nftables(rules: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """``nft -c``: nothing is loaded anywhere."""
    file = folder / "rules.nft"
    file.write_text(rules)
    return _alone(needs("nft"), "-c", "-f", str(file))


def nginx_version() -> str:
    """The version of this machine's NGINX, ``1.22.1``."""
    done = subprocess.run([needs("nginx"), "-v"], capture_output=True, text=True, check=True)
    return done.stderr.strip().rpartition("/")[2].split()[0]


def complaints_of_nginx(main: Path) -> list[str]:
    """What ``nginx -t`` says of a configuration of our own; nothing is started."""
    done = _alone(needs("nginx"), "-t", "-q", "-p", str(main.parent), "-c", str(main))
    assert bool(done.returncode) == ("[emerg]" in done.stderr)
    # Of this machine, not of the configuration: the shell's limits and whose the package's log is.
    ours = ("open file resource limit", "could not open error log file")
    return [line for line in done.stderr.splitlines() if not any(text in line for text in ours)]


def findings_of_gixy(main: Path) -> dict[str, str]:
    """What gixy finds of medium severity or above: the name of the check and its reason."""
    gixy = Path(sys.executable).with_name("gixy")
    if not gixy.exists():
        pytest.skip("gixy is not installed in this virtual environment")
    command = [str(gixy), "--format", "json", "-ll", str(main)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {found["plugin"]: found["reason"] for found in json.loads(done.stdout)}


def check_haproxy(folder: Path) -> subprocess.CompletedProcess[str]:
    """``haproxy -c`` of the haproxy.cfg in a folder, with what it reads beside it."""
    command = [needs("haproxy"), "-C", str(folder), "-f", "haproxy.cfg", "-c"]
    return subprocess.run(command, capture_output=True, text=True, check=False)
