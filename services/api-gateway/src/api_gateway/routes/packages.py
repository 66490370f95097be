"""Packages: files for agents, published under name, version, platform and architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from api_gateway.compose import packages as compose
from api_gateway.models import packages as views
from api_gateway.models.paging import NoQuery
from api_gateway.models.system import Message
from api_gateway.paging import next_link
from api_gateway.permissions import Permission
from api_gateway.registry import Answer, Call, Registry

if TYPE_CHECKING:
    from aiohttp import web

routes = Registry()

_TAG = "packages"
_ROOT = "/api/v1/packages"
_NAMES = f"{_ROOT}/names/{{name}}"
_UPLOADS = f"{_ROOT}/uploads"
_UPLOAD = f"{_UPLOADS}/{{upload_id}}"
_ONE = f"{_ROOT}/{{id}}"
_MADE = 201

_TEXT = {"type": "string"}
_BINARY = {"type": "string", "format": "binary"}
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file", "name", "version", "platform", "arch"],
    "properties": {
        "file": _BINARY,
        "name": {**_TEXT, "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"},
        "version": {**_TEXT, "description": "Semantic version.", "maxLength": 64},
        "platform": {**_TEXT, "enum": ["linux", "windows", "darwin"]},
        "arch": {**_TEXT, "enum": ["amd64", "arm64", "386", "arm", "any"]},
        "type": {**_TEXT, "enum": ["top_level", "addon"]},
        "description": {**_TEXT, "maxLength": 1024},
        "sha256": {**_TEXT, "description": "Of the file, hexadecimal; compared with what arrives."},
    },
}


@routes.route(
    "GET",
    _ROOT,
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    query=views.PackageQuery,
    answers={200: views.PackagePage},
    errors=(422,),
)
async def list_packages(call: Call[views.PackageQuery, None]) -> Answer:
    """List published files, newest first unless sorted otherwise."""
    query = call.query
    reply = await call.parts.packages.list_packages(call.tenant_id, query)
    page = compose.package_page_view(reply, limit=query.limit, offset=query.offset)
    cursor = page["next_cursor"]
    return Answer(page, headers={"Link": next_link(call.url_path, call.url_query, cursor)} if cursor else {})


@routes.route(
    "POST",
    _ROOT,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    transfer=True,
    consumes={"multipart/form-data": _FORM},
    answers={201: views.Package, 200: views.Package},
    errors=(409,),
)
async def upload_package(call: Call[NoQuery, None]) -> Answer:
    """
    Upload a file and publish it, in one form; its fields may come in any order.

    200 when this very content is published there already; 409 when another one is, which then stays as it is.
    Long files are better sent by POST /api/v1/packages/uploads: that goes on where it broke off.
    """
    made = await call.parts.package_transfer.send(call.principal, "POST", "/internal/packages", call.request)
    return await _published(call, made)


@routes.route(
    "GET", f"{_ROOT}/statistics", permission=Permission.PACKAGE_READ, tag=_TAG, answers={200: views.PackageStatistics}
)
async def get_package_statistics(call: Call[NoQuery, None]) -> Answer:
    """Count packages, bytes and downloads."""
    return Answer(compose.statistics_view(await call.parts.packages.statistics(call.tenant_id)))


@routes.route(
    "POST",
    _UPLOADS,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    body=views.NewUpload,
    answers={201: views.UploadBegun, 200: views.UploadBegun},
    errors=(409,),
)
async def begin_upload(call: Call[NoQuery, views.NewUpload]) -> Answer:
    """
    Begin an upload in parts.

    Then PUT the bytes from the offset it stands at, as often as it takes, and POST …/complete. 200 with the package
    when its sha256 was given and this content is published already.
    """
    reply = await call.parts.packages.begin_upload(call.tenant_id, call.body, call.principal.username)
    begun = compose.begun_view(reply)
    if begun["upload"] is None:
        return Answer(begun)
    return Answer(begun, status=_MADE, headers={"Location": f"{_UPLOADS}/{begun['upload']['id']}"})


@routes.route(
    "GET",
    _UPLOAD,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    answers={200: views.Upload},
    errors=(404,),
)
async def get_upload(call: Call[NoQuery, None]) -> Answer:
    """Tell where an upload stands: after a broken connection, go on from its offset."""
    return Answer(compose.upload_view(await call.parts.packages.get_upload(call.tenant_id, call.path["upload_id"])))


@routes.route(
    "PUT",
    _UPLOAD,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    query=views.OffsetQuery,
    transfer=True,
    consumes={"application/octet-stream": _BINARY},
    answers={200: views.UploadOffset},
    errors=(404, 409),
)
async def send_upload_bytes(call: Call[views.OffsetQuery, None]) -> Answer:
    """
    Send bytes of an upload.

    Any number; what does not fill a part is kept only where the file ends. 409 with the right offset when the
    upload stands elsewhere.
    """
    path = f"/internal/uploads/{quote(call.path['upload_id'], safe='')}"
    said = await call.parts.package_transfer.send(
        call.principal, "PUT", path, call.request, offset=str(call.query.offset)
    )
    where: views.UploadOffset = {"id": said["id"], "offset": said["offset"]}
    return Answer(where)


@routes.route(
    "POST",
    f"{_UPLOAD}/complete",
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    body=views.UploadEnd,
    body_required=False,
    transfer=True,
    answers={201: views.Package, 200: views.Package},
    errors=(404, 409),
)
async def complete_upload(call: Call[NoQuery, views.UploadEnd]) -> Answer:
    """
    Publish an upload once every byte is there; repeating it is safe.

    200 when this very content was published there before.
    """
    path = f"/internal/uploads/{quote(call.path['upload_id'], safe='')}/complete"
    made = await call.parts.package_transfer.ask(call.principal, path, {"sha256": call.body.sha256})
    return await _published(call, made)


@routes.route(
    "DELETE",
    _UPLOAD,
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    answers={200: Message},
    errors=(404, 409),
)
async def give_up_upload(call: Call[NoQuery, None]) -> Answer:
    """End an upload that will not be completed; its bytes are removed."""
    await call.parts.packages.give_up_upload(call.tenant_id, call.path["upload_id"])
    message: Message = {"message": "upload given up"}
    return Answer(message)


@routes.route(
    "GET",
    f"{_NAMES}/versions",
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    answers={200: views.PackageVersions},
    errors=(404, 422),
)
async def list_package_versions(call: Call[NoQuery, None]) -> Answer:
    """List every file of a package, newest version first as semantic versioning orders them."""
    name = call.path["name"]
    return Answer(compose.versions_view(name, await call.parts.packages.list_versions(call.tenant_id, name)))


@routes.route(
    "GET",
    f"{_NAMES}/latest",
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    query=views.LatestQuery,
    answers={200: views.Package},
    errors=(404, 422),
)
async def get_latest_package(call: Call[views.LatestQuery, None]) -> Answer:
    """Find the newest active file of a package for a platform and architecture."""
    found = await call.parts.packages.latest(call.tenant_id, call.path["name"], call.query)
    return Answer(compose.package_view(found))


@routes.route("GET", _ONE, permission=Permission.PACKAGE_READ, tag=_TAG, answers={200: views.Package}, errors=(404,))
async def get_package(call: Call[NoQuery, None]) -> Answer:
    """Get one published file's data."""
    return Answer(compose.package_view(await call.parts.packages.get(call.tenant_id, call.path["id"])))


@routes.route(
    "GET",
    f"{_ONE}/download",
    permission=Permission.PACKAGE_READ,
    tag=_TAG,
    transfer=True,
    answers={200: "application/octet-stream", 206: "application/octet-stream", 304: None, 307: None, 416: None},
    errors=(404,),
)
async def download_package(call: Call[NoQuery, None]) -> web.StreamResponse:
    """
    Download a file, or a range of it.

    ETag and Digest are of its content, which is verified while it is read: an answer that is complete is right.
    """
    path = f"/internal/files/{quote(call.path['id'], safe='')}"
    return await call.parts.package_transfer.fetch(call.principal, path, call.request)


@routes.route("DELETE", _ONE, permission=Permission.PACKAGE_DELETE, tag=_TAG, answers={200: Message}, errors=(404, 409))
async def delete_package(call: Call[NoQuery, None]) -> Answer:
    """Unpublish a file; 409 while it is offered, with what offers it."""
    await call.parts.packages.delete(call.tenant_id, call.path["id"], call.principal.username)
    message: Message = {"message": "package deleted successfully"}
    return Answer(message)


async def _set_active(call: Call[NoQuery, None], *, active: bool) -> Answer:
    file = await call.parts.packages.set_active(call.tenant_id, call.path["id"], call.principal.username, active=active)
    return Answer(compose.package_view(file))


@routes.route(
    "POST",
    f"{_ONE}/activate",
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    answers={200: views.Package},
    errors=(404,),
)
async def activate_package(call: Call[NoQuery, None]) -> Answer:
    """Let agents have a file (again)."""
    return await _set_active(call, active=True)


@routes.route(
    "POST",
    f"{_ONE}/deactivate",
    permission=Permission.PACKAGE_WRITE,
    tag=_TAG,
    answers={200: views.Package},
    errors=(404, 409),
)
async def deactivate_package(call: Call[NoQuery, None]) -> Answer:
    """Let agents not have a file any more; people still can. 409 while it is offered, with what offers it."""
    return await _set_active(call, active=False)


async def _published(call: Call[Any, Any], made: Any) -> Answer:
    file = await call.parts.packages.get(call.tenant_id, made["id"])
    headers = {"Location": f"{_ROOT}/{file.id}"} if made["status"] == _MADE else {}
    return Answer(compose.package_view(file), status=made["status"], headers=headers)
