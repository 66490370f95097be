"""
Events about agents in: who was deleted, and whose connection was lost without a word.

Gateways tell of connections that end; of a gateway that dies nobody tells but agent-state, which notices.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from contracts.ids import UID_LENGTH, is_tenant_id
from package_service.offering import graves, matcher, reconcile, target_store
from package_service.offering.distribution import Effects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fleet.events.v1 import agent_pb2
    from package_service.offering.distribution import Distribution
    from servicekit.postgres import Connection

HEARD = frozenset({"deleted", "offline", "online"})


class EventConsumer:
    """
    Applies events about agents.

    Args:
        distribution: Decides what follows.
    """

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    async def apply(
        self, connection: Connection, events: Sequence[agent_pb2.AgentEvent]
    ) -> Callable[[], Awaitable[None]] | None:
        """Apply events within the given transaction, those of one agent in their order; offers go out after commit."""
        tenants: dict[str, list[agent_pb2.AgentEvent]] = defaultdict(list)
        for event in events:
            sound = len(event.instance_uid) == UID_LENGTH and is_tenant_id(event.tenant_id)
            if event.WhichOneof("what") in HEARD and sound:
                tenants[event.tenant_id].append(event)
        effects = Effects()
        for tenant_id, told in sorted(tenants.items()):
            await self._forget(connection, tenant_id, [event for event in told if event.HasField("deleted")])
            found = await self._move(connection, tenant_id, [event for event in told if not event.HasField("deleted")])
            effects.orders.extend(found.orders)
        if not effects.orders:
            return None

        async def act() -> None:
            self._distribution.act(effects)

        return act

    async def _forget(self, connection: Connection, tenant_id: str, deleted: Sequence[agent_pb2.AgentEvent]) -> None:
        """Forget agents that were deleted, unless they connected again since."""
        if not deleted:
            return
        await matcher.exclude(connection, tenant_id)
        for event in deleted:
            await graves.bury(connection, tenant_id, event.instance_uid, event.epoch)
            await target_store.forget(connection, tenant_id, event.instance_uid, event.epoch)

    async def _move(self, connection: Connection, tenant_id: str, told: Sequence[agent_pb2.AgentEvent]) -> Effects:
        if not told:
            return Effects()
        await self._distribution.begin(connection, tenant_id)
        uids = sorted({event.instance_uid for event in told})
        before = await target_store.load(connection, tenant_id, uids, lock=True)
        now = await target_store.now(connection)
        after = dict(before)
        for event in told:
            target = after.get(event.instance_uid)
            if target is None:
                continue
            if event.HasField("offline"):
                after[event.instance_uid] = reconcile.on_lost(target, (event.epoch, event.sequence))
            else:
                after[event.instance_uid] = reconcile.on_found(target, event.epoch)
        moved = [target for uid, target in after.items() if target is not before[uid]]
        return await self._distribution.settle(connection, tenant_id, before, moved, now)
