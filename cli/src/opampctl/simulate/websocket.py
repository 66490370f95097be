"""OpAMP over WebSocket as a client: an agent's conversation over one connection after the other."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from opampctl.simulate.conversation import Conversation
from opampctl.simulate.link import Link, RefusedError
from opampctl.simulate.stage import unix_nano

if TYPE_CHECKING:
    from opampctl.simulate.agent import SimulatedAgent
    from opampctl.simulate.stage import Stage, Target

_REFUSALS = frozenset((401, 403))
_POLICY_VIOLATION = "close_1008"
GOODBYE_SECONDS = 2.0
"""How long a leaving agent waits for the server's Close frame."""


class WebSocketConversation(Conversation):
    """An agent that holds a WebSocket open."""

    __slots__ = ("_link",)

    def __init__(self, agent: SimulatedAgent, stage: Stage) -> None:
        super().__init__(agent, stage)
        self._link: Link | None = None

    async def connect(self) -> None:
        """Connect, upgrade, and say the first message at once."""
        stage, agent = self.stage, self.agent
        async with stage.connecting:
            if stage.stopping or self._link is not None:
                return
            started = time.monotonic()
            try:
                target = await stage.target_of(agent, self._failures)
            except OSError as error:
                self._fail(type(error).__name__, None)
                return
            link = Link(stage, target.endpoint, self, stage.headers_of(agent))
            try:
                async with asyncio.timeout(stage.options.connect_timeout_seconds):
                    await self._open(link, target)
            except RefusedError as error:
                refused = error.status in _REFUSALS
                self._fail(f"http_{error.status}", error.retry_after_seconds, refused=refused)
                return
            except TimeoutError:
                link.abort("connect timeout")
                self._fail("connect_timeout", None)
                return
            except OSError as error:
                link.abort("connect error")
                self._fail(type(error).__name__, None)
                return
            except asyncio.CancelledError:
                link.abort("stopping")
                raise
        now = time.monotonic()
        stage.statistics.connect.add(now - started)
        stage.statistics.connects += 1
        stage.statistics.reconnects += agent.connections > 0
        self._link, self._failures, self._said_at = link, 0, 0.0
        agent.established(monotonic=now)
        agent.begin()
        self.flush()
        self.plan_beat(first=True)

    def flush(self) -> None:
        """Send the news, unless there is no connection or nothing new."""
        while self._link is not None and self.agent.has_news:
            self._say(self.agent.next_message(now_unix_nano=unix_nano()))

    def beat(self) -> None:
        """Send the news or a bare heartbeat, and plan the next."""
        if self._link is None:
            return
        self.stage.statistics.heartbeats += not self.agent.has_news
        self._say(self.agent.next_message(now_unix_nano=unix_nano()))
        self.plan_beat()

    def drop(self, *, goodbye: bool, away_seconds: float) -> None:
        """Break off; with a goodbye also the Close frame is sent, without one the socket is just cut."""
        link, self._link = self._link, None
        if link is None:
            return
        self._after_end()
        if goodbye:
            body = self.agent.goodbye()
            self._count_said(body)
            link.send(body)
            link.begin_close()
            self.stage.spawn(self._come_back(link, away_seconds))
        else:
            link.begin_silence()
            link.abort("dropped")
            self.reconnect_after(away_seconds)

    def switch(self) -> None:
        """Say that the new terms are being tried, and come back on them."""
        self.flush()
        self.drop(goodbye=True, away_seconds=0.0)

    async def close(self) -> None:
        """Say goodbye, close, and wait a moment for the server's Close frame."""
        self.cancel_timers()
        link, self._link = self._link, None
        self.agent.connected = False
        if link is None:
            return
        body = self.agent.goodbye()
        self._count_said(body)
        link.send(body)
        link.begin_close()
        await link.closed(GOODBYE_SECONDS)

    def cut(self) -> None:
        """Reset the connection."""
        super().cut()
        link, self._link = self._link, None
        if link is not None:
            link.begin_silence()
            link.abort("cut")

    def on_message(self, body: bytes) -> None:
        """Let the agent take the message, and do what it decides."""
        self.react(self.receive(body))

    def on_lost(self, reason: str) -> None:
        """Come back at once; later if that fails."""
        if self._link is None:
            return
        self._link = None
        self._after_end()
        self.stage.statistics.disconnects += 1
        self.stage.statistics.errors[f"lost_{reason}"] += 1
        self._trial_failed(f"the connection ended: {reason}", refused=reason == _POLICY_VIOLATION)
        self.plan_retry()

    def on_broken(self, what: str) -> None:
        """Count what the server did wrong."""
        self.stage.statistics.errors[what] += 1

    async def _open(self, link: Link, target: Target) -> None:
        stage = self.stage
        tls = stage.tls_of(self.agent, target)
        sock = stage.open_socket(self.agent.index, target.family)
        try:
            await stage.loop.sock_connect(sock, target.address)
        except BaseException:
            sock.close()
            raise
        name = target.endpoint.host if tls is not None else None
        await stage.loop.create_connection(lambda: link, sock=sock, ssl=tls, server_hostname=name)
        await link.opened()

    def _say(self, body: bytes) -> None:
        if self._link is not None:
            self._count_said(body)
            self._link.send(body)

    def _fail(self, kind: str, retry_after_seconds: float | None, *, refused: bool = False) -> None:
        self._trial_failed(kind, refused=refused)
        self.stage.statistics.connect_failures += 1
        self.stage.statistics.errors[kind] += 1
        self._failures += 1
        self.plan_retry(retry_after_seconds)

    def _after_end(self) -> None:
        self._cancel_beat()
        self.agent.connected = False

    async def _come_back(self, link: Link, away_seconds: float) -> None:
        await link.closed(GOODBYE_SECONDS)
        if not self.stage.stopping:
            self.reconnect_after(away_seconds)
