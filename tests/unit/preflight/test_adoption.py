"""Which servers can be adopted and taken over, and in which words others are refused."""

from dataclasses import replace
from typing import Any

import pytest

from mattermost_host.facts.host import Listener
from mattermost_host.preflight import adoption, adoption_refusals, take_over
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12, ROCKY_9
from tests.unit.foreign_examples import CONFIG, DATA, foreign, look


def _config(**settings: Any) -> dict[str, Any]:
    return {**foreign().config, **{name.replace("__", "."): one for name, one in settings.items()}}


def test_an_installation_by_hand_can_be_taken_over() -> None:
    found = list(adoption.judge(look()))
    assert {one.verdict for one in found} <= {"ok", "note", "warning"}
    assert {one.name for one in found} <= set(adoption.MEANINGS)
    said = " ".join(one.found for one in found)
    assert "NGINX serves it by /etc/nginx/sites-enabled/mattermost" in said
    assert "NGINX has other sites: other.example.com" in said
    assert CONFIG["SqlSettings"]["AtRestEncryptKey"] not in said


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (look(foreign(units=(*foreign().units, ("b.service", "active", "/b")))), "b.service"),
        (look(foreign(home_link="/opt/mm-11")), "is a link to /opt/mm-11"),
        (look(data=replace(DATA, answered=False)), "does not answer"),
        (look(data=replace(DATA, encoding="SQL_ASCII")), "its encoding is SQL_ASCII"),
        (look(data=replace(DATA, collation="C")), "it is sorted by C"),
        (look(data=replace(DATA, superuser=True)), "its role mmuser is a superuser"),
        (look(data=replace(DATA, databases=("mattermost", "wiki"))), "nobody would reach: wiki"),
        (look(clusters=()), "it is not in the host's only cluster"),
        (
            look(clusters=(("15", "chat", 5432),)),
            "it is in the cluster 15/chat, and a deploy keeps one that is named main",
        ),
        (
            look(data=replace(DATA, data_folder="/srv/pg")),
            "its data are in /srv/pg, and a deploy looks for them in /var/lib/postgresql/15/main",
        ),
        (
            look(data=replace(DATA, access="/srv/pg_hba.conf")),
            "its access rules are in /srv/pg_hba.conf, and a deploy looks for them in "
            "/etc/postgresql/15/main/pg_hba.conf",
        ),
        (look(data=replace(DATA, folder="")), "the folder of uploaded files is not there"),
        (look(data=replace(DATA, free_mb=100)), "100 MB free"),
        (
            look(foreign(config=_config(FileSettings__DriverName="amazons3"))),
            "files are kept elsewhere: amazons3",
        ),
        (look(foreign(config=_config(ClusterSettings__Enable=True))), "one of several servers"),
        (
            look(foreign(config=_config(SqlSettings__DataSourceReplicas=["postgres://r/m"]))),
            "it has replicas",
        ),
        (
            look(foreign(config=_config(ServiceSettings__ConnectionSecurity="TLS"))),
            "the server terminates TLS itself",
        ),
        (
            look(listeners=(Listener("tcp", "0.0.0.0", 443, "haproxy"),)),
            "haproxy listens on port 443",
        ),
    ],
)
def test_what_is_in_the_way_is_an_error(one: adoption.Look, words: str) -> None:
    errors = [each for each in adoption.judge(one) if each.verdict == "error"]
    assert words in " ".join(each.found for each in errors)
    assert all(each.remedy or "folder" in each.found for each in errors)


def test_what_would_be_lost_by_setting_its_folder_aside_is_said() -> None:
    settings = {
        "ServiceSettings.LicenseFileLocation": "/opt/mattermost/config/licence",
        "LdapSettings.PublicCertificateFile": "/opt/mattermost/ldap.pem",
        "FileSettings.Directory": "/opt/mattermost/data/",
    }
    one = look(foreign(config={**foreign().config, **settings}))
    said = [each.found for each in adoption.judge(one) if each.verdict == "warning"]
    assert "its licence is a file on the host: /opt/mattermost/config/licence" in said
    assert (
        "these lead into the folder that is set aside: LdapSettings.PublicCertificateFile" in said
    )


def test_a_database_on_another_host_stays_there() -> None:
    elsewhere = foreign(
        config=_config(SqlSettings__DataSource="postgres://m:p@db.example.com/mattermost")
    )
    (found,) = (one for one in adoption.judge(look(elsewhere)) if one.name == "adopt-database")
    assert (found.verdict, "on another host, db.example.com" in found.found) == ("error", True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"units": ()}, "no unit of systemd runs bin/mattermost"),
        ({"unit": ""}, "does not run (mattermost.service): start it"),
        ({"version": ""}, "names no release"),
        ({"version": "5.36.0"}, "releases from 5.37 to"),
        ({"version": "99.1.0"}, "is release 99.1.0"),
        ({"config": {}}, "config.json on chat can't be found"),
        ({"config": _config(SqlSettings__DriverName="mysql")}, "has its data in MySQL"),
        ({"config": _config(SqlSettings__DataSource="m:p@tcp(db)/m")}, "has its data in MySQL"),
    ],
)
def test_a_server_that_is_refused_at_once(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OperatorError, match=r".") as refused:
        adoption_refusals.refuse_server("chat", foreign(**changes), managed=False)
    assert words in str(refused.value)


def test_systems_on_which_no_server_is_adopted() -> None:
    for system, words in (
        (replace(DEBIAN_12, distribution="debian", release="10"), "debian 10"),
        (replace(DEBIAN_12, distribution="plan9", release="4"), "plan9 4"),
    ):
        with pytest.raises(OperatorError) as refused:
            adoption_refusals.refuse_system(system)
        assert words in str(refused.value)
    for system in (DEBIAN_12, ROCKY_9):
        adoption_refusals.refuse_system(system)


def test_which_other_sites_stay() -> None:
    for system, folders in ((DEBIAN_12, "conf.d and sites-enabled"), (ROCKY_9, "conf.d")):
        found = adoption.judge(replace(look(), facts=system))
        (said,) = (each for each in found if "NGINX has other sites" in each.found)
        assert said.remedy == f"Those in {folders} stay, and no others."


def test_a_package_that_no_vendor_has_is_to_be_forgotten_first() -> None:
    packages = (("mattermost", "11.7.9"), ("postgresql-server", "16.4"))
    for system, verdict, words in (
        (DEBIAN_12, "note", "without their scripts"),
        (ROCKY_9, "error", "mattermost: the vendor has no such package for Enterprise Linux"),
    ):
        one = replace(look(), facts=replace(system, packages=packages))
        (found,) = (each for each in adoption.judge(one) if each.name == "adopt-packages")
        assert (found.verdict, words in found.found) == (verdict, True)
    assert "`rpm -e --justdb --noscripts mattermost`" in found.remedy


@pytest.mark.parametrize(("version", "errors"), [("1.26.2-1.el9.ngx", 1), ("1.20.1-20.el9", 0)])
def test_a_deploy_can_not_replace_the_nginx_of_nginx_org(version: str, errors: int) -> None:
    one = replace(look(), facts=replace(ROCKY_9, packages=(("nginx", version),)))
    found = [
        each
        for each in adoption.judge(one)
        if (each.name, each.verdict) == ("adopt-proxy", "error")
    ]
    assert ["is of nginx.org" in each.found for each in found] == [True] * errors


IN_ITS_PLACE = "/var/lib/pgsql/data"


@pytest.mark.parametrize(
    ("version", "folder", "stays"),
    [
        ("16", IN_ITS_PLACE, True),
        ("13", IN_ITS_PLACE, False),
        ("17", IN_ITS_PLACE, False),
        ("17", "/var/lib/pgsql/17/data", True),
        ("13", "/var/lib/pgsql/13/data", False),
        ("16", "/srv/pgsql", False),
        ("unknown", IN_ITS_PLACE, False),
    ],
)
def test_on_enterprise_linux_the_cluster_is_one_that_a_deploy_keeps(
    version: str, folder: str, stays: bool
) -> None:
    one = replace(look(), facts=replace(ROCKY_9, clusters=((version, folder, 5432),)))
    said = [each for each in adoption.judge(one) if "it is PostgreSQL" in each.found]
    assert [each.found for each in said] == (
        []
        if stays
        else [
            f"it is PostgreSQL {version} in {folder}, and a deploy keeps the distribution's "
            "15 or 16 in /var/lib/pgsql/data, or one of the PostgreSQL project, 14 to 18, in its "
            "package's folder"
        ]
    )
    assert all("by a dump" in each.remedy for each in said)


def test_only_sites_on_one_host_take_a_server_over() -> None:
    every = ("app", "db", "proxy")
    take_over.refuse(hosts=1, roles=every, local_database=True)
    for wrong in (
        {"hosts": 2, "roles": every, "local_database": True},
        {"hosts": 1, "roles": every, "local_database": False},
        {"hosts": 1, "roles": ("app",), "local_database": True},
    ):
        with pytest.raises(OperatorError, match="several hosts, or an external database"):
            take_over.refuse(**wrong)  # type: ignore[arg-type]


def test_the_release_stays_the_same() -> None:
    assert take_over.release(look(), "11.7.9").verdict == "ok"
    other = take_over.release(look(), "11.10.0")
    assert (other.verdict, "State 11.7.9" in other.remedy) == ("error", True)
