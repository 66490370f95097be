"""The API gateway as commands see it: typed calls, refreshed logins, and problems as sentences with exit codes."""

from __future__ import annotations

import os
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from opampctl import __version__, contexts
from opampctl.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from opampctl.contexts import Context, Store

API = "/api/v1"
TIMEOUT_SECONDS = 60.0
"""Longer than the API takes at most, so that its own sentence arrives."""

CONNECT_SECONDS = 15.0
TRANSFER = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=300)
"""Of files: as long as bytes move, and as long as a service may need to hash one."""

REFRESH_BEFORE_SECONDS = 10.0
PAGE_LIMIT = 500

_EXITS = {
    401: Exit.UNAUTHENTICATED,
    403: Exit.FORBIDDEN,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    412: Exit.CONFLICT,
    429: Exit.UNAVAILABLE,
    502: Exit.UNAVAILABLE,
    503: Exit.UNAVAILABLE,
    504: Exit.UNAVAILABLE,
}
_HINTS = {
    401: "Log in again: opampctl login",
    403: "Ask an administrator for a role that may do this; `opampctl whoami` shows yours.",
    412: "Somebody changed it meanwhile: look at it again, then repeat the command.",
    429: "Too many requests; wait a moment and try again.",
    503: "A part of the platform is away; try again in a moment.",
}
_UNREACHABLE = "Is the platform running, and the address right? Another one: --url URL or OPAMPCTL_URL."
_UNAUTHENTICATED = 401
_FIRST_ERROR = 400


class ApiError(CommandError):
    """The API answered with a problem; `status` and `problem` are as it said them."""

    def __init__(self, status: int, problem: Mapping[str, Any], what: str) -> None:
        sentence = str(problem.get("detail") or problem.get("error") or problem.get("title") or f"HTTP {status}")
        details = tuple(_detail(item) for item in problem.get("details") or () if isinstance(item, dict))
        super().__init__(
            f"{what}: {sentence}", _EXITS.get(status, Exit.FAILED), hint=_HINTS.get(status, ""), details=details
        )
        self.status = status
        self.problem = problem


@dataclass(frozen=True)
class Reply:
    """An answer of the API."""

    body: Any
    etag: str
    warning: str
    """What could not be told, from X-Warning; usually empty."""


class Client:
    """
    A session with the API gateway.

    Args:
        url: Base URL, without /api/v1.

        token: Access token given from outside; used as it is and never refreshed.

        store: Where the login lies when no token was given.

        ca_file: Trust this CA instead of the system's.
    """

    def __init__(self, url: str, *, token: str | None = None, store: Store | None = None, ca_file: str = "") -> None:
        self.url = check_url(url)
        self._token = token
        self._store = store
        self._ca_file = ca_file
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=self._ca_file) if self._ca_file else True
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS),
            headers={"User-Agent": f"opampctl/{__version__}", "Accept": "application/json"},
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._http is not None:
            await self._http.close()

    async def login(self, username: str, password: str) -> dict[str, Any]:
        """Exchange name and password for a session; the answer as the API gave it."""
        credentials = {"username": username, "password": password}
        reply = await self._send("POST", "/auth/login", "Cannot log in", body=credentials)
        session: dict[str, Any] = reply.body
        return session

    async def get(self, path: str, what: str, params: Mapping[str, Any] | None = None) -> Reply:
        """Read; *what* begins the sentence when it fails, such as `Cannot list agents`."""
        return await self.call("GET", path, what, params=params)

    async def call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """
        Call one operation as the logged-in user, refreshing the login when it has ended.

        Raises:
            ApiError: The API refused.

            CommandError: Nobody is logged in, or the server cannot be reached.
        """
        token = await self._access_token()
        sent = {**(headers or {}), "Authorization": f"Bearer {token}"}
        try:
            return await self._send(method, path, what, params=params, body=body, headers=sent)
        except ApiError as error:
            if error.status != _UNAUTHENTICATED or self._token is not None:
                raise
        token = await self._refresh(refused=token)
        sent["Authorization"] = f"Bearer {token}"
        return await self._send(method, path, what, params=params, body=body, headers=sent)

    async def send_bytes(
        self, method: str, path: str, what: str, data: AsyncIterator[bytes], *, params: Mapping[str, Any]
    ) -> Reply:
        """Send bytes of a file; it may take as long as they move. Not repeated: the bytes are used up."""
        headers = {"Authorization": f"Bearer {await self._access_token()}", "Content-Type": "application/octet-stream"}
        return await self._send(method, path, what, params=params, data=data, headers=headers, timeout=TRANSFER)

    @asynccontextmanager
    async def receive(
        self, path: str, what: str, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """
        Read a file: the status of the answer, and its bytes as they come.

        Raises:
            ApiError: The API refused.

            aiohttp.ClientError: The connection broke off while reading.
        """
        sent = {**headers, "Authorization": f"Bearer {await self._access_token()}"}
        async with self._session.get(self.url + API + path, headers=sent, timeout=TRANSFER) as response:
            if response.status >= _FIRST_ERROR:
                raise ApiError(response.status, _problem(await response.read(), response.reason), what)
            yield response.status, response.content.iter_any()

    async def items(
        self, path: str, key: str, what: str, params: Mapping[str, Any], wanted: int | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries of a list page after page, by cursor; at most *wanted*, all if None."""
        cursor, left = "", wanted
        while left is None or left > 0:
            page = {**params, "limit": min(PAGE_LIMIT, PAGE_LIMIT if left is None else left)}
            if cursor:
                page["cursor"] = cursor
            body = (await self.get(path, what, page)).body
            for entry in body[key]:
                yield entry
            if left is not None:
                left -= len(body[key])
            cursor = body.get("next_cursor") or ""
            if not cursor or not body[key]:
                return

    async def _access_token(self) -> str:
        if self._token is not None:
            return self._token
        context = self._context()
        if not context.token:
            raise _login_ended(context.url)
        if context.expires_at and context.expires_at < time.time() + REFRESH_BEFORE_SECONDS:
            return await self._refresh(refused=context.token)
        return context.token

    async def _refresh(self, *, refused: str) -> str:
        """Get a new access token, unless another process of ours has done so meanwhile."""
        store = self._store
        if store is None:
            raise _login_ended(self.url)
        with contexts.locked(store.path):
            context = self._context()
            if context.token != refused:
                return context.token
            if not context.refresh_token:
                raise _login_ended(context.url)
            shown = {"refresh_token": context.refresh_token}
            try:
                reply = await self._send("POST", "/auth/refresh", "Cannot stay logged in", body=shown)
            except ApiError as error:
                if error.code is Exit.UNAVAILABLE:
                    raise
                raise _login_ended(context.url) from error
            remember(context, reply.body)
            store.write(context)
            return context.token

    def _context(self) -> Context:
        if self._store is None:
            raise _login_ended(self.url)
        return contexts.require(self._store)

    async def _send(
        self,
        method: str,
        path: str,
        what: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        data: AsyncIterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - handed to aiohttp
    ) -> Reply:
        sent = dict(headers or {})
        if body is not None:
            data, sent["Content-Type"] = orjson.dumps(body), "application/json"
        try:
            async with self._session.request(
                method,
                self.url + API + path,
                params=_query(params),
                data=data,
                headers=sent,
                timeout=timeout or self._session.timeout,
            ) as response:
                raw = await response.read()
                if response.status >= _FIRST_ERROR:
                    raise ApiError(response.status, _problem(raw, response.reason), what)
                return Reply(
                    _decoded(raw, self.url), response.headers.get("ETag", ""), response.headers.get("X-Warning", "")
                )
        except aiohttp.ConnectionTimeoutError as error:
            sentence = f"{what}: cannot reach {self.url} (no answer within {CONNECT_SECONDS:.0f} s)."
            raise CommandError(sentence, Exit.UNAVAILABLE, hint=_UNREACHABLE) from error
        except TimeoutError as error:
            sentence = f"{what}: {self.url} did not answer within {TIMEOUT_SECONDS:.0f} s."
            raise CommandError(sentence, Exit.UNAVAILABLE, hint="Try again in a moment.") from error
        except aiohttp.ClientSSLError as error:
            sentence = f"{what}: the certificate of {self.url} is not trusted ({error})."
            hint = "Name the CA that signed it: opampctl login --ca-file FILE"
            raise CommandError(sentence, Exit.UNAVAILABLE, hint=hint) from error
        except aiohttp.ClientError as error:
            sentence = f"{what}: cannot reach {self.url} ({_reason(error)})."
            raise CommandError(sentence, Exit.UNAVAILABLE, hint=_UNREACHABLE) from error

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            message = "the client is used outside `async with`"
            raise RuntimeError(message)
        return self._http


def check_url(url: str) -> str:
    """
    Return the base URL without trailing slash or /api/v1.

    Raises:
        CommandError: It is no http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        sentence = f"{url!r} is not the address of a platform."
        raise CommandError(sentence, Exit.USAGE, hint="Write it like http://127.0.0.1:8080")
    return url.rstrip("/").removesuffix(API)


def remember(context: Context, session: Mapping[str, Any]) -> None:
    """Put a session as the API gave it into a context."""
    context.token = session["token"]
    context.refresh_token = session.get("refresh_token") or ""
    lifetime = session.get("expires_in")
    context.expires_at = time.time() + float(lifetime) if lifetime else 0.0
    context.username = (session.get("user") or {}).get("username", context.username)


def quoted(name: str) -> str:
    """Write a name as one piece of a path."""
    return quote(name, safe="")


def _login_ended(url: str) -> CommandError:
    sentence = f"You are not logged in to {url}, or the login has ended."
    return CommandError(sentence, Exit.UNAUTHENTICATED, hint=f"Log in: opampctl login --url {url}")


def _reason(error: aiohttp.ClientError) -> str:
    """Say why a connection failed in the system's words; those of asyncio name functions and tuples."""
    if not isinstance(error, aiohttp.ClientConnectorError):
        return str(error) or type(error).__name__
    number = error.os_error.errno or 0
    if isinstance(error.os_error, ConnectionRefusedError) or "Connect call failed" in str(error.os_error):
        return "connection refused: nobody listens there"
    return os.strerror(number).lower() if number > 0 else error.os_error.strerror or str(error.os_error)


def _query(params: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in (params or {}).items():
        if value is None or value == "":
            continue
        values = value if isinstance(value, list | tuple) else [value]
        pairs.extend((name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values)
    return pairs


def _problem(raw: bytes, reason: str | None) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"title": reason or "no reason given"}


def _decoded(raw: bytes, url: str) -> Any:
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        sentence = f"{url} answered something that is not JSON."
        hint = "Is this really the address of the platform's API?"
        raise CommandError(sentence, Exit.UNAVAILABLE, hint=hint) from error


def _detail(item: Mapping[str, Any]) -> str:
    place = str(item.get("field") or "")
    if item.get("line"):
        place += f" line {item['line']}" + (f", column {item['column']}" if item.get("column") else "")
    return f"{place}: {item.get('message', '')}" if place else str(item.get("message", ""))
