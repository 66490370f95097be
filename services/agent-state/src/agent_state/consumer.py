"""
Hear what agents did: facts from JetStream become rows, one transaction per batch.

Order of work: fold in memory, merge agent rows, then whatever hangs on them. Every write is fenced, so a batch
that comes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.agent import stamped_with
from agent_state.agent_store import AgentStore, Change, identities_of
from agent_state.connections import Plan, Stored, add_late, plan
from agent_state.folding import NEVER, AgentDelta, ConnectionDelta, fold, keys_of
from agent_state.publisher import events_of
from agent_state.verdicts import OWN
from contracts.ids import is_tenant_id
from servicekit import outbox

if TYPE_CHECKING:
    import asyncpg

    from agent_state.component_store import ComponentStore, Mention
    from agent_state.connection_store import ConnectionStore
    from agent_state.credential_store import CredentialStore
    from agent_state.effective_config_store import EffectiveConfigStore
    from agent_state.epochs import Epochs
    from agent_state.folding import Key
    from agent_state.presence_store import Heard
    from agent_state.report_store import ReportStore
    from agent_state.settings_store import SettingsStore
    from fleet.events.v1 import facts_pb2 as facts
    from servicekit.postgres import Connection as Db

log = structlog.get_logger()

_ANY_EPOCH = 1 << 63


class FactsConsumer:
    """
    Applies batches of facts; apply() is what the kit's PartitionConsumer calls.

    Args:
        ask: Told, after commit, who named component lists without telling them.

        hint: Told, after commit, of agents whose connection settings may be due.

        withdrawn: Told, after commit, of the (tenant, id) of credentials that newer ones have taken the place of.
    """

    def __init__(
        self,
        agents: AgentStore,
        connections: ConnectionStore,
        reports: ReportStore,
        effective_configs: EffectiveConfigStore,
        epochs: Epochs,
        *,
        components: ComponentStore,
        ask: Callable[[Iterable[Mention]], None],
        standings: SettingsStore,
        hint: Callable[[Iterable[Key]], None],
        credentials: CredentialStore,
        withdrawn: Callable[[Sequence[tuple[str, str]]], Awaitable[None]],
    ) -> None:
        self._credentials = credentials
        self._withdrawn = withdrawn
        self._components = components
        self._ask = ask
        self._standings = standings
        self._hint = hint
        self._agents = agents
        self._connections = connections
        self._reports = reports
        self._effective_configs = effective_configs
        self._epochs = epochs

    async def apply(self, connection: Db, batches: Sequence[facts.FactBatch]) -> Callable[[], Awaitable[None]]:
        """Apply *batches* within the caller's transaction; the answer is what to do after commit."""
        now, tombstones = await self._agents.begin(connection, keys_of(batches))
        folded = fold(batches, now, tombstones)
        applied = await self._apply(connection, folded.deltas, now)
        await self._standings.note_delivered(connection, folded.settings_delivered)

        async def follow_up() -> None:
            applied.count()
            metrics.FACTS.inc(sum(len(batch.facts) for batch in batches))
            if folded.refused:
                metrics.FACTS_REFUSED.inc(folded.refused)
                log.warning("facts_refused", facts=folded.refused)
            await self._epochs.seen(folded.highest_epoch)
            self._ask(applied.mentions)
            self._hint(delta.key for delta in folded.deltas if _moves_settings(delta))
            self._hint((fact.tenant_id, fact.instance_uid) for fact in folded.settings_delivered)
            if applied.superseded:
                await self._withdrawn(applied.superseded)

        return follow_up

    async def adopt(self, pool: asyncpg.Pool, heard: Sequence[Heard]) -> int:
        """
        Take agents as connected that gateways name although their Connected fact never came.

        The fact may still come: its sequence is greater than that of this guess, so it wins.

        Returns:
            How many agents this changed.
        """
        async with pool.acquire() as connection, connection.transaction():
            now, tombstones = await self._agents.begin(connection, [(entry.tenant_id, entry.uid) for entry in heard])
            deltas = [
                AgentDelta(
                    entry.tenant_id,
                    entry.uid,
                    fence=(entry.epoch, 0),
                    gateway_id=entry.gateway_id,
                    connections={entry.epoch: ConnectionDelta(now, entry.gateway_id)},
                )
                for entry in sorted(heard, key=lambda entry: (entry.tenant_id, entry.uid))
                if is_tenant_id(entry.tenant_id) and entry.epoch > tombstones.get((entry.tenant_id, entry.uid), 0)
            ]
            applied = await self._apply(connection, deltas, now)
        applied.count()
        return len(applied.changes)

    async def _apply(self, connection: Db, deltas: Sequence[AgentDelta], now: datetime) -> _Applied:
        identities = identities_of(deltas)
        changes = await self._agents.merge(connection, deltas, identities)
        by_key = {(change.after.tenant_id, change.after.uid): change for change in changes}
        identities = {
            key: stamped_with(identity, by_key[key].after.stamped) if key in by_key else identity
            for key, identity in identities.items()
        }
        await self._agents.enter(connection, list(_entries(deltas, by_key, now)))
        history = _plan(deltas, by_key)
        await self._connections.carry_out(connection, history)
        described = await self._reports.describe(connection, deltas, identities)
        await self._reports.record(connection, deltas)
        mentions = await self._components.record(connection, deltas)
        await self._effective_configs.record(connection, deltas)
        told = {key: identities[key] for key in described}
        stamps = _restamped(by_key)
        if stamps:
            told |= await self._reports.restamp(connection, stamps)
        await outbox.add(connection, events_of(changes, told, now))
        promoted: list[str] = []
        superseded: list[tuple[str, str]] = []
        uses = list(_uses(deltas))
        if uses:
            promoted, superseded = await self._credentials.used(connection, uses)
        truncated = sum(identity.truncated for identity in identities.values())
        return _Applied(changes, history, truncated, promoted, superseded, mentions)


@dataclass(frozen=True, slots=True)
class _Applied:
    """What a transaction did, to be counted once it is committed."""

    changes: Sequence[Change]
    history: Plan
    truncated: int
    promoted: Sequence[str] = ()
    """Kinds of credentials used for the first time."""

    superseded: Sequence[tuple[str, str]] = ()
    """(tenant, id) of credentials that these took the place of."""

    mentions: Sequence[Mention] = ()
    """Who named a list of components without telling it."""

    def count(self) -> None:
        metrics.LABELS_TRUNCATED.inc(self.truncated)
        for kind in self.promoted:
            metrics.CREDENTIALS.labels(kind, "promoted").inc()
        for change in self.changes:
            before = "none" if change.before is None else change.before.status
            if before != change.after.status:
                metrics.STATUS_CHANGES.labels(before, change.after.status).inc()
        openings, closings = self.history.openings, self.history.closings
        metrics.CONNECTS.inc(len(openings))
        ended = [(row.connected_at, row.disconnected_at) for row in openings if row.disconnected_at is not None]
        ended += [(closing.connected_at, closing.disconnected_at) for closing in closings]
        metrics.DISCONNECTS.inc(len(ended))
        for began_at, ended_at in ended:
            metrics.CONNECTION_SECONDS.observe(max(0.0, (ended_at - began_at).total_seconds()))


def _entries(
    deltas: Sequence[AgentDelta], changes: dict[Key, Change], now: datetime
) -> Iterator[tuple[str, bytes, int, str, datetime]]:
    """Whom to note as heard from: agents whose epoch rose."""
    for delta in deltas:
        change = changes.get(delta.key)
        if change is None or (change.before is not None and change.before.epoch >= change.after.epoch):
            continue
        after = change.after
        newest = delta.newest
        seen = newest.closed_at if newest.closed_at is not None else now
        yield after.tenant_id, after.uid, after.epoch, newest.gateway_id, seen


def _restamped(changes: Mapping[Key, Change]) -> dict[Key, Mapping[str, str] | None]:
    """Tell which agents known before are stamped with other labels now."""
    return {
        key: change.after.stamped
        for key, change in changes.items()
        if change.before is not None and change.before.stamped != change.after.stamped
    }


def _uses(deltas: Sequence[AgentDelta]) -> Iterator[tuple[Key, str]]:
    """Tell which credentials of their own agents connected with."""
    for delta in deltas:
        for said in delta.connections.values():
            if said.credential_id.startswith(OWN):
                yield delta.key, said.credential_id


def _moves_settings(delta: AgentDelta) -> bool:
    """Say whether anything came that connection settings depend on."""
    return (
        delta.newest.connected_sequence > 0
        or delta.capabilities_fence != NEVER
        or delta.description_fence != NEVER
        or delta.connection_settings_status_fence != NEVER
    )


def _plan(deltas: Sequence[AgentDelta], changes: dict[Key, Change]) -> Plan:
    history = Plan()
    for delta in deltas:
        change = changes.get(delta.key)
        if change is None:
            add_late(delta, _ANY_EPOCH, history)
            continue
        before = change.before
        stored = None
        if before is not None:
            stored = Stored(before.epoch, before.connected_at, before.connected_sequence, before.link == "connected")
        plan(delta, stored, history)
    return history
