"""OpAMP over plain HTTP as a client: one POST at a time, at the poll interval or when there is news."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import TYPE_CHECKING

import aiohttp

from opampctl.simulate.backoff import parse_retry_after
from opampctl.simulate.conversation import Conversation
from opampctl.simulate.frames import MAX_MESSAGE_BYTES
from opampctl.simulate.stage import unix_nano

if TYPE_CHECKING:
    from opampctl.simulate.agent import SimulatedAgent
    from opampctl.simulate.stage import Stage

CONTENT_TYPE = "application/x-protobuf"
GZIP_FROM_BYTES = 512
"""Shorter bodies grow when compressed."""
REQUEST_SECONDS = 30.0
CONNECTIONS = 1000
"""Polls under way at once; beyond it they queue for a moment."""
_KEEP_ALIVE_SECONDS = 75.0
_OK = 200
_REFUSALS = frozenset(("http_401", "http_403"))


class _UnansweredError(Exception):
    """A poll brought no ServerToAgent."""

    def __init__(self, kind: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"no ServerToAgent: {kind}")
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body, unpacked; one over the limit is not taken, and no more of it is read."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_MESSAGE_BYTES:
            response.close()
            kind = "answer_too_large"
            raise _UnansweredError(kind)
        pieces.append(piece)
    return b"".join(pieces)


def open_http_session(stage: Stage) -> aiohttp.ClientSession:
    """Open the session all polling agents of a fleet share; idle connections are kept for the next poll."""
    headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "opampctl-simulate", "Accept-Encoding": "gzip"}
    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
        ssl=stage.tls if stage.tls is not None else True,
    )
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    return aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout)


class PollingConversation(Conversation):
    """An agent that polls. It counts as connected from its first answer until a poll fails."""

    __slots__ = ("_in_flight",)

    def __init__(self, agent: SimulatedAgent, stage: Stage) -> None:
        super().__init__(agent, stage)
        self._in_flight = False

    async def connect(self) -> None:
        """Begin to poll: the first message carries the full state."""
        self.agent.begin()
        await self._poll()

    def flush(self) -> None:
        """Poll now, unless a poll is under way: its end looks for news again."""
        if self.agent.connected and self.agent.has_news:
            self._poll_soon()

    def beat(self) -> None:
        """Poll now."""
        if self.agent.connected:
            self._poll_soon()

    def drop(self, *, goodbye: bool, away_seconds: float) -> None:
        """Stop polling for a while; with a goodbye, the server is told."""
        if not self.agent.connected:
            return
        self.agent.connected = False
        self._cancel_beat()
        if goodbye:
            self.stage.spawn(self._say_goodbye(self.agent.goodbye()))
        self.reconnect_after(away_seconds)

    def switch(self) -> None:
        """Poll at once on the terms on trial, with the full state; there is no connection to break."""
        self.agent.undelivered()
        self._poll_soon()

    async def close(self) -> None:
        """Say goodbye; no answer is waited for longer than a moment."""
        self.cancel_timers()
        if self.agent.connected:
            self.agent.connected = False
            await self._say_goodbye(self.agent.goodbye())

    def _poll_soon(self) -> None:
        if not self._in_flight and not self.stage.stopping:
            self._in_flight = True
            self._cancel_beat()
            self.stage.spawn(self._poll_once())

    async def _poll(self) -> None:
        if not self._in_flight:
            self._in_flight = True
            await self._poll_once()

    async def _poll_once(self) -> None:
        agent, stage = self.agent, self.stage
        stage.statistics.heartbeats += not agent.has_news
        try:
            answer = await self._post(agent.next_message(now_unix_nano=unix_nano()))
        except _UnansweredError as error:
            self._in_flight = False
            self._on_failure(error)
            return
        self._in_flight = False
        self._failures = 0
        if stage.stopping:
            return
        if not agent.connected:
            stage.statistics.connects += 1
            stage.statistics.reconnects += agent.connections > 0
            agent.established(monotonic=time.monotonic())
        self.plan_beat(first=agent.connections == 1 and agent.sequence_num == 1)
        self.react(self.receive(answer))

    async def _post(self, body: bytes) -> bytes:
        stage = self.stage
        if stage.http is None:
            message = "a polling agent in a fleet without an HTTP session"
            raise RuntimeError(message)
        self._count_said(body)
        headers = {"OpAMP-Instance-UID": self.agent.uid_text, **dict(stage.headers_of(self.agent))}
        if len(body) >= GZIP_FROM_BYTES:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, compresslevel=1)
        try:
            target = await stage.target_of(self.agent, self._failures)
            tls = stage.tls_of(self.agent, target)
            async with stage.http.post(
                target.endpoint.http_url, data=body, headers=headers, ssl=True if tls is None else tls
            ) as response:
                answer = await _read(response)
                if response.status != _OK:
                    kind = f"http_{response.status}"
                    raise _UnansweredError(kind, parse_retry_after(response.headers.get("Retry-After"), time.time()))
                if response.content_type != CONTENT_TYPE:
                    kind = "wrong_content_type"
                    raise _UnansweredError(kind)
                return answer
        except TimeoutError as error:
            kind = "poll_timeout"
            raise _UnansweredError(kind) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _UnansweredError(type(error).__name__) from error

    def _on_failure(self, error: _UnansweredError) -> None:
        stage, agent = self.stage, self.agent
        stage.statistics.errors[error.kind] += 1
        self._trial_failed(error.kind, refused=error.kind in _REFUSALS)
        stage.statistics.connect_failures += 1
        self._said_at = 0.0
        self._cancel_beat()
        if agent.connected:
            agent.connected = False
            stage.statistics.disconnects += 1
        agent.undelivered()
        self._failures += 1
        self.plan_retry(error.retry_after_seconds)

    async def _say_goodbye(self, body: bytes) -> None:
        try:
            async with asyncio.timeout(2.0):
                await self._post(body)
        except (_UnansweredError, TimeoutError):
            self.stage.statistics.errors["goodbye_unanswered"] += 1
