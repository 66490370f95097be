"""Hears that somebody's right to connect has changed: verdicts are dropped, connections ended at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from fleet.events.v1 import identity_pb2
from opamp_gateway import metrics

if TYPE_CHECKING:
    from opamp_gateway.gateway import Gateway

log = structlog.get_logger()

DEFAULT_REASON = "unauthorised"


class Revocations:
    """Obeys IdentityChanged. What is missed here agent-state repeats by offers to close."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def hear(self, payload: bytes) -> None:
        """Take one event; what cannot be read is dropped with a warning."""
        try:
            change = identity_pb2.IdentityChanged.FromString(payload)
        except DecodeError:
            log.warning("identity_change_not_readable")
            return
        credential_ids, uids = frozenset(change.credential_ids), frozenset(change.instance_uids)
        self._gateway.changes.note(change.tenant_id, (*credential_ids, *uids))
        self._gateway.refusals.clear()
        if self._gateway.tokens is not None:
            self._gateway.tokens.forget(change.tenant_id, credential_ids, uids)
        if change.close:
            ended = self._end(change.tenant_id, credential_ids, uids, change.reason or DEFAULT_REASON)
            metrics.REVOKED.inc(ended)
            if ended:
                log.info("connections_ended", connections=ended, reason=change.reason)

    async def start_over(self) -> None:
        """Believe nothing that is remembered: the bus was away, and what it said meanwhile was missed."""
        self._gateway.changes.note_all()
        self._gateway.refusals.clear()
        if self._gateway.tokens is not None:
            self._gateway.tokens.doubt_all()

    def _end(self, tenant_id: str, credential_ids: frozenset[str], uids: frozenset[bytes], reason: str) -> int:
        gateway = self._gateway
        ended = 0
        for uid in uids:
            holder = gateway.connections.get(tenant_id, uid)
            if holder is not None:
                holder.end(reason)
                ended += 1
        if not credential_ids:
            return ended
        for holder in gateway.connections:
            session = holder.session
            if session is not None and session.tenant_id == tenant_id and session.credential_id in credential_ids:
                holder.end(reason)
                ended += 1
        for socket in list(gateway.sockets):
            # Those that have not said who they are.
            credential = socket.credential
            if not socket.gone and credential.tenant_id == tenant_id and credential.credential_id in credential_ids:
                socket.end(reason)
                ended += 1
        return ended
