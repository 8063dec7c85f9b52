"""Data sources and NGINX's configuration of others are read as they are written."""

import pytest

from mattermost_host.knowledge import nginx_sites
from mattermost_host.knowledge.foreign_dsn import source_of
from tests.unit.foreign_examples import DSN, NAME, NGINX


def test_a_data_source_is_told_without_its_password() -> None:
    found = source_of(DSN, (), "mattermost")
    assert (found.role, found.database, found.port, found.local) == (
        "mmuser",
        "mattermost",
        5432,
        True,
    )
    assert found.password is not None
    assert found.password.get_secret_value() == "h@rd"
    assert "rd" not in found.stated
    assert "h@rd" not in repr(found)


@pytest.mark.parametrize(
    ("text", "kind", "local"),
    [
        ("mmuser:x@tcp(localhost:3306)/mattermost", "mysql", False),
        ("mysql://mmuser:x@localhost/mattermost", "mysql", False),
        ("host=localhost user=mmuser", "unknown", False),
        ("postgres://mmuser@[::1:5432/x", "unknown", False),
        ("postgres:///mattermost?host=/var/run/postgresql", "postgres", True),
        ("postgres://mmuser@192.0.2.7/mattermost", "postgres", True),
        ("postgres://mmuser@db.example.com/mattermost", "postgres", False),
    ],
)
def test_where_a_database_is(text: str, kind: str, local: bool) -> None:
    found = source_of(text, ("192.0.2.7",), "mattermost")
    assert (found.kind, found.local) == (kind, local)


def test_the_sites_of_an_nginx() -> None:
    served = nginx_sites.sites(NGINX)
    assert [one.names for one in served] == [(NAME,), (NAME,), ("other.example.com",)]
    ours = nginx_sites.of_site(served, NAME)
    assert [one.certificate for one in ours] == ["", "/etc/nginx/ssl/site.crt"]
    assert ours[1].key == "/etc/nginx/ssl/site.key"
    assert ours[1].passes == ("http://backend",)
    assert {one.file for one in ours} == {"/etc/nginx/sites-enabled/mattermost"}


def test_a_site_without_the_name_that_passes_to_the_servers_port() -> None:
    passes = "location / { proxy_pass http://[::1]:8065; }"
    text = f"# configuration file /a:\nserver {{ server_name _; {passes} }}\n"
    assert nginx_sites.of_site(nginx_sites.sites(text), NAME)[0].file == "/a"
    assert nginx_sites.of_site(nginx_sites.sites(""), NAME) == ()
