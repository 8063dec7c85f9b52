"""The proxy's configuration, read by NGINX itself, gixy and systemd."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components import nginx
from mattermost_host.components.nginx import DROP_IN, MAIN, SITE, Settings
from mattermost_host.knowledge import sizing
from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from tests.unit.components.nginx_examples import CERTIFICATE, KEY, planned
from tests.unit.examples import pair, place
from tests.unit.fake_host import Plan
from tests.unit.parsers import (
    complaints_of_nginx,
    complaints_of_systemd,
    exposure,
    findings_of_gixy,
    nginx_version,
)


class Tree:
    """A copy of /etc/nginx with our files in it, reading and writing in its own folder only."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.main = folder / "nginx" / "nginx.conf"
        for name in ("conf.d", "sites-enabled", "modules-enabled"):
            (folder / "nginx" / name).mkdir(parents=True)
        types = Path("/etc/nginx/mime.types")
        if types.exists():
            shutil.copy(types, folder / "nginx" / "mime.types")
        else:
            (folder / "nginx" / "mime.types").write_text("types { text/html html; }\n")
        (folder / "fullchain.pem").write_text(pair().certificate)
        (folder / "privkey.pem").write_text(pair().key.get_secret_value())

    def _temporary(self) -> str:
        """nginx makes these folders even for a test, at places that may not be ours."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)

    def write(self, result: Plan) -> Path:
        places = {
            CERTIFICATE: self.folder / "fullchain.pem",
            KEY: self.folder / "privkey.pem",
            "/var/log/nginx": self.folder,
            "/run/nginx.pid": self.folder / "nginx.pid",
            "user www-data;\n": "user root;\n",  # the only one there is in the namespace
            "user nginx;\n": "user root;\n",
            # Known to the OpenSSL of those distributions only that have such a policy.
            "PROFILE=SYSTEM": "DEFAULT",
            "http {\n": f"http {{\n{self._temporary()}",
        }
        for path in (MAIN, SITE):
            text = result.text(path)
            for original, stand_in in places.items():
                text = text.replace(original, str(stand_in))
            (self.main.parent / Path(path).relative_to(nginx.FOLDER)).write_text(text)
        return self.main


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def _settings() -> Iterator[dict[str, Any]]:
    """What changes the text of the configuration, combined."""
    for static, acme, proxies, ipv6 in itertools.product(
        (None, "/opt/mattermost/current/client"),
        (None, "/var/lib/mattermost-host/acme"),
        ([], ["10.0.0.0/8", "fd00::/8"]),
        (True, False),
    ):
        yield {
            "static_folder": static,
            "acme_folder": acme,
            "settings": {"trusted_proxies": proxies},
            "ipv6": ipv6,
        }
    yield {"upstreams": ["10.0.0.1:8065", "[fd00::1]:8065"], "sizing": sizing.nginx(50_000)}
    yield {"authority": "chat.example.com:8443", "max_file_size_mb": 10_240}
    yield {"family": ENTERPRISE_LINUX}
    yield {"fips": True}


MATRIX = tuple(_settings())


def _name(changed: dict[str, Any]) -> str:
    return " ".join(f"{key}={getattr(value, 'name', value)}" for key, value in changed.items())


@pytest.mark.parametrize("changed", MATRIX, ids=_name)
def test_nginx_accepts_the_configuration(tree: Tree, changed: dict[str, Any]) -> None:
    main = tree.write(planned(nginx_version=nginx_version(), **changed))
    assert complaints_of_nginx(main) == []


def test_nginx_would_say_if_it_did_not(tree: Tree) -> None:
    main = tree.write(planned(nginx_version=nginx_version()))
    site = main.parent / "conf.d" / "mattermost.conf"
    site.write_text(site.read_text().replace("proxy_read_timeout", "proxy_red_timeout", 1))
    assert "unknown directive" in complaints_of_nginx(main)[0]


@pytest.mark.parametrize("changed", [*MATRIX, {"nginx_version": "1.26.3"}], ids=_name)
def test_gixy_finds_nothing_of_medium_or_above(tree: Tree, changed: dict[str, Any]) -> None:
    found = findings_of_gixy(tree.write(planned(**changed)))
    if changed.get("family") is ENTERPRISE_LINUX:
        # The order of the system-wide policy is the administrators' to choose.
        assert "ssl_prefer_server_ciphers is on" in found.pop("weak_ssl_tls")
    assert found == {}


def test_gixy_would_say_if_it_did(tree: Tree) -> None:
    main = tree.write(planned())
    main.write_text(main.read_text().replace("ssl_protocols", "ssl_protocols TLSv1"))
    assert "weak_ssl_tls" in findings_of_gixy(main)


def _unit(folder: Path) -> Path:
    """A service like Debian's, with our drop-in beside it."""
    unit = folder / nginx.UNIT
    unit.write_text(
        "[Unit]\nDescription=nginx\n[Service]\nType=forking\nPIDFile=/run/nginx.pid\n"
        "ExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    )
    drop_ins = folder / f"{nginx.UNIT}.d"
    drop_ins.mkdir()
    (drop_ins / "mattermost-host.conf").write_text(planned().text(DROP_IN))
    return unit


def test_systemd_accepts_the_drop_in(tmp_path: Path) -> None:
    assert complaints_of_systemd(_unit(tmp_path)) == []


def test_the_sandbox_is_as_tight_as_the_surface_says(tmp_path: Path) -> None:
    (shown,) = nginx.surface(Settings(), place()).units
    assert shown.max_exposure == 3.0
    assert exposure(_unit(tmp_path)) <= 3.0
