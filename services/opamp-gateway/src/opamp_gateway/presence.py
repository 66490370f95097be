"""
The beat: who was heard from since the last one, packed, every few seconds. It renews the gateway's lease.

A live socket counts as heard from: agents that never send heartbeats are pinged, and their pongs count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from fleet.events.v1 import presence_pb2
from servicekit.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from opamp_gateway.connections import Holder
    from opamp_gateway.session import Session
    from servicekit.clock import Clock

log = structlog.get_logger()

MAX_PER_BEAT = 10_000


class Presence:
    """
    Gathers who was heard from.

    Args:
        say: Publishes one beat, at most once.

        gateway_id: Whose beat it is.
    """

    def __init__(self, say: Callable[[bytes], Awaitable[None]], gateway_id: str, clock: Clock) -> None:
        self._say = say
        self._gateway_id = gateway_id
        self._clock = clock
        self.heard: list[Holder] = []
        """Holders whose `heard` is set; whoever sets it appends."""

        self._unsaid: dict[Holder, None] = {}
        """Holders a failed beat named; `heard` stays clear, or a dead peer would seem alive until the bus is back."""

    async def beat(self, connections: int, *, leaving: bool = False) -> None:
        """Say one beat; what a lost bus swallowed is said again with the next one."""
        heard, self.heard = self.heard, []
        now = self._clock.monotonic()
        tenants: dict[str, list[tuple[Holder, Session]]] = {}
        again: list[Holder] = []
        for holder in _all(heard):
            holder.last_heard = now
            session = holder.session
            if session is None or session.closed:
                holder.heard = False
            elif session.epoch:
                holder.heard = False
                tenants.setdefault(session.tenant_id, []).append((holder, session))
            else:
                again.append(holder)
        self.heard.extend(holder for holder in again if holder.heard)
        unsaid, self._unsaid = self._unsaid, {}
        for holder in unsaid.keys() - set(heard):
            session = holder.session
            if session is not None and not session.closed and session.epoch:
                tenants.setdefault(session.tenant_id, []).append((holder, session))
        for beat, named in self._beats(tenants, connections):
            beat.leaving = leaving
            try:
                await self._say(beat.SerializeToString())
            except ServiceError as error:
                log.debug("presence_not_said", error=error.public)
                self._unsaid.update(dict.fromkeys(named))

    def _beats(
        self, tenants: dict[str, list[tuple[Holder, Session]]], connections: int
    ) -> list[tuple[presence_pb2.Presence, list[Holder]]]:
        """Pack who was heard from into as many beats as they need, at least one."""
        beats: list[tuple[presence_pb2.Presence, list[Holder]]] = []
        for tenant_id, agents in tenants.items():
            for start in range(0, len(agents), MAX_PER_BEAT):
                some = agents[start : start + MAX_PER_BEAT]
                beat = presence_pb2.Presence(gateway_id=self._gateway_id, connections=connections)
                beat.heard.add(
                    tenant_id=tenant_id,
                    uids=b"".join(session.uid for _, session in some),
                    epochs=[session.epoch for _, session in some],
                )
                beats.append((beat, [holder for holder, _ in some]))
        return beats or [(presence_pb2.Presence(gateway_id=self._gateway_id, connections=connections), [])]


def _all(heard: list[Holder]) -> Iterator[Holder]:
    """Go over those heard from, and whoever shares a socket with them."""
    for holder in heard:
        yield holder
        if holder.companions:
            yield from list(holder.companions.values())
