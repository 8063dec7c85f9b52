"""The component nginx: fresh, converged, one setting at a time; nginx and gixy read it all."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.components import nginx
from mattermost_host.components.nginx import DROP_IN, MAIN, SITE, Serving, Settings
from mattermost_host.knowledge import sizing
from mattermost_host.ops import files
from mattermost_host.ops.entries import Absent
from mattermost_host.ops.running import AskUnit, UnitState
from tests.unit.examples import DEBIAN_12, converged, files_that_differ, mistakes_of, pair, place
from tests.unit.fake_host import Answer, Plan, answering, nothing_installed, plan
from tests.unit.parsers import (
    complaints_of_nginx,
    complaints_of_systemd,
    exposure,
    findings_of_gixy,
    nginx_version,
)

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
HOST = {"sizing": sizing.nginx(50), "nginx_version": "1.22.1-9+deb12u2", "ipv6": True}


def _plan(answer: Answer = nothing_installed, **changed: Any) -> Plan:
    settings = Settings(**changed.pop("settings", {}))
    of_the_host = {name: changed.pop(name, value) for name, value in HOST.items()}
    gone = changed.pop("gone", "/gone")
    serving = replace(SERVING, **changed)
    return plan(_deploy, settings, serving, answer=answer, gone=gone, **of_the_host)


def _deploy(*arguments: Any, gone: str = "/gone", **of_the_host: Any) -> None:
    """As deploys/site.py does it; the pair is new where ``gone`` is still there."""
    written = files.present(name="the pair is in place", entries=[Absent(gone)])
    nginx.deploy(*arguments, pair=written, **of_the_host)


def test_a_fresh_host() -> None:
    result = _plan()
    assert result.changed == [
        "NGINX | NGINX is installed",
        "NGINX | its sandbox and limits are in place",
        "NGINX | the tested configuration is in place",
        "NGINX | NGINX serves it",
    ]
    assert set(result.written) == {DROP_IN, MAIN, SITE}
    assert Absent(nginx.DEFAULT_SITE) in result.entries
    step = result.step("the tested configuration is in place")
    assert step.shell.index("nginx -t") < step.shell.index(f"place {MAIN}")


def test_a_converged_host_yields_nothing() -> None:
    assert _plan(answer=converged(_plan())).changed == []


@pytest.mark.parametrize(
    ("changed", "path", "verb"),
    [
        ({"settings": {"trusted_proxies": ["10.0.0.0/8"]}}, SITE, "reload"),
        ({"max_file_size_mb": 200}, SITE, "reload"),
        ({"acme_folder": "/var/lib/mattermost-host/acme"}, SITE, "reload"),
        ({"static_folder": None}, SITE, "reload"),
        ({"authority": "chat.example.com:8443"}, SITE, "reload"),
        ({"ipv6": False}, SITE, "reload"),
        ({"nginx_version": "1.26.3-3"}, SITE, "reload"),
    ],
)
def test_one_change_is_one_file_and_a_reload(changed: dict[str, Any], path: str, verb: str) -> None:
    fresh = _plan()
    assert files_that_differ(fresh, _plan(**changed)) == {path}
    result = _plan(answer=converged(fresh), **changed)
    assert result.changed == [
        "NGINX | the tested configuration is in place",
        "NGINX | NGINX serves it",
    ]
    assert f"systemctl {verb} nginx.service" in result.shell


def test_a_plan_foresees_the_reload_of_a_new_pair() -> None:
    result = _plan(answer=converged(_plan()), gone=MAIN)
    assert result.changed == ["the pair is in place", "NGINX | NGINX serves it"]
    assert "systemctl reload nginx.service" in result.shell


def test_a_renewed_certificate_is_reloaded() -> None:
    fresh = _plan()
    (question,) = (asked for asked in fresh.questions if isinstance(asked, AskUnit))
    assert {CERTIFICATE, KEY, SITE, MAIN} <= set(question.reload_on)
    renewed = UnitState(active=True, enabled=True, to_reload=(CERTIFICATE,))
    result = _plan(answer=answering({question: renewed}, converged(fresh)))
    assert result.changed == ["NGINX | NGINX serves it"]
    assert "systemctl reload nginx.service" in result.shell


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("1.22.1-9+deb12u2", (1, 22, 1)),
        ("1.18.0-6.1+deb11u3", (1, 18, 0)),
        ("1.26.3-3+deb13u1", (1, 26, 3)),
        ("1.24.0-2ubuntu7", (1, 24, 0)),
        ("1.25.1", (1, 25, 1)),
    ],
)
def test_http2_in_the_syntax_of_the_version(version: str, parts: tuple[int, ...]) -> None:
    assert nginx.version_tuple(version) == parts
    text = _plan(nginx_version=version).text(SITE)
    new = parts >= (1, 25, 1)
    assert ("    http2 on;" in text) is new
    assert ("ssl http2" in text) is not new


def test_what_the_documents_ask_for() -> None:
    text = _plan().text(SITE)
    assert text.count('add_header Strict-Transport-Security "max-age=63072000" always;') >= 2
    assert "client_max_body_size 105m;" in text
    assert "return 301 https://chat.example.com$request_uri;" in text
    assert "proxy_request_buffering off;" in text
    assert "server_tokens off;" in _plan().text(MAIN)
    assert "proxy_cache" not in text


def test_without_ipv6_no_socket_asks_for_it() -> None:
    assert "[::]" in _plan().text(SITE)
    assert "[::]" not in _plan(ipv6=False).text(SITE)


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


MATRIX = tuple(_settings())


def _name(changed: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in changed.items())


@pytest.mark.parametrize("changed", MATRIX, ids=_name)
def test_nginx_accepts_the_configuration(tree: Tree, changed: dict[str, Any]) -> None:
    main = tree.write(_plan(nginx_version=nginx_version(), **changed))
    assert complaints_of_nginx(main) == []


def test_nginx_would_say_if_it_did_not(tree: Tree) -> None:
    main = tree.write(_plan(nginx_version=nginx_version()))
    site = main.parent / "conf.d" / "mattermost.conf"
    site.write_text(site.read_text().replace("proxy_read_timeout", "proxy_red_timeout", 1))
    assert "unknown directive" in complaints_of_nginx(main)[0]


@pytest.mark.parametrize("changed", [*MATRIX, {"nginx_version": "1.26.3"}], ids=_name)
def test_gixy_finds_nothing_of_medium_or_above(tree: Tree, changed: dict[str, Any]) -> None:
    assert findings_of_gixy(tree.write(_plan(**changed))) == {}


def test_gixy_would_say_if_it_did(tree: Tree) -> None:
    main = tree.write(_plan())
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
    (drop_ins / "mattermost-host.conf").write_text(_plan().text(DROP_IN))
    return unit


def test_systemd_accepts_the_drop_in(tmp_path: Path) -> None:
    assert complaints_of_systemd(_unit(tmp_path)) == []


def test_the_sandbox_is_as_tight_as_the_surface_says(tmp_path: Path) -> None:
    (shown,) = nginx.surface(Settings(), place()).units
    assert shown.max_exposure == 3.0
    assert exposure(_unit(tmp_path)) <= 3.0


def test_the_world_sees_two_ports() -> None:
    ports = nginx.surface(Settings(), place()).ports
    assert {(port.number, port.reachable_from) for port in ports} == {(80, "world"), (443, "world")}


def test_wrong_settings() -> None:
    assert mistakes_of(nginx={"trusted_proxies": ["10.0.0.0/33"], "websockets": 5}) == [
        "nginx.trusted_proxies.0: found an invalid network; "
        "write an address or a network, like 10.0.0.0/8 or fd00::/8",
        "nginx.websockets: found an unknown key; known keys: trusted_proxies",
    ]


@pytest.mark.parametrize(
    ("url", "verdict"),
    [("https://chat.example.com", "ok"), ("https://chat.example.com:8443", "warning")],
)
def test_another_port_is_explained(url: str, verdict: str) -> None:
    (finding,) = nginx.port_of_users(url).check(DEBIAN_12)
    assert finding.verdict == verdict
    assert ("forward port 8443 to port 443" in finding.remedy) is (verdict == "warning")
