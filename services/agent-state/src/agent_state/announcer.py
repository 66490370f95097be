"""
Tell gateways whose right to connect has changed, after commit.

It only makes things quick: a gateway that misses it learns when its verdicts end, and connections that must not be
are closed by looking at the tables again and again.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from contracts import subjects
from fleet.events.v1.identity_pb2 import IdentityChanged
from servicekit.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent_state.folding import Key
    from servicekit.bus import Bus

log = structlog.get_logger()

UNAUTHORISED = "unauthorised"
APPROVED = "approved"
IDS_PER_MESSAGE = 1000


class Announcer:
    """Says IdentityChanged."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def withdrawn(self, credentials: Iterable[tuple[str, str]], *, close: bool) -> None:
        """Say that (tenant, id) of tokens and credentials are no longer good, and whether to end what they opened."""
        by_tenant: dict[str, list[str]] = defaultdict(list)
        for tenant_id, credential_id in credentials:
            by_tenant[tenant_id].append(credential_id)
        for tenant_id, ids in by_tenant.items():
            for start in range(0, len(ids), IDS_PER_MESSAGE):
                part = ids[start : start + IDS_PER_MESSAGE]
                await self._say(
                    IdentityChanged(tenant_id=tenant_id, credential_ids=part, close=close, reason=UNAUTHORISED)
                )

    async def changed(self, key: Key, *, credential_ids: Iterable[str] = (), close: bool, reason: str) -> None:
        """Say that an agent was decided about."""
        tenant_id, uid = key
        await self._say(
            IdentityChanged(
                tenant_id=tenant_id,
                instance_uids=[uid],
                credential_ids=list(credential_ids),
                close=close,
                reason=reason,
            )
        )

    async def rules_changed(self, tenant_id: str) -> None:
        """Say that every agent of a tenant must be asked about again when it next comes."""
        await self._say(IdentityChanged(tenant_id=tenant_id))

    async def _say(self, message: IdentityChanged) -> None:
        try:
            await self._bus.publish(subjects.IDENTITY, message.SerializeToString())
        except Unavailable as error:
            log.warning("identity_change_not_said", error=error.public)
