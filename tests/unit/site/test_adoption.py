"""The inventory of a server that somebody else installed: its values, their origin, no secret."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mattermost_host.engine.inventory import SiteHost
from mattermost_host.preflight.adoption import Look
from mattermost_host.site import adoption, taking_over
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12, ROCKY_9
from tests.unit.foreign_examples import DATA, foreign, look

RELEASE = {"version": "11.7.9"}
HOST = SiteHost("192.0.2.10", (), {"ssh_user": "root"})


def _written(one: Look, folder: Path) -> tuple[str, Site]:
    made = replace(adoption.adopted(one), tls="")
    text = adoption.inventory(made, one, HOST, RELEASE, "inventory")
    path = folder / "inventory.py"
    path.write_text(text)
    path.chmod(0o644)
    return text, Site.load(path)


def _config(**settings: Any) -> dict[str, Any]:
    return {**foreign().config, **{name.replace("__", "."): one for name, one in settings.items()}}


def test_the_inventory_is_one_and_says_what_was_found(tmp_path: Path) -> None:
    text, site = _written(look(), tmp_path)
    assert (site.settings.url, site.settings.users) == ("https://chat.example.com", 12)
    assert site.settings.mattermost.settings == {"TeamSettings.SiteName": "Ours"}
    assert site.settings.mattermost.max_file_size_mb == 50
    assert site.settings.mattermost.administrator.username == "first"
    assert "# config.json; new installations have another value" in text
    assert "# Odd.Thing is no setting that is known here; it stays in config.json." in text


def test_salts_and_passwords_are_in_the_secrets_only(tmp_path: Path) -> None:
    variables = {"MM_EMAILSETTINGS_SMTPPASSWORD": "w0rd-of-mail", "HTTPS_PROXY": "http://u:pw@p:1"}
    one = look(foreign(environment=variables))
    made = adoption.adopted(one)
    text, _ = _written(one, tmp_path)
    assert {name: each.get_secret_value() for name, each in made.secrets.items()} == {
        "EmailSettings.SMTPPassword": "w0rd-of-mail",
        "SqlSettings.AtRestEncryptKey": "k" * 32,
        "FileSettings.PublicLinkSalt": "s" * 32,
    }
    for secret in ("w0rd-of-mail", "k" * 32, "s" * 32, "h%40rd", "h@rd", "u:pw"):
        assert secret not in text + repr(made)
    assert "HTTPS_PROXY of the old unit may hold a password" in text


def test_variables_of_the_old_unit_are_stated(tmp_path: Path) -> None:
    variables = {
        "MM_TEAMSETTINGS_MAXUSERSPERTEAM": "900",
        "MM_SERVICESETTINGS_SITEURL": "https://by.example.com/",
        "MM_ODD": "1",
        "MM_LICENSE": "of the vendor",
        "NO_PROXY": "localhost",
        "INVOCATION_ID": "1",
    }
    text, site = _written(look(foreign(environment=variables)), tmp_path)
    assert site.settings.mattermost.settings["TeamSettings.MaxUsersPerTeam"] == 900
    assert site.settings.mattermost.environment == {"NO_PROXY": "localhost"}
    assert site.settings.url == "https://by.example.com"
    assert "# MM_LICENSE of the old unit is the licence: write it to a file" in text
    assert "of the vendor" not in text
    assert "# MM_ODD of the old unit is no known setting, and is not carried over." in text


def test_what_the_host_says_is_never_code(tmp_path: Path) -> None:
    odd = {**_config(), 'X.Y\nraise SystemExit("no")\n': 1}
    data = replace(DATA, administrator="a'b")
    one = look(foreign(config=odd, binary="/opt/x\nimport os/bin/mattermost"), data)
    made = replace(adoption.adopted(one), administrator="first", tls="")
    text = adoption.inventory(made, one, HOST, RELEASE, "inventory")
    assert 'raise SystemExit("no")' not in text.splitlines()
    assert "import os/bin/mattermost version`" not in [one.strip() for one in text.splitlines()]
    compile(text, "inventory.py", "exec")


def test_a_url_without_tls_gets_it() -> None:
    plain = foreign(config=_config(ServiceSettings__SiteURL="http://chat.example.com:8065"))
    made = adoption.adopted(look(plain))
    assert made.url == "https://chat.example.com"
    assert "users come by TLS only from now on" in " ".join(made.notes)


def test_a_server_without_a_name_is_refused() -> None:
    with pytest.raises(OperatorError, match="set ServiceSettings"):
        adoption.adopted(look(foreign(config=_config(ServiceSettings__SiteURL=""))))


def test_a_certificate_that_browsers_refuse_is_not_taken() -> None:
    made = adoption.adopted(look(data=replace(DATA, certificate="no PEM", key="none")))
    assert made.tls == "internal-ca"
    assert "/etc/nginx/ssl/site.crt is not taken over" in " ".join(made.notes)


def test_the_program_is_told_what_is_to_be_moved() -> None:
    found = taking_over.old(look(packages=(("mattermost", "11.7.9"), ("nginx", "1"))))
    assert found.proxied
    told = dict(found.found)
    assert told.pop("since")
    assert told == {
        "old_unit": "mattermost.service",
        "old_enabled": "yes",
        "old_user": "mattermost",
        "old_home": "/opt/mattermost",
        "home_owner": "mattermost:mattermost",
        "home_mode": "775",
        "old_role": "mmuser",
        "old_database": "mattermost",
        "config_file": "/opt/mattermost/config/config.json",
        "config_in_database": "no",
        "data_from": "/opt/mattermost/data",
        "apart": "no",
        "nginx_files": "/etc/nginx/sites-enabled/mattermost",
        "vendor_packages": "mattermost",
    }


STREAM = ("15", "/var/lib/pgsql/data", 5432)
OF_PROJECT = ("17", "/var/lib/pgsql/17/data", 5432)


def _on_enterprise_linux(cluster: tuple[str, str, int] = STREAM) -> Look:
    return replace(look(), facts=replace(ROCKY_9, clusters=(cluster,), managed=False, listeners=()))


def test_on_enterprise_linux_the_version_of_the_cluster_is_stated(tmp_path: Path) -> None:
    """A deploy would take the newest stream for the site's."""
    _, site = _written(_on_enterprise_linux(), tmp_path)
    stated = site.settings.postgres
    assert (stated.version, stated.pgdg) == (15, False)
    _, site = _written(_on_enterprise_linux(OF_PROJECT), tmp_path)
    stated = site.settings.postgres
    assert (stated.version, stated.pgdg) == (17, True)
    _, site = _written(look(), tmp_path)
    stated = site.settings.postgres
    assert (stated.version, stated.pgdg) == (None, False)


def test_access_rules_are_given_to_the_cluster_that_runs(tmp_path: Path) -> None:
    """On Enterprise Linux it reads its own file until a deploy gives it another."""
    _, site = _written(_on_enterprise_linux(), tmp_path)
    new = taking_over.new(site, _on_enterprise_linux().facts, "11.7.9-01234567")
    assert new.access.path == "/var/lib/pgsql/data/pg_hba.conf"
    assert "local" in str(new.access.content)
    _, site = _written(_on_enterprise_linux(OF_PROJECT), tmp_path)
    new = taking_over.new(site, _on_enterprise_linux(OF_PROJECT).facts, "11.7.9-01234567")
    assert new.access.path == "/var/lib/pgsql/17/data/pg_hba.conf"
    _, site = _written(look(), tmp_path)
    new = taking_over.new(site, replace(DEBIAN_12, clusters=(("15", "main", 5432),)), "r")
    assert new.access.path == "/etc/postgresql/15/main/pg_hba.conf"


def test_curl_is_not_asked_for_where_it_conflicts() -> None:
    assert taking_over.packages(DEBIAN_12.family) == ["curl", "nftables"]
    wanted = taking_over.packages(ROCKY_9.family)
    assert "curl" not in wanted
    assert {"nftables", "policycoreutils-python-utils"} <= {*wanted}
