"""
Bytes of package files, carried between a person and package-service.

Nothing is kept here: what one side cannot take, the other is not asked for. A transfer may take as long as its
bytes move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
import structlog
from aiohttp import web

from api_gateway.errors import BodyEncoded, BodyTooSlow, package_error
from servicekit.errors import Kind, Problem, ServiceError, Unavailable, class_of
from servicekit.web import REQUEST_ID_HEADER, STATUS_OF

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from api_gateway.permissions import Principal

log = structlog.get_logger()

CHUNK_BYTES = 256 * 1024
CONNECT_SECONDS = 5.0
COMPLETION_SECONDS = 300.0
"""Hashing and copying a long file once more is work of package-service and the object store."""

RETRY_SECONDS = 2.0
MAX_ERROR_BYTES = 64 * 1024
_REQUEST_HEADERS = ("Range", "If-Range", "If-None-Match")
_ANSWER_HEADERS = (
    "Content-Type",
    "Content-Length",
    "Content-Disposition",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Digest",
    "Repr-Digest",
    "Cache-Control",
    "Location",
)
_PLAIN_ANSWERS = frozenset((304, 307, 416))
_BAD = 400
_KINDS = {status: kind for kind, status in STATUS_OF.items()}


@dataclass(frozen=True)
class _Question:
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


class _Body:
    """Bytes as they arrive from a person; remembers why they ended early, which aiohttp would hide."""

    def __init__(self, request: web.Request, idle_seconds: float) -> None:
        self._request = request
        self._idle_seconds = idle_seconds
        self.failure: ServiceError | None = None

    async def chunks(self, deadline: asyncio.Timeout) -> AsyncIterator[bytes]:
        """Give what arrives, moving the deadline on with every chunk."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    chunk = await self._request.content.read(CHUNK_BYTES)
            except (TimeoutError, OSError, web.RequestPayloadError) as error:
                self.failure = BodyTooSlow("the body stopped arriving")
                raise self.failure from error
            if not chunk:
                deadline.reschedule(loop.time() + COMPLETION_SECONDS)
                return
            deadline.reschedule(loop.time() + self._idle_seconds * 2)
            yield chunk


class PackageTransfer:
    """
    Carries bytes; use it as an async context manager.

    Args:
        address: Of package-service's listener.

        sign: Writes a ticket for a person.

        idle_seconds: A transfer that moves nothing for so long ends.
    """

    def __init__(self, address: str, sign: Callable[[Principal, datetime], str], *, idle_seconds: float) -> None:
        self._address = address
        self._sign = sign
        self._idle_seconds = idle_seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Make the client; nothing is asked yet."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def send(
        self, principal: Principal, method: str, path: str, request: web.Request, **query: str
    ) -> Mapping[str, Any]:
        """
        Carry the body of a request to package-service and return what it says.

        Raises:
            BodyTooSlow: Its sender stopped sending.

            ServiceError: What package-service raised, or Unavailable.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise BodyEncoded("send the body without Content-Encoding")
        headers = {"Content-Type": request.headers.get("Content-Type", "application/octet-stream")}
        if request.content_length is not None:
            headers["Content-Length"] = str(request.content_length)
        body = _Body(request, self._idle_seconds)
        try:
            return await self._exchange(principal, _Question(method, path, headers, query), body)
        except Unavailable:
            if body.failure is not None:
                raise body.failure from None
            raise

    async def ask(self, principal: Principal, path: str, document: Mapping[str, str]) -> Mapping[str, Any]:
        """POST a small document; what package-service does then may take long."""
        return await self._exchange(principal, _Question("POST", path), orjson.dumps(document))

    async def fetch(self, principal: Principal, path: str, request: web.Request) -> web.StreamResponse:
        """
        Carry a file to whoever asks.

        Raises:
            ServiceError: What package-service raised before the first byte, or Unavailable.
        """
        asked = {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        try:
            async with asyncio.timeout(self._idle_seconds) as deadline:
                async with self._http.get(
                    self._address + path, headers={**asked, **self._headers(principal)}, allow_redirects=False
                ) as answer:
                    if answer.status in _PLAIN_ANSWERS:
                        return web.Response(status=answer.status, headers=_kept(answer))
                    await _check(answer)
                    response = web.StreamResponse(status=answer.status, headers=_kept(answer))
                    await self._pass_on(request, response, answer, deadline)
                    return response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away() from error

    async def _pass_on(
        self,
        request: web.Request,
        response: web.StreamResponse,
        answer: aiohttp.ClientResponse,
        deadline: asyncio.Timeout,
    ) -> None:
        loop = asyncio.get_running_loop()
        await response.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
                deadline.reschedule(loop.time() + self._idle_seconds)
            await response.write_eof()
        except (aiohttp.ClientError, TimeoutError, ConnectionError, asyncio.CancelledError) as error:
            # Half an answer cannot become an error: the connection ends before the length announced.
            log.warning("download_broken_off", error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
            if isinstance(error, asyncio.CancelledError) and not deadline.expired():
                raise

    async def _exchange(self, principal: Principal, question: _Question, body: _Body | bytes) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(COMPLETION_SECONDS) as deadline:
                async with self._http.request(
                    question.method,
                    self._address + question.path,
                    headers={**question.headers, **self._headers(principal)},
                    data=body if isinstance(body, bytes) else body.chunks(deadline),
                    params=question.query,
                ) as answer:
                    await _check(answer)
                    said: Mapping[str, Any] = {**orjson.loads(await answer.read()), "status": answer.status}
                    return said
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away() from error

    def _headers(self, principal: Principal) -> dict[str, str]:
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        ticket = {"Authorization": f"Bearer {self._sign(principal, datetime.now(UTC))}"}
        return {**ticket, REQUEST_ID_HEADER: request_id} if request_id else ticket

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            message = "PackageTransfer is used outside its context"
            raise RuntimeError(message)
        return self._session


def _kept(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: answer.headers[name] for name in _ANSWER_HEADERS if name in answer.headers}


async def _check(answer: aiohttp.ClientResponse) -> None:
    """Raise what package-service raised."""
    if answer.status < _BAD:
        return
    raw = await answer.content.read(MAX_ERROR_BYTES)
    try:
        told = orjson.loads(raw)
        details = [Problem(item["field"], item["message"]) for item in told["details"]]
        public, code = str(told["error"]), str(told["code"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        details, public, code = [], "package-service cannot do this now", "unavailable"
    retry = answer.headers.get("Retry-After", "")
    kind = _KINDS.get(answer.status, Kind.UNAVAILABLE)
    if kind is Kind.UNAUTHENTICATED:
        # It does not believe us; the person did nothing wrong.
        log.warning("ticket_refused", reason=public)
        raise _away()
    error = class_of(kind)(public, details=details, retry_after_seconds=float(retry) if retry.isdigit() else None)
    error.remote_code = code
    raise package_error(error)


def _away() -> ServiceError:
    return Unavailable("package-service does not answer; try again", retry_after_seconds=RETRY_SECONDS)
