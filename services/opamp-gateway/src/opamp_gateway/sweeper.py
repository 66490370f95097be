"""One round for everybody instead of a timer for each: deadlines, pings, silence, counts of the hot path."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from opamp_gateway import frames, metrics
from opamp_gateway.poll import Poll
from opamp_gateway.registry import ask

if TYPE_CHECKING:
    from opamp_gateway.gateway import Gateway

ROUND_SECONDS = 1.0
_AT_ONCE = 1_000
_SILENCE_EVERY = 5
"""Every which round the silent are looked for."""


class Sweeper:
    """Goes round a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._rounds = 0

    async def run(self) -> None:
        """Go round for ever."""
        clock = self._gateway.clock
        while True:
            before = clock.monotonic()
            await clock.sleep(ROUND_SECONDS)
            metrics.LOOP_LAG.set(max(0.0, clock.monotonic() - before - ROUND_SECONDS))
            await self.go_round()

    async def go_round(self) -> None:
        """Go round once."""
        self._deadlines(self._gateway.now())
        self._count()
        self._rounds += 1
        if self._rounds % _SILENCE_EVERY == 0:
            await self._silent_sockets()
            await self._silent_polls()

    def _deadlines(self, now: float) -> None:
        gateway = self._gateway
        gateway.admission.spool_full = gateway.publisher.full
        for door, deadline in list(gateway.doors.items()):
            if deadline > now:
                break
            gateway.doors.pop(door, None)
            door.expire()
        for socket, deadline in list(gateway.closing.items()):
            if deadline <= now:
                gateway.closing.pop(socket, None)
                socket.abort("connection closed")
        for socket, deadline in list(gateway.slow.items()):
            if deadline <= now:
                gateway.slow.pop(socket, None)
                socket.abort("slow reader")
        for socket in gateway.unfinished.take_late(now):
            metrics.REFUSED.labels("unfinished").inc()
            socket.close(frames.POLICY, "protocol error")

    def _count(self) -> None:
        gateway = self._gateway
        tally = gateway.tally
        beats, tally.heartbeats = tally.heartbeats, 0
        messages, tally.websocket_messages = tally.websocket_messages, 0
        opened, tally.opened = tally.opened, 0
        ended, tally.ended = tally.ended, 0
        asked, tally.full_state_asked = tally.full_state_asked, 0
        metrics.HEARTBEATS.inc(beats)
        metrics.OPENED.inc(opened)
        metrics.ENDED.inc(ended)
        metrics.FULL_STATE_ASKED.inc(asked)
        metrics.MESSAGES.labels("websocket").inc(beats + messages)
        metrics.CONNECTIONS.set(len(gateway.sockets))
        metrics.SESSIONS.set(len(gateway.connections))
        metrics.SPOOLED.set(gateway.publisher.waiting)
        metrics.SPOOLED_BYTES.set(gateway.publisher.waiting_bytes)
        metrics.UNFINISHED_BYTES.set(gateway.unfinished.total)
        metrics.EPOCHS_WAITING.set(len(gateway.epochs))

    async def _silent_sockets(self) -> None:
        """Ping sockets that have not been heard from; close those that do not answer."""
        gateway, limits = self._gateway, self._gateway.limits
        for count, socket in enumerate(list(gateway.sockets), 1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
            now = gateway.now()
            if socket.heard:
                socket.pinged_at = 0.0
            elif socket.gone:
                continue
            elif socket.pinged_at:
                if now - socket.pinged_at >= limits.pong_seconds:
                    socket.abort("connection lost")
            elif now - socket.last_heard >= limits.ping_after_seconds:
                socket.ping()

    async def _silent_polls(self) -> None:
        gateway = self._gateway
        for count, holder in enumerate(gateway.connections, 1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(holder, Poll) and gateway.now() - holder.last_heard >= gateway.limits.poll_silence_seconds:
                gateway.errands.run(self._silence(holder), "poll silence")

    async def _silence(self, poll: Poll) -> None:
        """End a polling session, unless another gateway serves its agent by now."""
        gateway, session = self._gateway, poll.session
        if session is None:
            return
        memory = await ask(gateway.registry, session.tenant_id, session.uid)
        if poll.session is not session or gateway.now() - poll.last_heard < gateway.limits.poll_silence_seconds:
            return
        if memory is None or (memory.epoch, memory.turn) > (session.epoch, session.turn):
            # Nobody can say whether the agent polls elsewhere: agent-state's own sweep knows.
            gateway.ended(poll)
        else:
            poll.end("poll silence")
