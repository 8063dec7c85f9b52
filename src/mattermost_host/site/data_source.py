"""How the server reaches its database: on its own host, through HAProxy, or where a DSN says."""

from dataclasses import replace

from pydantic import SecretStr

from mattermost_host.components import mattermost, postgres
from mattermost_host.knowledge.dsn import Dsn
from mattermost_host.knowledge.postgresql_sizing import Pool
from mattermost_host.ops.postgresql_service import SOCKET_FOLDER
from mattermost_host.site.settings import Description

VERIFIED = {"sslmode": "verify-full"}


def external(settings: Description) -> Dsn | None:
    """The external database; None if the site has its own. TLS is verified by default."""
    if settings.postgres.dsn is None:
        return None
    dsn = Dsn.parse(settings.postgres.dsn)
    defaults = dict(VERIFIED)
    if settings.postgres.ca_certificate:
        defaults["sslrootcert"] = mattermost.DATABASE_CA_FILE
    return replace(dsn, parameters=tuple({**defaults, **dict(dsn.parameters)}.items()))


def data_source(settings: Description, password: SecretStr | None, *, clustered: bool) -> SecretStr:
    """The value of ``SqlSettings.DataSource``."""
    dsn = external(settings)
    if clustered:
        # The database's certificates are valid for 127.0.0.1, where HAProxy listens.
        place = f"postgres://{postgres.NAME}@127.0.0.1:{postgres.PORT}/{postgres.NAME}"
        verified = {**VERIFIED, "sslrootcert": mattermost.DATABASE_CA_FILE}
        dsn = replace(Dsn.parse(place), parameters=tuple(verified.items()))
    if dsn is None:
        return SecretStr(f"postgres:///{postgres.NAME}?host={SOCKET_FOLDER}")
    return dsn.with_password(password)


def pool(settings: Description) -> Pool:
    """The connections that the server may open."""
    stated = settings.mattermost.settings.get("SqlSettings.MaxOpenConns")
    return Pool(max_open=stated) if isinstance(stated, int) else Pool()
