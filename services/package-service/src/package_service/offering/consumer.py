"""
Facts in: what agents did and said becomes rows, one transaction per batch.

Late and repeated facts are normal and change nothing: the fences in reconcile.py see to that.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from contracts.ids import UID_LENGTH, is_tenant_id
from contracts.labels import MAX_KEY_CHARACTERS, MAX_LABELS, MAX_VALUE_CHARACTERS, labels_of
from fleet.events.v1 import facts_pb2
from package_service import metrics
from package_service.offering import graves, reconcile, target_store
from package_service.offering.distribution import Effects
from package_service.offering.standing import Said
from package_service.offering.target import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from opamp.v1 import opamp_pb2
    from package_service.offering.distribution import Distribution
    from package_service.offering.target import Has
    from servicekit.postgres import Connection

log = structlog.get_logger()

HEARD = frozenset(
    {"connected", "disconnected", "described", "health_reported", "package_statuses_reported", "offer_delivered"}
)

MAX_PACKAGES = 200
"""Packages of one agent that are looked at and remembered."""

MAX_NAME = 256
MAX_VERSION = 128
MAX_HASH = 64
MAX_ERROR = 4096

Heard = tuple[str, facts_pb2.Fact]
"""(gateway id, fact)."""


class FactConsumer:
    """
    Applies batches of facts.

    Args:
        distribution: Decides what follows.
    """

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    async def apply(
        self, connection: Connection, batches: Sequence[facts_pb2.FactBatch]
    ) -> Callable[[], Awaitable[None]] | None:
        """Apply batches within the given transaction; offers go out after commit."""
        effects = Effects()
        for tenant_id, agents in sorted(_by_agent(batches).items()):
            found = await self._apply_tenant(connection, tenant_id, agents)
            effects.orders.extend(found.orders)
        if not effects.orders:
            return None

        async def act() -> None:
            self._distribution.act(effects)

        return act

    async def _apply_tenant(self, connection: Connection, tenant_id: str, agents: dict[bytes, list[Heard]]) -> Effects:
        await self._distribution.begin(connection, tenant_id)
        before = await target_store.load(connection, tenant_id, sorted(agents), lock=True)
        buried = await graves.epochs(connection, tenant_id, sorted(agents.keys() - before.keys()))
        now = await target_store.now(connection)
        after = []
        for uid, facts in agents.items():
            living = [heard for heard in facts if heard[1].epoch > buried[uid]] if uid in buried else facts
            if uid not in before and all(fact.WhichOneof("kind") == "disconnected" for _, fact in living):
                # The last words of an agent that was deleted must not bring it back.
                continue
            target = before.get(uid) or Target(tenant_id, uid, dirty=True)
            for gateway_id, fact in living:
                target = take(target, gateway_id, fact, now)
            after.append(target)
        return await self._distribution.settle(connection, tenant_id, before, after, now)


def take(target: Target, gateway_id: str, fact: facts_pb2.Fact, now: datetime) -> Target:
    """Move one agent by one fact."""
    fence = fact.epoch, fact.sequence
    kind = fact.WhichOneof("kind")
    if kind == "connected":
        return reconcile.on_connected(
            target,
            fence,
            gateway_id=_clean(fact.connected.gateway_id or gateway_id),
            capabilities=fact.connected.capabilities,
            stamped_labels=_bounded(fact.connected.labels),
            withheld=fact.connected.withheld,
        )
    if kind == "disconnected":
        return reconcile.on_disconnected(target, fence)
    target = reconcile.on_heard(target, fence, gateway_id=_clean(gateway_id))
    match kind:
        case "described":
            described = fact.described
            labels = labels_of(described.description)[0] if described.HasField("description") else None
            return reconcile.on_described(target, fence, labels=labels, capabilities=described.capabilities)
        case "health_reported":
            return reconcile.on_health(target, fence, healthy=fact.health_reported.health.healthy)
        case "package_statuses_reported":
            return _statuses(target, fence, fact.package_statuses_reported.statuses, now)
        case "offer_delivered" if fact.offer_delivered.kind == facts_pb2.OFFER_KIND_PACKAGES:
            return reconcile.on_delivered(target, fence, content_hash=fact.offer_delivered.content_hash, now=now)
        case _:
            return target


def _statuses(target: Target, fence: tuple[int, int], statuses: opamp_pb2.PackageStatuses, now: datetime) -> Target:
    # What it should have comes first, so that a long list of its own cannot hide that.
    names = sorted(statuses.packages, key=lambda name: (name not in target.packages, name))[:MAX_PACKAGES]
    said: dict[str, Said] = {}
    has: dict[str, Has] = {}
    for name in names:
        status = statuses.packages[name]
        said[name] = Said(
            _clean(status.agent_has_version)[:MAX_VERSION],
            status.agent_has_hash[:MAX_HASH],
            status.server_offered_hash[:MAX_HASH],
            status.status,
            _clean(status.error_message)[:MAX_ERROR],
            status.download_details.download_percent,
        )
        if said[name].version or said[name].hash:
            has[_clean(name)[:MAX_NAME]] = (said[name].version, said[name].hash.hex())
    return reconcile.on_statuses(
        target,
        fence,
        said=said,
        has=has,
        all_hash=statuses.server_provided_all_packages_hash[:MAX_HASH],
        error=_clean(statuses.error_message)[:MAX_ERROR],
        now=now,
    )


def _bounded(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as they can be stored; who stamps them keeps to the same bounds."""
    kept = sorted(labels.items())[:MAX_LABELS]
    return {_clean(key)[:MAX_KEY_CHARACTERS]: _clean(value)[:MAX_VALUE_CHARACTERS] for key, value in kept}


def _clean(text: str) -> str:
    """Return text without the NUL character, which PostgreSQL cannot store."""
    return text.replace("\x00", "")


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
