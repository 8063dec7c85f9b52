"""Health, the client's configuration, and the licence."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

from pg8000.exceptions import DatabaseError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mattermost_standin import FULL_VERSION, VERSION
from mattermost_standin.api import (
    OK,
    ApiError,
    Call,
    Needs,
    Site,
    demand,
    new_id,
    now,
    route,
    session_of,
)
from mattermost_standin.files import folder
from mattermost_standin.log import log
from mattermost_standin.store import Lost, Store

_SIGNATURE = 256  # bytes at the end of a licence
_SHOWN = (
    "ServiceSettings.SiteURL",
    "TeamSettings.SiteName",
    "TeamSettings.EnableOpenServer",
    "TeamSettings.EnableUserCreation",
    "FileSettings.MaxFileSize",
    "FileSettings.EnableFileAttachments",
    "ServiceSettings.EnableLinkPreviews",
)


def ping(call: Call) -> Response:
    """200 without a look at anything; with get_server_status the database and files are tried."""
    answer: dict[str, Any] = {
        "ActiveSearchBackend": "database",
        "AndroidLatestVersion": "",
        "AndroidMinVersion": "",
        "IosLatestVersion": "",
        "IosMinVersion": "",
        "Version": FULL_VERSION,
        "status": "OK",
    }
    if call.query("get_server_status") != "true":
        return JSONResponse(answer)
    answer["database_status"] = _status(_database_works(call.site.store))
    answer["filestore_status"] = _status(files_work(call.site))
    if "UNHEALTHY" in (answer["database_status"], answer["filestore_status"]):
        answer["status"] = "UNHEALTHY"
    return JSONResponse(answer, status_code=200 if answer["status"] == "OK" else 500)


def _status(works: bool) -> str:
    return "OK" if works else "UNHEALTHY"


def _database_works(store: Store) -> bool:
    name = f"DBHealthCheck_{new_id()}"
    try:
        store.rows("INSERT INTO systems VALUES (:name, :value)", name=name, value=str(now()))
        store.rows("DELETE FROM systems WHERE name = :name", name=name)
    except (Lost, DatabaseError) as error:
        log.warning("Unable to write to the database: %s", type(error).__name__)
        return False
    return True


def files_work(site: Site) -> bool:
    """Whether a file can be written to FileSettings.Directory and removed."""
    trial = folder(site) / f"testfile-{new_id()}"
    try:
        trial.parent.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"testfile")
        trial.unlink()
    except OSError as error:
        log.warning("Problem with file storage settings: %s", error.strerror)
        return False
    return True


def client_config(call: Call) -> Any:
    """What a browser learns before anybody has logged in; all values are strings."""
    values = {name.split(".")[1]: _text(call.site.values[name]) for name in _SHOWN}
    licensed = current(call.site) is not None
    return {
        **values,
        "Version": VERSION,
        "BuildNumber": FULL_VERSION,
        "BuildEnterpriseReady": "false",
        "NoAccounts": _text(call.site.store.row("SELECT 1 AS one FROM users LIMIT 1") is None),
        "IsLicensed": _text(licensed),
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def client_licence(call: Call) -> Any:
    licence = current(call.site)
    if licence is None:
        return {"IsLicensed": "false"}
    return {
        "IsLicensed": "true",
        "Id": str(licence.get("id", "")),
        "SkuShortName": str(licence.get("sku_short_name", "")),
    }


async def upload_licence(request: Request) -> Response:
    """Keep a licence. Its signature is not checked: only the vendor's releases have the key."""
    site: Site = request.app.state.site
    demand(await run_in_threadpool(session_of, request, site), Needs.ADMIN)
    async with request.form() as form:
        file = form.get("license")
        text = (
            (await file.read()).decode("ascii", "replace") if isinstance(file, UploadFile) else ""
        )
    if read(text) is None:
        raise ApiError(400, "api.license.add_license.invalid.app_error", "Invalid license file.")
    await run_in_threadpool(_keep, site.store, text)
    return JSONResponse(OK, status_code=201)


def _keep(store: Store, text: str) -> None:
    sql = "INSERT INTO licenses VALUES (:id, :now, :text)"
    store.rows(sql, id=new_id(), now=now(), text=text)


def current(site: Site) -> dict[str, Any] | None:
    """The newest licence that was uploaded or that came with the start, if it is in time."""
    row = site.store.row("SELECT bytes FROM licenses ORDER BY createat DESC LIMIT 1")
    return read(row["bytes"]) if row else None


def read(text: str) -> dict[str, Any] | None:
    """The content of a licence: base64 of JSON and a signature; None where it is none."""
    with suppress(ValueError):
        content = json.loads(base64.b64decode(text.strip(), validate=True)[:-_SIGNATURE])
        in_time = isinstance(content, dict) and content.get("expires_at", 0) > now()
        return content if in_time and "id" in content else None
    return None


def adopt(site: Site, text: str, source: str) -> None:
    """Take over the licence that the operator gave at the start, once."""
    if read(text) is None:
        log.error("Failed to read the license of %s: it is invalid or expired", source)
        return
    if not site.store.row("SELECT 1 AS one FROM licenses WHERE bytes = :text", text=text):
        _keep(site.store, text)
    log.info("License of %s is valid", source)


ROUTES = [
    route("GET", "/system/ping", ping, Needs.NOTHING),
    route("GET", "/config/client", client_config, Needs.NOTHING),
    route("GET", "/license/client", client_licence, Needs.NOTHING),
    Route("/api/v4/license", upload_licence, methods=["POST"]),
]
