"""
Two sockets with one uid at two gateways: whoever finds out settles it.

Usually the newcomer is looked up and the holder asked before it is let in. When both knock at the same moment neither
sees the other; then the one whose writes are refused finds out, and if both live, its agent gets another uid.
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
        self._asked: dict[int, None] = {}

    def arose(self, holder: Holder, session: Session) -> None:
        """Take note of a socket of ours whose agent somebody else holds under a higher epoch."""
        if session.epoch in self._asked:
            return
        self._asked[session.epoch] = None
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._gateway.errands.run(self._settle(holder, session), "rivalry")

    async def _settle(self, holder: Holder, session: Session) -> None:
        gateway = self._gateway
        if not await holder.answers(gateway.limits.clone_seconds):
            if holder.session is session:
                holder.end("replaced")
            return
        memory = await ask(gateway.registry, session.tenant_id, session.uid)
        if memory is None or memory.epoch <= session.epoch or memory.gateway_id in ("", gateway.rules.gateway_id):
            return
        if not await gateway.rival(memory.gateway_id, session.tenant_id, session.uid, memory.epoch):
            # The other one was dead and is gone; this connection begins anew, under a higher number than that one.
            if holder.session is session:
                holder.end("replaced")
            return
        if holder.session is session:
            metrics.CLONES.inc()
            log.info("clone_renamed", agent_uid=format_uid(session.uid))
            holder.inform(rename(gateway, session.uid)[0])
