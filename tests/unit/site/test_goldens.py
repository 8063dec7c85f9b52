"""The whole of deploys/site.py for each shape of a site, against reviewed files in golden/.

`make goldens` writes them anew; read the difference before it is committed. Each shape has its
operations in order with their arguments, and every file as it is rendered.
"""

import importlib
import inspect
import os
import pkgutil
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.operation import OperationMeta

from mattermost_host import ops
from mattermost_host.facts.host import HostFacts
from mattermost_host.ops.entries import File
from tests.unit.examples import DEBIAN_12, HOST_KEY, ROCKY_9
from tests.unit.fake_host import Plan
from tests.unit.site.whole import ON_ONE_HOST, ON_THREE_HOSTS, PASSWORD, planned

GOLDEN = Path(__file__).parent / "golden"
RENEW = "RENEW_GOLDENS"
"""Where it is set, the goldens are written and not compared."""

SHAPES: Mapping[str, dict[str, Any]] = {
    "internal-authority": {},
    "acme": {"tls": {"mode": "acme", "email": "admin@example.com"}},
    "external-database": {
        "postgres": {"dsn": "postgres://mattermost@db.example.com/mattermost?sslmode=verify-full"}
    },
    "behind-another-proxy": {
        "url": "https://chat.example.com:8443",
        "nginx": {"trusted_proxies": ["10.0.0.0/8", "2001:db8::/32"]},
        "firewall": {"ssh_from": ["192.0.2.0/24"], "forward": True},
    },
    "backup": {"backup": {"to": "/srv/backup"}},
    "backup-s3": {"backup": {"to": "s3://backups/chat", "endpoint": "https://s3.example.com"}},
    "backup-sftp": {
        "backup": {"to": "sftp://chat@backup.example.com/backups", "host_keys": [HOST_KEY]}
    },
    "enterprise-linux": {},
    "enterprise-linux-acme": {"tls": {"mode": "acme", "email": "admin@example.com"}},
    "database-on-three-hosts": {},
    "backup-on-three-hosts": {
        "backup": {"to": "s3://backups/chat", "endpoint": "https://s3.example.com"}
    },
}

DEBIAN_13 = replace(DEBIAN_12, release="13", glibc="2.41")
FACTS: Mapping[str, HostFacts] = {
    "enterprise-linux": ROCKY_9,
    "enterprise-linux-acme": ROCKY_9,
    "backup-sftp": DEBIAN_13,
    "database-on-three-hosts": DEBIAN_13,
    "backup-on-three-hosts": DEBIAN_13,
}
"""Of the shapes that are not on Debian 12."""
HOSTS = dict.fromkeys(("database-on-three-hosts", "backup-on-three-hosts"), ON_THREE_HOSTS)
"""Of the shapes that are not on one host."""


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that are called from now on, with their arguments, in order."""
    calls: list[str] = []
    for found in pkgutil.iter_modules(ops.__path__, f"{ops.__name__}."):
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            returned = inspect.signature(function).return_annotation
            public = function.__module__ == found.name and name[0] != "_"
            if public and (returned is OperationMeta or name == "checkpoint"):
                monkeypatch.setattr(module, name, _recording(function, calls))
    return calls


def _recording(function: Callable[..., OperationMeta], calls: list[str]) -> Any:
    signature = inspect.signature(function)

    def recorded(*args: Any, **keywords: Any) -> OperationMeta:
        given = {**dict(zip(signature.parameters, args, strict=False)), **keywords}
        calls.append(f"== {given.pop('name')}: {function.__module__}.{function.__name__}")
        for argument, value in given.items():
            calls.extend(f"{argument}: {one}" for one in _shown(value))
        return function(*args, **keywords)

    return recorded


def _shown(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key} = {one}" for key, one in value.items()]
    values = value if isinstance(value, list | tuple) else [value]
    return ["an operation" if isinstance(one, OperationMeta) else repr(one) for one in values]


def _texts(planned: Plan, called: list[str]) -> dict[str, str]:
    """The goldens of a plan: file name to content."""
    texts = {"operations.txt": _steady("\n".join(called) + "\n")}
    for entry in planned.entries:
        if isinstance(entry, File):
            data = entry.data.decode(errors="replace")
            texts[f"files{entry.path}"] = _steady(data)
    return texts


def _steady(text: str) -> str:
    """Without what differs from run to run: keys, certificates, random names."""
    pem = r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n"
    text = re.sub(pem, r"<\1>\n", text, flags=re.DOTALL)
    text = re.sub(r"\b[A-Za-z0-9]{6}(-[A-Za-z0-9]{6}){3}\b", "<generated>", text)
    return re.sub(r"0x[0-9a-f]+|/tmp/[^'\"> ]*", "<random>", text).replace(PASSWORD, "<password>")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_site_is_deployed_as_its_goldens_say(
    shape: str, called: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = FACTS.get(shape, DEBIAN_12)
    hosts = HOSTS.get(shape, ON_ONE_HOST)
    made = planned(SHAPES[shape], tmp_path, monkeypatch, facts, hosts=hosts)
    texts = _texts(made, called)
    folder = GOLDEN / shape
    if os.environ.get(RENEW):
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        pytest.skip("the goldens were written, not compared")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == set(texts), "run `make goldens` and review the difference"
    for name, text in texts.items():
        assert (folder / name).read_text(encoding="utf-8") == text, name
