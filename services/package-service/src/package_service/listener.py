"""
The HTTP listener: bytes of files, in from api-gateway, out to api-gateway and to agents. Everything else is on the bus.

    GET  /v1/files/{file_id}                    agents, with their own credential or the ticket of an offer
    POST /internal/packages                     api-gateway, with a ticket: a form with a file
    PUT  /internal/uploads/{id}?offset=N        api-gateway: bytes of an upload
    POST /internal/uploads/{id}/complete        api-gateway: publish it
    GET  /internal/files/{file_id}              api-gateway: a person downloads
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web

from package_service import wire
from package_service.agent_access import token_of
from package_service.downloads import count_outcome, outcome_of
from package_service.errors import BlobDoubted, DownloadRefused, StoreAway
from package_service.file_tickets import is_ticket
from package_service.forms import FormReader
from package_service.ranges import Unsatisfiable, bytes_asked, is_current
from servicekit.errors import Invalid, Problem
from servicekit.web import MIDDLEWARES, json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from package_service.agent_access import AgentAccess
    from package_service.bounds import Lane
    from package_service.downloads import Downloads
    from package_service.file_store import File
    from package_service.file_tickets import FileTickets
    from package_service.tickets import Bearer, Tickets
    from package_service.uploads import Uploads

log = structlog.get_logger()

READ_BYTES = 256 * 1024
MAX_COMPLETION_BODY = 4096


class Listener:
    """
    Answers requests.

    Args:
        uploads: Takes files in.

        downloads: Gives files out.

        tickets: Believes api-gateway.

        agents: Believes agents.

        file_tickets: Believes the tickets offers carry.

        up: Uploads that may run at once.

        down: Downloads that may run at once.

        idle_seconds: A transfer that moves nothing for so long ends.

        presigned_seconds: How long an address of the object store works; 0 = files pass through here.
    """

    def __init__(
        self,
        uploads: Uploads,
        downloads: Downloads,
        tickets: Tickets,
        agents: AgentAccess,
        file_tickets: FileTickets,
        *,
        up: Lane,
        down: Lane,
        idle_seconds: float,
        presigned_seconds: int = 0,
    ) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._tickets = tickets
        self._agents = agents
        self._file_tickets = file_tickets
        self._up = up
        self._down = down
        self._idle_seconds = idle_seconds
        self._presigned_seconds = presigned_seconds

    def application(self) -> web.Application:
        """Build the application."""
        app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_COMPLETION_BODY)
        app.add_routes(
            [
                web.get("/v1/files/{file_id}", self.download_by_agent),
                web.post("/internal/packages", self.upload_form),
                web.put("/internal/uploads/{upload_id}", self.upload_bytes),
                web.post("/internal/uploads/{upload_id}/complete", self.complete),
                web.get("/internal/files/{file_id}", self.download_by_person),
            ]
        )
        return app

    async def upload_form(self, request: web.Request) -> web.Response:
        """Take a whole file with what it is, as a form; 201 when it is new, 200 when it was there."""
        bearer = await self._bearer(request)
        with self._up.taken():
            reader = FormReader(self._uploads, bearer, idle_seconds=self._idle_seconds, read_bytes=READ_BYTES)
            form = await reader.take(request)
        return json_response(wire.file_view(form.file), status=201 if form.made else 200)

    async def upload_bytes(self, request: web.Request) -> web.Response:
        """Take bytes of an upload; answers where it stands then."""
        bearer = await self._bearer(request)
        upload = await self._uploads.get(bearer.tenant_id, wire.upload_id_of(request.match_info["upload_id"]))
        with self._up.taken():
            upload, _ = await self._uploads.receive(upload, _offset(request), self._body(request))
        return json_response({"id": str(upload.upload_id), "offset": upload.stored})

    async def complete(self, request: web.Request) -> web.Response:
        """Publish an upload; 201 when its file is new, 200 when it was there."""
        bearer = await self._bearer(request)
        upload = await self._uploads.get(bearer.tenant_id, wire.upload_id_of(request.match_info["upload_id"]))
        async with asyncio.timeout(self._idle_seconds):
            raw = await request.read()
        told = orjson.loads(raw) if raw else {}
        with self._up.taken():
            file, made = await self._uploads.complete(upload, sha256=wire.digest_of_text(str(told.get("sha256", ""))))
        return json_response(wire.file_view(file), status=201 if made else 200)

    async def download_by_person(self, request: web.Request) -> web.StreamResponse:
        """Give a file to api-gateway, for somebody it knows."""
        bearer = await self._bearer(request)
        file_id = wire.file_id_of(request.match_info["file_id"])
        file = await self._downloads.find(bearer.tenant_id, file_id, for_agent=False)
        return await self._give(request, file, "user")

    async def download_by_agent(self, request: web.Request) -> web.StreamResponse:
        """Give a file to an agent that shows its own credential, or the ticket of an offer."""
        file_id = wire.file_id_of(request.match_info["file_id"])
        tenant_id = await self._tenant_of(request, file_id)
        file = await self._downloads.find(tenant_id, file_id, for_agent=True)
        return await self._give(request, file, "agent")

    async def _tenant_of(self, request: web.Request, file_id: UUID) -> str:
        token = token_of(request.headers)
        if is_ticket(token):
            return self._file_tickets.check(token, file_id, datetime.now(UTC))
        return await self._agents.tenant_of(request.headers, request.remote or "")

    async def _give(self, request: web.Request, file: File, who: str) -> web.StreamResponse:
        headers = _headers_of(file)
        if request.headers.get("If-None-Match", "") in {headers["ETag"], "*"}:
            return web.Response(status=304, headers=headers)
        address = await self._downloads.address(file, self._presigned_seconds) if self._presigned_seconds else ""
        if address and not (who == "agent" and _keeps_credential(request, address)):
            await self._downloads.count(file)
            count_outcome(who, "redirected", 0)
            return web.Response(status=307, headers={**headers, "Location": address})
        wanted = request.headers.get("Range") if is_current(request.headers.get("If-Range"), headers["ETag"]) else None
        try:
            start, end = bytes_asked(wanted, file.size)
        except Unsatisfiable:
            return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
        partial = (start, end) != (0, file.size)
        if partial:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        response = web.StreamResponse(status=206 if partial else 200, headers=headers)
        response.content_length = end - start
        with self._down.taken():
            sent = await self._stream(request, response, file, (start, end), who)
        if sent == file.size:
            await self._downloads.count(file)
        return response

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, file: File, span: tuple[int, int], who: str
    ) -> int:
        sent, outcome = 0, "broken_off"
        try:
            async with self._downloads.open(file, *span) as chunks:
                async for chunk in chunks:
                    if not response.prepared:
                        await response.prepare(request)
                    async with asyncio.timeout(self._idle_seconds):
                        await response.write(chunk)
                    sent += len(chunk)
            outcome = outcome_of(file, *span)
            await response.write_eof()
        except (BlobDoubted, StoreAway, TimeoutError, ConnectionError) as error:
            outcome = "doubted" if isinstance(error, BlobDoubted) else outcome
            if not response.prepared:
                raise
            # Half an answer cannot become an error: the connection ends before the length announced.
            log.warning("download_broken_off", sent=sent, size=span[1] - span[0], error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        finally:
            count_outcome(who, outcome, sent)
        return sent

    async def _body(self, request: web.Request) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    chunk = await request.content.read(READ_BYTES)
            except TimeoutError as error:
                raise Invalid("no byte came for too long") from error
            if not chunk:
                return
            yield chunk

    async def _bearer(self, request: web.Request) -> Bearer:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise DownloadRefused("only api-gateway may ask this, with a ticket")
        return await self._tickets.bearer(token.strip())


def _headers_of(file: File) -> dict[str, str]:
    digest = base64.b64encode(file.sha256).decode()
    return {
        "Content-Type": "application/octet-stream",
        # Every part of the label was checked: no quote, no line end, ASCII only.
        "Content-Disposition": f'attachment; filename="{file.label}"',
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.sha256.hex()}"',
        "Digest": f"sha-256={digest}",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def _keeps_credential(request: web.Request, address: str) -> bool:
    """
    Say whether a client may send its credential along when it follows us to an address: to our host, or one below.

    Go's does, whatever the port. The store takes one proof, the one in the address, and refuses requests with two.
    """
    ours, theirs = request.url.host or "", urlsplit(address).hostname or ""
    return theirs == ours or theirs.endswith(f".{ours}")


def _offset(request: web.Request) -> int:
    text = request.query.get("offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - digits of 64 bits
        raise Invalid("offset must be a whole number", details=[Problem("offset", "must be a whole number")])
    return int(text)
