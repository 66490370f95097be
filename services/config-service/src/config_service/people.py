"""
What people do with agents: push, assign, clear a failure, ask why.

Push never writes a document and never sends what an agent already runs: it lets failed contents be tried again
and offers at once what is still missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from config_service import configuration_store, metrics, publisher, target_store
from config_service.attempt import Cause
from config_service.distribution import CHUNK, Effects
from config_service.errors import AgentNotFound, ConfigurationNotFound
from config_service.reconcile import insist
from config_service.target import Target, replace
from fleet.events.v1 import config_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from config_service.distribution import Distribution
    from config_service.selector import Candidate, CandidateIndex
    from servicekit.postgres import Connection

UNKNOWN = "there is no such agent"
NOT_CONNECTED = "the agent is not connected; it receives the configuration when it connects"
NOT_CONNECTED_NOT_MATCHED = "the agent is not connected and this is not its configuration; assign it instead"
NOT_ACCEPTING = "the agent does not accept remote configuration"


@dataclass
class PushResult:
    """What came of a push, agent by agent."""

    affected: list[bytes] = field(default_factory=list)
    failed: dict[bytes, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Explained:
    """Where an agent stands, and every configuration that matches it, in order of precedence."""

    target: Target
    candidates: Sequence[Candidate]


class People:
    """
    Acts on agents for people.

    Args:
        pool: The service's pool.

        distribution: Matches and offers.
    """

    def __init__(self, pool: asyncpg.Pool, distribution: Distribution) -> None:
        self._pool = pool
        self._distribution = distribution

    async def push(self, tenant_id: str, name: str, uids: Sequence[bytes], *, author: str) -> PushResult:
        """
        Offer the current version to agents that should run it, failed ones included.

        Args:
            tenant_id: Whose.

            name: Which configuration.

            uids: Empty = every connected agent whose configuration this is. An agent named here that gets
                another one is assigned to this one.

            author: Who asks; stands in the ledger.

        Raises:
            ConfigurationNotFound: There is none of that name.
        """
        result, effects = PushResult(), Effects()
        async with self._pool.acquire() as connection, connection.transaction():
            index = await self._distribution.matcher.index(connection, tenant_id)
            pushed = index.get(name)
            if pushed is None:
                raise ConfigurationNotFound(name)
            wanted = list(dict.fromkeys(uids)) or await target_store.desiring_uids(connection, tenant_id, name)
            for start in range(0, len(wanted), CHUNK):
                chunk = wanted[start : start + CHUNK]
                effects.add(
                    await self._push_chunk(
                        connection, tenant_id, name, chunk, index=index, author=author, result=result
                    )
                )
            event = config_pb2.ConfigEvent(
                tenant_id=tenant_id,
                name=name,
                version=pushed.version,
                config_hash=pushed.config_hash,
                author=author,
                pushed=config_pb2.ConfigPushed(agents=len(result.affected)),
            )
            await publisher.say_config(connection, "pushed", event, await target_store.now(connection))
        self._distribution.act(effects)
        metrics.CONFIGURATION_PUSH.labels("success").inc(len(result.affected))
        metrics.CONFIGURATION_PUSH.labels("failed").inc(len(result.failed))
        return result

    async def _push_chunk(
        self,
        connection: Connection,
        tenant_id: str,
        name: str,
        uids: Sequence[bytes],
        *,
        index: CandidateIndex,
        author: str,
        result: PushResult,
    ) -> Effects:
        before = await target_store.load(connection, tenant_id, uids, lock=True)
        after, assigned = [], []
        for uid in uids:
            target = before.get(uid)
            reason = _obstacle(target, name)
            if reason or target is None:
                result.failed[uid] = reason
                continue
            if target.desired is None or target.desired.name != name:
                target = self._distribution.resolved(replace(target, assigned_name=name), index)
                assigned.append(uid)
            after.append(insist(target))
            result.affected.append(uid)
        if assigned:
            await target_store.assign(connection, tenant_id, assigned, name, author)
        now = await target_store.now(connection)
        return await self._distribution.settle(
            connection, tenant_id, before, after, now, cause=Cause.PUSH, requested_by=author
        )

    async def assign(self, tenant_id: str, uid: bytes, name: str, *, author: str) -> Explained:
        """
        Assign an agent to a configuration; an empty name lets selectors decide again.

        Raises:
            AgentNotFound, ConfigurationNotFound: As they say.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            index = await self._distribution.matcher.index(connection, tenant_id)
            if name and index.get(name) is None:
                raise ConfigurationNotFound(name)
            target = await self._locked(connection, tenant_id, uid)
            if name:
                await target_store.assign(connection, tenant_id, [uid], name, author)
            else:
                await target_store.unassign(connection, tenant_id, uid)
            moved = self._distribution.resolved(replace(target, assigned_name=name), index)
            effects = await self._settle_one(connection, target, moved, Cause.ASSIGNMENT, author)
            explained = await self._explained(connection, tenant_id, uid, index)
        self._distribution.act(effects)
        return explained

    async def clear_failure(self, tenant_id: str, uid: bytes, *, author: str) -> Explained:
        """
        Let a quarantined configuration be offered to its agent again.

        Raises:
            AgentNotFound: Nobody ever heard of it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            index = await self._distribution.matcher.index(connection, tenant_id)
            target = await self._locked(connection, tenant_id, uid)
            moved = insist(target) if target.quarantined else target
            effects = await self._settle_one(connection, target, moved, Cause.PUSH, author)
            explained = await self._explained(connection, tenant_id, uid, index)
        self._distribution.act(effects)
        return explained

    async def explain(self, tenant_id: str, uids: Sequence[bytes]) -> list[Explained]:
        """Say where agents stand and why, in the order asked; unknown ones are left out."""
        async with self._pool.acquire() as connection:
            targets = await target_store.load(connection, tenant_id, list(dict.fromkeys(uids)))
            index = await self._distribution.matcher.glance(connection, tenant_id)
        return [
            Explained(targets[uid], index.matching(targets[uid].labels))
            for uid in dict.fromkeys(uids)
            if uid in targets
        ]

    async def status(self, tenant_id: str, name: str) -> tuple[dict[str, int], int]:
        """
        Count the agents that should run a configuration by state, and the connected ones.

        Raises:
            ConfigurationNotFound: There is none of that name.
        """
        async with self._pool.acquire() as connection:
            if await configuration_store.current(connection, tenant_id, name) is None:
                raise ConfigurationNotFound(name)
            return await target_store.states(connection, tenant_id, name)

    async def _locked(self, connection: Connection, tenant_id: str, uid: bytes) -> Target:
        found = await target_store.load(connection, tenant_id, [uid], lock=True)
        if uid not in found:
            raise AgentNotFound(uid)
        return found[uid]

    async def _settle_one(
        self, connection: Connection, before: Target, after: Target, cause: Cause, author: str
    ) -> Effects:
        now = await target_store.now(connection)
        return await self._distribution.settle(
            connection, before.tenant_id, {before.uid: before}, [after], now, cause=cause, requested_by=author
        )

    async def _explained(self, connection: Connection, tenant_id: str, uid: bytes, index: CandidateIndex) -> Explained:
        target = (await target_store.load(connection, tenant_id, [uid]))[uid]
        return Explained(target, index.matching(target.labels))


def _obstacle(target: Target | None, name: str) -> str:
    """Say why an agent cannot be pushed to; empty when it can."""
    if target is None:
        return UNKNOWN
    if not target.accepts:
        return NOT_ACCEPTING
    if not target.connected:
        is_its = target.desired is not None and target.desired.name == name
        return NOT_CONNECTED if is_its else NOT_CONNECTED_NOT_MATCHED
    return ""
