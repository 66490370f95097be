"""
Two sockets with one uid at two gateways: whoever finds out settles it.

Usually the newcomer is looked up and the holder asked before it is let in. When both knock at the same moment neither
sees the other; then the one whose claim is refused finds out, or the one that takes over what it did not know of,
and if both live, its agent gets another uid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from contracts.ids import format_uid
from opamp_gateway import metrics
from opamp_gateway.reception import rename
from opamp_gateway.registry import ask

if TYPE_CHECKING:
    from opamp_gateway.connections import Holder
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.session import Session

log = structlog.get_logger()

_REMEMBERED = 1_000


class Rivalry:
    """Settles who keeps a uid; each connection is asked about once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        gateway.on_rival = self.beaten
        self._asked: dict[int, None] = {}

    def beaten(self, holder: Holder, session: Session) -> None:
        """Hear that the claim of a socket of ours was refused: somebody else has its agent under a higher epoch."""
        if self._first_time(session):
            self._gateway.errands.run(self._settle(holder, session), "rivalry")

    def displaced(self, tenant_id: str, uid: bytes, epoch: int, gateway_id: str, before: int) -> None:
        """
        Hear that a session of ours took its agent over from a socket of another gateway.

        One that was known of when the agent came in was asked then.
        """
        holder = self._gateway.connections.get(tenant_id, uid)
        session = holder.session if holder is not None else None
        if holder is None or session is None or session.epoch != epoch or session.came_after == before:
            return
        if self._first_time(session):
            self._gateway.errands.run(self._ask(holder, session, gateway_id, before), "rivalry")

    def _first_time(self, session: Session) -> bool:
        if session.epoch in self._asked:
            return False
        self._asked[session.epoch] = None
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return True

    async def _ask(self, holder: Holder, session: Session, gateway_id: str, before: int) -> None:
        """If the other one lives, ours was the later: it gets another uid."""
        if await self._gateway.rival(gateway_id, session.tenant_id, session.uid, before):
            self._rename(holder, session)

    async def _settle(self, holder: Holder, session: Session) -> None:
        gateway = self._gateway
        if not await holder.answers(gateway.limits.clone_seconds):
            if holder.session is session:
                holder.end("replaced")
            return
        memory = await ask(gateway.registry, session.tenant_id, session.uid)
        if memory is None or memory.epoch <= session.epoch or memory.gateway_id in ("", gateway.rules.gateway_id):
            return
        if await gateway.rival(memory.gateway_id, session.tenant_id, session.uid, memory.epoch):
            self._rename(holder, session)
        elif holder.session is session:
            # The other one was dead and is gone; this connection begins anew, under a higher number than that one.
            holder.end("replaced")

    def _rename(self, holder: Holder, session: Session) -> None:
        if holder.session is session:
            metrics.CLONES.inc()
            log.info("clone_renamed", agent_uid=format_uid(session.uid))
            holder.inform(rename(self._gateway, session.uid)[0])
