"""The component nginx: fresh, converged, one setting at a time; nginx and gixy read it all."""

from dataclasses import replace
from typing import Any

import pytest

from mattermost_host.components import nginx
from mattermost_host.components.nginx import DROP_IN, MAIN, SITE, Settings
from mattermost_host.facts.host import HostFacts
from mattermost_host.knowledge.families import ENTERPRISE_LINUX
from mattermost_host.ops.entries import Absent
from mattermost_host.ops.unit_state import AskUnit, UnitState
from mattermost_host.preflight.url_port import port_of_users
from tests.unit.components.nginx_examples import CERTIFICATE, KEY, planned
from tests.unit.examples import DEBIAN_12, converged, files_that_differ, mistakes_of, place
from tests.unit.fake_host import answering

BROTLI = "libnginx-mod-http-brotli-static"


def test_a_fresh_host() -> None:
    result = planned()
    assert result.changed == [
        "NGINX | systemd sandbox and limits are in place",
        "NGINX | NGINX is installed",
        "NGINX | the tested configuration is in place",
        "NGINX | NGINX is running",
    ]
    assert set(result.written) == {DROP_IN, MAIN, SITE}
    assert Absent("/etc/nginx/sites-enabled/default") in result.entries
    step = result.step("the tested configuration is in place")
    assert step.shell.index("nginx -t") < step.shell.index(f"place {MAIN}")


def test_nothing_starts_it_as_its_package_left_it() -> None:
    assert f"AssertPathExists={SITE}" in planned(before_start=()).text(DROP_IN).splitlines()


def test_a_converged_host_yields_nothing() -> None:
    assert planned(answer=converged(planned())).changed == []


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
        ({"fips": True}, MAIN, "reload"),
    ],
)
def test_one_change_is_one_file_and_a_reload(changed: dict[str, Any], path: str, verb: str) -> None:
    fresh = planned()
    assert files_that_differ(fresh, planned(**changed)) == {path}
    result = planned(answer=converged(fresh), **changed)
    assert result.changed == [
        "NGINX | the tested configuration is in place",
        "NGINX | NGINX is running",
    ]
    assert f"systemctl {verb} nginx.service" in result.shell


def test_a_plan_foresees_the_reload_of_a_new_pair() -> None:
    result = planned(answer=converged(planned()), gone=MAIN)
    assert result.changed == ["the pair is in place", "NGINX | NGINX is running"]
    assert "systemctl reload nginx.service" in result.shell


def test_a_renewed_certificate_is_reloaded() -> None:
    fresh = planned()
    (question,) = (asked for asked in fresh.questions if isinstance(asked, AskUnit))
    assert {CERTIFICATE, KEY, SITE, MAIN} <= set(question.reload_on)
    renewed = UnitState(active=True, enabled=True, to_reload=(CERTIFICATE,))
    result = planned(answer=answering({question: renewed}, converged(fresh)))
    assert result.changed == ["NGINX | NGINX is running"]
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
    text = planned(nginx_version=version).text(SITE)
    new = parts >= (1, 25, 1)
    assert ("    http2 on;" in text) is new
    assert ("ssl http2" in text) is not new


def test_what_the_documents_ask_for() -> None:
    text = planned().text(SITE)
    assert text.count('add_header Strict-Transport-Security "max-age=63072000" always;') >= 2
    assert "client_max_body_size 105m;" in text
    assert "return 301 https://chat.example.com$request_uri;" in text
    assert "proxy_request_buffering off;" in text
    assert "server_tokens off;" in planned().text(MAIN)
    assert "proxy_cache" not in text


def test_tls_is_as_the_system_wide_policy_says_where_there_is_one() -> None:
    result = planned(family=ENTERPRISE_LINUX)
    words = [line.split() for line in result.text(MAIN).splitlines()]
    assert {tuple(line) for line in words if line and line[0].startswith("ssl_")} == {
        ("ssl_protocols", "TLSv1.2", "TLSv1.3;"),
        ("ssl_ciphers", "PROFILE=SYSTEM;"),
        ("ssl_prefer_server_ciphers", "on;"),
        ("ssl_session_cache", "shared:mattermost:20m;"),
        ("ssl_session_timeout", "1d;"),
        ("ssl_session_tickets", "off;"),
    }


def test_another_system_wide_policy_is_a_restart() -> None:
    (policy,) = ENTERPRISE_LINUX.nginx.tls_policy
    result = planned(family=ENTERPRISE_LINUX)
    (asked,) = (one for one in result.questions if isinstance(one, AskUnit))
    assert policy in asked.restart_on
    assert f" {policy} " in result.text(DROP_IN)  # noted at each start
    assert policy not in planned().text(DROP_IN)


def test_tls_is_mozillas_profile_where_there_is_no_policy() -> None:
    """Without its curves OpenSSL offers others, which the profile's checker refuses."""
    assert "    ssl_ecdh_curve X25519:prime256v1:secp384r1;\n" in planned().text(MAIN)


def test_in_fips_mode_it_names_no_curve_that_openssl_does_not_know_there() -> None:
    """NGINX refuses a list with an unknown one; what else of the profile is unknown is left out."""
    assert "    ssl_ecdh_curve prime256v1:secp384r1;\n" in planned(fips=True).text(MAIN)
    on_policy = planned(family=ENTERPRISE_LINUX, fips=True).text(MAIN)
    assert on_policy == planned(family=ENTERPRISE_LINUX).text(MAIN)


def test_brotli_is_installed_and_served_where_there_is_a_module() -> None:
    result = planned(brotli_module=BROTLI)
    assert BROTLI in result.step("NGINX is installed").shell
    assert "        brotli_static on;\n        gzip_static on;\n" in result.text(SITE)
    assert "brotli" not in planned().text(SITE) + planned().shell


@pytest.mark.parametrize(
    ("facts", "module"),
    [
        (DEBIAN_12, BROTLI),
        (replace(DEBIAN_12, packages=(("nginx", "1.22.1-9+deb12u2"),)), BROTLI),
        # Of another source, for which the distribution's module is not made.
        (replace(DEBIAN_12, packages=(("nginx", "1.27.0-1~bookworm"),)), None),
        (replace(DEBIAN_12, distribution="ubuntu", release="22.04"), None),
    ],
)
def test_the_module_fits_the_distribution_s_own_nginx(facts: HostFacts, module: str | None) -> None:
    assert nginx.brotli_module(facts) == module


def test_without_ipv6_no_socket_asks_for_it() -> None:
    assert "[::]" in planned().text(SITE)
    assert "[::]" not in planned(ipv6=False).text(SITE)


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
    (finding,) = port_of_users(url).check(DEBIAN_12)
    assert finding.verdict == verdict
    assert ("forward port 8443 to port 443" in finding.remedy) is (verdict == "warning")
