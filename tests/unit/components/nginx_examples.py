"""A proxy as the tests of the component plan it, and what each of them changes."""

from dataclasses import replace
from typing import Any

from mattermost_host.components import nginx
from mattermost_host.components.nginx import Serving, Settings
from mattermost_host.knowledge import sizing
from mattermost_host.knowledge.families import DEBIAN
from mattermost_host.ops import files
from mattermost_host.ops.entries import Absent
from tests.unit.fake_host import Answer, Plan, nothing_installed, plan

CERTIFICATE, KEY = "/etc/mattermost-host/tls/fullchain.pem", "/etc/mattermost-host/tls/privkey.pem"
SERVING = Serving(
    server_name="chat.example.com",
    authority="chat.example.com",
    upstreams=("127.0.0.1:8065",),
    certificate=CERTIFICATE,
    key=KEY,
    max_file_size_mb=100,
    static_folder="/opt/mattermost/current/client",
    acme_folder=None,
)
HOST: dict[str, Any] = {
    "before_start": ("After=wall.service",),
    "held": None,
    "family": DEBIAN,
    "sizing": sizing.nginx(50),
    "nginx_version": "1.22.1-9+deb12u2",
    "streams": {},
    "brotli_module": None,
    "ipv6": True,
    "fips": False,
}


def planned(answer: Answer = nothing_installed, **changed: Any) -> Plan:
    """The component's plan; ``changed`` are fields of Serving, settings, or facts of the host."""
    settings = Settings(**changed.pop("settings", {}))
    of_the_host = {name: changed.pop(name, value) for name, value in HOST.items()}
    gone = changed.pop("gone", "/gone")
    serving = replace(SERVING, **changed)
    return plan(_deploy, settings, serving, answer=answer, gone=gone, **of_the_host)


def _deploy(*arguments: Any, gone: str = "/gone", **of_the_host: Any) -> None:
    """As deploys/site.py does it; the pair is new where ``gone`` is still there."""
    written = files.present(name="the pair is in place", entries=[Absent(gone)])
    nginx.deploy(*arguments, pair=written, **of_the_host)
