"""
From what should be to what is done: decide, write, and say what to do after commit.

Every change of an agent goes through settle(), whoever caused it: facts, edits, people, time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from config_service import metrics, publisher, target_store
from config_service.offers import EVERY_GATEWAY, FULL_STATE, REMOTE_CONFIG, Order
from config_service.reconcile import Action, Policy, desire, plan
from config_service.target import Desired, Target, replace
from servicekit.groups import leaves

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from config_service.attempt import Cause
    from config_service.contents import Content
    from config_service.matcher import Matcher
    from config_service.offers import OfferDesk
    from config_service.registry import Entry, RegistryDesk
    from config_service.selector import CandidateIndex
    from config_service.target import Attempt
    from servicekit.postgres import Connection

CHUNK = 1000
"""Agents in one transaction."""

STEP = 250
"""Agents of one change that are decided at a time; meanwhile nobody else is served."""

AT_ONCE = 2
"""Steps of one change under way: one with the database, one being decided."""


@dataclass
class Effects:
    """What to do once the transaction is committed."""

    orders: list[Order] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    """What was written in this transaction, so that offering it needs no look into the database."""

    def add(self, other: Effects) -> None:
        """Take in the effects of another step of the same transaction."""
        self.orders.extend(other.orders)
        self.entries.extend(other.entries)
        self.contents.extend(other.contents)


@dataclass
class _Step:
    """What was decided for some agents."""

    decided: list[Target] = field(default_factory=list)
    outcomes: list[tuple[Target, Attempt]] = field(default_factory=list)
    effects: Effects = field(default_factory=Effects)


class Distribution:
    """
    Decides for agents and hands the consequences to the desks.

    Args:
        matcher: Who should run what.

        policy: How patient to be.

        offers: Takes what gateways must hear.

        registry: Takes what the registry must say.
    """

    def __init__(self, matcher: Matcher, policy: Policy, offers: OfferDesk, registry: RegistryDesk) -> None:
        self.matcher = matcher
        self.policy = policy
        self._offers = offers
        self._registry = registry

    def act(self, effects: Effects) -> None:
        """Do what a committed transaction asks for, offers first; returns at once."""
        self._offers.learn(effects.contents)
        self._offers.put(effects.orders)
        self._registry.put(effects.entries)

    async def settle(
        self,
        connection: Connection,
        tenant_id: str,
        before: Mapping[bytes, Target],
        after: Iterable[Target],
        now: datetime,
        *,
        cause: Cause,
        requested_by: str = "",
    ) -> Effects:
        """
        Decide the next act of each agent and write it all.

        Args:
            connection: Inside the transaction that locked *before*.

            tenant_id: Whose agents.

            before: As loaded; an agent that is not in it is new.

            after: As moved by what happened.

            now: Database time.

            cause: For attempts that begin here.

            requested_by: Who asked; empty when the platform did.
        """
        step = self._decide(tenant_id, before, after, now, cause=cause, requested_by=requested_by)
        await _write(connection, tenant_id, before, step, now)
        return step.effects

    def resolved(self, target: Target, index: CandidateIndex) -> Target:
        """Return the agent desiring what the index says it should run."""
        found = index.resolve(target.labels, target.assigned_name)
        winner = found.winner
        desired = Desired(winner.name, winner.version, winner.config_hash) if winner is not None else None
        return desire(target, desired, found.reason)

    async def rematch(
        self,
        connection: Connection,
        tenant_id: str,
        index: CandidateIndex,
        uids: list[bytes],
        *,
        cause: Cause,
        requested_by: str,
    ) -> Effects:
        """
        Match these agents again, in steps so that nothing else waits long.

        While the database works on one step, the next is decided; the connection carries one statement at a time.
        """
        effects = Effects()
        line = asyncio.Lock()
        steps = iter([uids[start : start + STEP] for start in range(0, len(uids), STEP)])

        async def work() -> None:
            for members in steps:
                async with line:
                    before = await target_store.load(connection, tenant_id, members, lock=True)
                    now = await target_store.now(connection)
                after = [self.resolved(target, index) for target in before.values()]
                step = self._decide(tenant_id, before, after, now, cause=cause, requested_by=requested_by)
                async with line:
                    await _write(connection, tenant_id, before, step, now)
                effects.add(step.effects)

        with metrics.REMATCH_SECONDS.time():
            if len(uids) <= STEP:
                await work()
                return effects
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(AT_ONCE):
                        _ = tasks.create_task(work())
            except BaseExceptionGroup as group:
                # One failed and the others were told to end: whoever asked knows what to do with the one.
                raise leaves(group)[0] from group
        return effects

    def _decide(
        self,
        tenant_id: str,
        before: Mapping[bytes, Target],
        after: Iterable[Target],
        now: datetime,
        *,
        cause: Cause,
        requested_by: str,
    ) -> _Step:
        step = _Step()
        for moved in after:
            old = before.get(moved.uid)
            target, action = plan(moved, now, cause=cause, requested_by=requested_by, policy=self.policy)
            announced = old.registry_hash if old is not None else b""
            if target.registry_hash != announced or target.misled:
                # Milliseconds, so that an agent that was deleted, or a database that was restored, is not behind.
                target = replace(target, misled=False, generation=_next_generation(target, now))
                step.effects.entries.append((tenant_id, target.uid, target.registry_hash, target.generation))
            if action is not Action.NOTHING:
                step.effects.orders.append(_order(target, action))
            step.outcomes.extend((target, attempt) for attempt in _moved_attempts(old, target))
            step.decided.append(target)
        return step


async def _write(
    connection: Connection, tenant_id: str, before: Mapping[bytes, Target], step: _Step, now: datetime
) -> None:
    """Write what was decided, and what the world hears of it."""
    await target_store.save(connection, tenant_id, before, step.decided)
    await publisher.say_outcomes(connection, [item for item in step.outcomes if publisher.is_outcome(item[1])], now)
    for status, count in Counter(attempt.status.value for _, attempt in step.outcomes).items():
        metrics.ATTEMPTS.labels(status).inc(count)


def _next_generation(target: Target, now: datetime) -> int:
    return max(target.generation + 1, int(now.timestamp() * 1000))


def _order(target: Target, action: Action) -> Order:
    if action is Action.PROBE:
        return Order(target.tenant_id, target.uid, target.epoch, target.gateway_id, FULL_STATE)
    # Once is enough where the agent is; who did not get it may be elsewhere by now, so all gateways are asked.
    gateway_id = target.gateway_id if target.offer_count <= 1 else EVERY_GATEWAY
    return Order(target.tenant_id, target.uid, target.epoch, gateway_id, REMOTE_CONFIG, target.offered_hash)


def _moved_attempts(old: Target | None, target: Target) -> list[Attempt]:
    """Attempts whose status is another than when the transaction began."""
    known = old.attempt if old is not None else None
    return [
        attempt
        for attempt in (*target.closed, target.attempt)
        if attempt is not None and not (known is not None and attempt.id == known.id and attempt.status is known.status)
    ]
