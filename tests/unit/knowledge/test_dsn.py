"""Data source names: what is understood, what is refused, and no sentence with a password in it."""

import pytest
from pydantic import SecretStr

from mattermost_host.knowledge.dsn import Dsn, dsn_mistakes

RIGHT = (
    "postgres://mmuser@db.example.com:5433/mattermost?sslmode=verify-full&sslrootcert=/etc/ca.pem"
)


def _sentences(text: str) -> list[str]:
    return [str(one) for one in dsn_mistakes(text, "postgres.dsn", "single.secrets.toml")]


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        "postgresql://mmuser@db/mattermost",
        "postgres://mm%40user@[fd00::5]/matter%20most?sslmode=require&connect_timeout=10",
        "postgres://mmuser@127.0.0.1/mattermost?sslmode=disable",
        "postgres://mmuser@[::1]/mattermost?sslmode=disable",
    ],
)
def test_right_ones_have_no_mistake(text: str) -> None:
    assert _sentences(text) == []


def test_parts() -> None:
    dsn = Dsn.parse(RIGHT)
    assert (dsn.user, dsn.host, dsn.port, dsn.database) == (
        "mmuser",
        "db.example.com",
        5433,
        "mattermost",
    )
    assert (dsn.sslmode, dsn.parameter("sslrootcert")) == ("verify-full", "/etc/ca.pem")
    assert not dsn.loopback
    plain = Dsn.parse("postgres://mm%40user@[fd00::5]/matter%20most")
    assert (plain.user, plain.host, plain.port, plain.database) == (
        "mm@user",
        "fd00::5",
        5432,
        "matter most",
    )
    assert plain.sslmode == "require"


@pytest.mark.parametrize("text", [RIGHT, "postgres://mm%40u@[fd00::5]:5432/a%20b?sslmode=require"])
def test_password_is_encoded_and_the_rest_stays(text: str) -> None:
    whole = Dsn.parse(text).with_password(SecretStr("p@ss/w#rd%?é"))
    assert "p@ss" not in f"{whole} {whole!r}"
    encoded = text.replace("@", ":p%40ss%2Fw%23rd%25%3F%C3%A9@", 1)
    assert whole.get_secret_value() == encoded
    assert Dsn.parse(text).with_password(None).get_secret_value() == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "mysql://mmuser@db/mattermost",
            "postgres.dsn: found a MySQL data source; Mattermost 11 speaks PostgreSQL only: "
            "migrate the database first, then write "
            "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "mmuser:hunter2@tcp(db:3306)/mattermost",
            "postgres.dsn: found a MySQL data source; Mattermost 11 speaks PostgreSQL only: "
            "migrate the database first, then write "
            "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "host=db password=hunter2",
            "postgres.dsn: found a value that is not a PostgreSQL URL; write it like "
            "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "postgres://mmuser:hunter2@db/mattermost",
            "postgres.dsn: found a password in the inventory; remove it here and write "
            'database_password = "…" into single.secrets.toml (or set '
            "MATTERMOST_HOST_DATABASE_PASSWORD)",
        ),
        (
            "postgres://mmuser@db/mattermost?password=hunter2",
            "postgres.dsn: found a password in the inventory; remove it here and write "
            'database_password = "…" into single.secrets.toml (or set '
            "MATTERMOST_HOST_DATABASE_PASSWORD)",
        ),
        (
            "postgres://db/mattermost",
            "postgres.dsn: found no user; name the database role before the host, like "
            "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "postgres://mmuser@/mattermost",
            "postgres.dsn: found no host; an external database is reached over TCP: name its "
            "host, like postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "postgres://mmuser@one,two/mattermost",
            "postgres.dsn: found several hosts; the server's driver takes one: use one address "
            "that always leads to the primary",
        ),
        (
            "postgres://mmuser@db:70000/mattermost",
            "postgres.dsn: found an invalid port; correct it, or leave it out for 5432",
        ),
        (
            "postgres://mmuser@db",
            "postgres.dsn: found no database; name one after the host, like "
            "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "postgres://mmuser@db/a/b",
            "postgres.dsn: found a database name with a slash; name one after the host, "
            "like postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
        (
            "postgres://mm%user@db/mattermost",
            "postgres.dsn: found an invalid percent-encoding; for a percent sign write %25",
        ),
        (
            "postgres://mmuser@db/matter#most",
            "postgres.dsn: found a '#'; in a user or database name write %23",
        ),
        (
            "postgres://mmuser@db/mattermost?sslmode=prefer",
            "postgres.dsn: found an unknown sslmode; the server's driver knows disable, require, "
            "verify-ca, verify-full",
        ),
        (
            "postgres://mmuser@db/mattermost?sslmode=disable",
            "postgres.dsn: found sslmode=disable; passwords and messages would cross the network "
            "in the clear: write sslmode=verify-full and sslrootcert=/path (disable is for "
            "loopback only)",
        ),
        (
            "postgres://mmuser@db/mattermost?sslMode=require",
            "postgres.dsn: found an unknown parameter, number 1 behind the question mark; "
            "remove it; known parameters are sslmode, sslrootcert, sslcert, sslkey, "
            "connect_timeout, application_name, binary_parameters, search_path",
        ),
        (
            "postgres://mmuser@db/mattermost?sslmode=require&sslmode=verify-full",
            "postgres.dsn: found the parameter 'sslmode' 2 times; give it once",
        ),
        (
            "postgres://mmuser@[db/mattermost",
            "postgres.dsn: found an invalid IPv6 address in brackets; write it like "
            "postgres://mmuser@db.example.com:5432/mattermost?sslmode=verify-full",
        ),
    ],
)
def test_each_mistake_has_its_sentence(text: str, sentence: str) -> None:
    assert _sentences(text) == [sentence]


def test_all_mistakes_at_once_without_the_password() -> None:
    found = _sentences("postgres://:hunter2@db:0/?sslmode=allow&x=1")
    assert len(found) == 6
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    "text",
    ["postgres://u:a/hunter2@h/d", "postgres://u:hunter2/x@h/d", "postgres://u@h/d?sslmode=hunter2",
     "postgres://u:hunter2#x@h/d", "postgres://u:hunter2?x@h/d", "postgres://u:[hunter2@h/d",
     "postgres://u:x?hunter2@h/d", "postgres://u:x?hunter2=y@h/d", "postgres://u:x&hunter2@h/d",
     "postgres://u@h/d?password=x&hunter2", "postgres://u@h/d?hunter2", "postgres://u:x#hunter2@h/d",
     "postgres://u:x?y=z&hunter2@h/d", "postgres://hunter2@h:x/d?hunter2"],
)  # fmt: skip
def test_no_sentence_shows_a_password(text: str) -> None:
    found = [str(one) for one in dsn_mistakes(text, "postgres.dsn", "s.toml")]
    assert found
    assert "hunter2" not in "".join(found)
