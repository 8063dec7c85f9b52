"""Uploaded files: in FileSettings.Directory, known to the database."""

from __future__ import annotations

import mimetypes
import shutil
import struct
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from mattermost_standin.api import (
    ApiError,
    Call,
    Needs,
    Session,
    Site,
    demand,
    forbidden,
    invalid,
    missing,
    new_id,
    now,
    route,
    session_of,
)
from mattermost_standin.channels import member
from mattermost_standin.store import Row

_FORM = 64 * 1024  # bytes that the multipart frame may add to the file
_PNG = b"\x89PNG\r\n\x1a\n"


async def upload(request: Request) -> Response:
    """Files of a multipart form, or the whole body under ?channel_id=…&filename=…"""
    site: Site = request.app.state.site
    session = await run_in_threadpool(session_of, request, site)
    demand(session, Needs.SESSION)
    assert session is not None
    largest = site.values["FileSettings.MaxFileSize"]
    if int(request.headers.get("content-length", "0")) > largest + _FORM:
        raise _too_large()
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _whole_body(request, site, session, largest)
    async with request.form() as form:
        channel_id = form.get("channel_id") or request.query_params.get("channel_id")
        found = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not found or not isinstance(channel_id, str):
            raise invalid("files")
        if any((file.size or 0) > largest for file in found):
            raise _too_large()
        infos = [
            await run_in_threadpool(keep, site, session, channel_id, file.filename or "", file.file)
            for file in found
        ]
        client_ids = [value for value in form.getlist("client_ids") if isinstance(value, str)]
    return JSONResponse({"file_infos": infos, "client_ids": client_ids}, status_code=201)


async def _whole_body(request: Request, site: Site, session: Session, largest: int) -> Response:
    from tempfile import TemporaryFile

    query, size = request.query_params, 0
    with TemporaryFile() as spool:
        async for block in request.stream():
            size += len(block)
            if size > largest:
                raise _too_large()
            spool.write(block)
        spool.seek(0)
        name, channel_id = query.get("filename", ""), query.get("channel_id", "")
        shown = await run_in_threadpool(keep, site, session, channel_id, name, spool)
    return JSONResponse({"file_infos": [shown], "client_ids": []}, status_code=201)


def keep(site: Site, session: Session, channel_id: str, name: str, source: BinaryIO) -> Any:
    """Store one file and return what the API shows of it."""
    if not session.admin and not member(site.store, channel_id, session.user_id):
        raise forbidden()
    name = PurePosixPath(name.replace("\\", "/")).name or "file"
    file_id, day = new_id(), datetime.now(timezone.utc).strftime("%Y%m%d")
    place = f"{day}/teams/noteam/channels/{channel_id}/users/{session.user_id}/{file_id}/{name}"
    target = folder(site) / place
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError:
        name = "app.upload.upload_data.first_part_too_small.app_error"
        raise ApiError(500, name, "Encountered an error writing the file.") from None
    width, height = _dimensions(target)
    rows = site.store.rows(
        "INSERT INTO fileinfo (id, creatorid, channelid, createat, path, name, extension, size, "
        "mimetype, width, height) VALUES (:id, :user, :channel, :now, :path, :name, :extension, "
        ":size, :mime, :width, :height) RETURNING *",
        id=file_id,
        user=session.user_id,
        channel=channel_id,
        now=now(),
        path=place,
        name=name,
        extension=target.suffix.lstrip("."),
        size=target.stat().st_size,
        mime=_mime(name),
        width=width,
        height=height,
    )
    return info(rows[0])


def download(call: Call) -> Response:
    """The bytes, for members of the channel and administrators."""
    sql = "SELECT * FROM fileinfo WHERE id = :id AND deleteat = 0"
    row = call.site.store.row(sql, id=call.path["file_id"])
    if not row:
        raise missing("file_info")
    if not call.me.admin and not member(call.site.store, row["channelid"], call.me.user_id):
        raise forbidden()
    path = folder(call.site) / row["path"]
    if not path.exists():
        raise ApiError(404, "api.file.read_file.app_error", "Unable to read the file.")
    headers = {"Cache-Control": "private, max-age=2592000"}
    return FileResponse(path, media_type=row["mimetype"], filename=row["name"], headers=headers)


def folder(site: Site) -> Path:
    """FileSettings.Directory, by the working directory where it is relative."""
    return Path(site.values["FileSettings.Directory"]).absolute()


def info(row: Row) -> dict[str, Any]:
    """What the API shows of a file."""
    return {
        "id": row["id"],
        "user_id": row["creatorid"],
        "post_id": row["postid"],
        "channel_id": row["channelid"],
        "create_at": row["createat"],
        "update_at": row["createat"],
        "delete_at": row["deleteat"],
        "name": row["name"],
        "extension": row["extension"],
        "size": row["size"],
        "mime_type": row["mimetype"],
        "width": row["width"],
        "height": row["height"],
        "has_preview_image": False,
    }


def _dimensions(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        head = file.read(24)
    if head[:8] == _PNG and len(head) == 24:
        width, height = struct.unpack(">II", head[16:])
        return width, height
    return 0, 0


def _mime(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _too_large() -> ApiError:
    name = "api.file.upload_file.too_large_detailed.app_error"
    return ApiError(413, name, "Unable to upload file. File is too large.")


ROUTES = [
    Route("/api/v4/files", upload, methods=["POST"]),
    route("GET", "/files/{file_id}", download),
]
