"""
Facts in: what agents did and said becomes rows, one transaction per batch.

Late and repeated facts are normal and change nothing: the fences in reconcile.py see to that.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from config_service import metrics, reconcile, target_store
from config_service.attempt import Cause
from config_service.distribution import Effects
from config_service.target import Reported, Target
from contracts.ids import UID_LENGTH, is_tenant_id
from contracts.labels import MAX_KEY_CHARACTERS, MAX_LABELS, MAX_VALUE_CHARACTERS, labels_of
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from config_service.contents import Contents
    from config_service.distribution import Distribution
    from fleet.events.v1 import agent_pb2
    from servicekit.postgres import Connection

log = structlog.get_logger()

HEARD = frozenset(
    {
        "connected",
        "disconnected",
        "described",
        "health_reported",
        "effective_config_reported",
        "remote_config_status_reported",
        "offer_delivered",
    }
)

MAX_REPORTED_HASH = 64
MAX_ERROR = 4096

_REPORTED = {
    opamp_pb2.RemoteConfigStatuses_UNSET: Reported.UNSET,
    opamp_pb2.RemoteConfigStatuses_APPLIED: Reported.APPLIED,
    opamp_pb2.RemoteConfigStatuses_APPLYING: Reported.APPLYING,
    opamp_pb2.RemoteConfigStatuses_FAILED: Reported.FAILED,
}

Heard = tuple[str, facts_pb2.Fact]
"""(gateway id, fact)."""


class FactConsumer:
    """
    Applies batches of facts.

    Args:
        distribution: Decides what follows.

        contents: To compare effective configurations with what was sent.

        give_way: Waits while more urgent things are done.
    """

    def __init__(self, distribution: Distribution, contents: Contents, give_way: Callable[[], Awaitable[None]]) -> None:
        self._distribution = distribution
        self._contents = contents
        self._give_way = give_way

    async def apply(
        self, connection: Connection, batches: Sequence[facts_pb2.FactBatch]
    ) -> Callable[[], Awaitable[None]] | None:
        """Apply batches within the given transaction; offers go out after commit."""
        await self._give_way()
        effects = Effects()
        for tenant_id, agents in _by_agent(batches).items():
            effects.add(await self._apply_tenant(connection, tenant_id, agents))
        if not effects.orders and not effects.entries:
            return None

        async def act() -> None:
            self._distribution.act(effects)

        return act

    async def _apply_tenant(self, connection: Connection, tenant_id: str, agents: dict[bytes, list[Heard]]) -> Effects:
        index = await self._distribution.matcher.index(connection, tenant_id)
        before = await target_store.load(connection, tenant_id, sorted(agents), lock=True)
        now = await target_store.now(connection)
        after = []
        for uid, facts in agents.items():
            if uid not in before and all(fact.WhichOneof("kind") == "disconnected" for _, fact in facts):
                # The last word of an agent that was deleted must not bring it back.
                continue
            target = before.get(uid) or Target(tenant_id, uid)
            for gateway_id, fact in facts:
                target = await self._take(target, gateway_id, fact, now, connection)
            after.append(self._distribution.resolved(target, index))
        return await self._distribution.settle(connection, tenant_id, before, after, now, cause=Cause.CONNECT)

    async def _take(
        self, target: Target, gateway_id: str, fact: facts_pb2.Fact, now: datetime, connection: Connection
    ) -> Target:
        """Move one agent by one fact."""
        fence = fact.epoch, fact.sequence
        policy = self._distribution.policy
        kind = fact.WhichOneof("kind")
        if kind == "connected":
            return reconcile.on_connected(
                target,
                fence,
                gateway_id=clean(fact.connected.gateway_id or gateway_id),
                capabilities=fact.connected.capabilities,
                now=now,
                policy=policy,
                stamped_labels=bounded(fact.connected.labels),
                withheld=fact.connected.withheld,
            )
        if kind == "disconnected":
            return reconcile.on_disconnected(target, fence)
        target = reconcile.on_heard(target, fence, gateway_id=clean(gateway_id), now=now, policy=policy)
        match kind:
            case "described":
                described = fact.described
                labels = labels_of(described.description)[0] if described.HasField("description") else None
                return reconcile.on_described(target, fence, labels=labels, capabilities=described.capabilities)
            case "health_reported":
                return reconcile.on_health(target, fence, healthy=fact.health_reported.health.healthy, now=now)
            case "remote_config_status_reported":
                status = fact.remote_config_status_reported.status
                return reconcile.on_status(
                    target,
                    fence,
                    config_hash=status.last_remote_config_hash[:MAX_REPORTED_HASH],
                    status=_REPORTED.get(status.status, Reported.UNSET),
                    error=clean(status.error_message)[:MAX_ERROR],
                    now=now,
                    policy=policy,
                )
            case "effective_config_reported":
                return await self._effective(target, fact, fence, connection)
            case "offer_delivered":
                delivered = fact.offer_delivered
                if delivered.kind != facts_pb2.OFFER_KIND_REMOTE_CONFIG:
                    return target
                return reconcile.on_delivered(target, fence, config_hash=delivered.content_hash, now=now)
            case _:
                return target

    async def _effective(
        self, target: Target, fact: facts_pb2.Fact, fence: tuple[int, int], connection: Connection
    ) -> Target:
        if target.desired is None or fence <= target.fences.get(reconcile.EFFECTIVE, (0, 0)):
            return target
        wanted = target.desired.config_hash
        reported = fact.effective_config_reported.effective_config
        holds = await self._contents.holds(target.tenant_id, wanted, reported, connection)
        return reconcile.on_effective_config(target, fence, compared_with=wanted, holds=holds)


async def forget_deleted(connection: Connection, events: Sequence[agent_pb2.AgentEvent]) -> None:
    """Forget agents that were deleted, unless they connected again since."""
    for event in events:
        if event.WhichOneof("what") == "deleted" and len(event.instance_uid) == UID_LENGTH:
            await target_store.forget(connection, event.tenant_id, event.instance_uid, event.epoch)


def bounded(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as they can be stored; who stamps them keeps to the same bounds."""
    kept = sorted(labels.items())[:MAX_LABELS]
    return {clean(key)[:MAX_KEY_CHARACTERS]: clean(value)[:MAX_VALUE_CHARACTERS] for key, value in kept}


def clean(text: str) -> str:
    """Return text without the NUL character, which PostgreSQL cannot store."""
    return text.replace("\x00", "") if "\x00" in text else text


def _by_agent(batches: Sequence[facts_pb2.FactBatch]) -> dict[str, dict[bytes, list[Heard]]]:
    """Sort the facts that matter here by tenant and agent, keeping their order."""
    tenants: dict[str, dict[bytes, list[Heard]]] = defaultdict(lambda: defaultdict(list))
    for batch in batches:
        for fact in batch.facts:
            kind = fact.WhichOneof("kind")
            if kind not in HEARD:
                continue
            metrics.FACTS.labels(kind).inc()
            if len(fact.instance_uid) != UID_LENGTH or not is_tenant_id(fact.tenant_id):
                log.warning("fact_refused", kind=kind, gateway_id=batch.gateway_id)
                continue
            tenants[fact.tenant_id][fact.instance_uid].append((batch.gateway_id, fact))
    return tenants
