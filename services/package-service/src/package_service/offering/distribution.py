"""
From what should be to what is done: resolve, decide, write, and say what to do after commit.

Every change of an agent goes through settle(), whoever caused it: facts, edits, people, time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from package_service import metrics
from package_service.offering import contents as lists
from package_service.offering import index_store, target_store
from package_service.offering.offers import EVERY_GATEWAY, FULL_STATE, PACKAGES, Order
from package_service.offering.reconcile import Action, Policy, plan
from package_service.offering.resolve import NO_WISHES, Findings, resolved
from package_service.offering.standing import GIVEN_UP, State
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from package_service.offering.contents import Contents
    from package_service.offering.matcher import Matcher
    from package_service.offering.offers import OfferDesk
    from package_service.offering.target import Target
    from servicekit.postgres import Connection

CHUNK = 1000
"""Agents in one transaction."""

_OUTCOMES = GIVEN_UP | {State.INSTALLED}


@dataclass
class Effects:
    """What to do once the transaction is committed."""

    orders: list[Order] = field(default_factory=list)


class Distribution:
    """
    Decides for agents and hands the consequences to the desk.

    Args:
        matcher: Who should have what.

        policy: How patient to be.

        contents: Makes what is sent.

        offers: Takes what gateways must hear.
    """

    def __init__(self, matcher: Matcher, policy: Policy, contents: Contents, offers: OfferDesk) -> None:
        self.policy = policy
        self._matcher = matcher
        self._contents = contents
        self._offers = offers

    def act(self, effects: Effects) -> None:
        """Do what a committed transaction asks for; returns at once."""
        self._offers.put(effects.orders)

    async def settle(
        self,
        connection: Connection,
        tenant_id: str,
        before: Mapping[bytes, Target],
        after: Sequence[Target],
        now: datetime,
    ) -> Effects:
        """
        Find out what dirty agents should have, decide the next act of each agent, and write it all.

        Args:
            connection: Inside the transaction that locked *before*; an index was asked for before that, so that
                nobody waits for somebody who waits for these rows.

            tenant_id: Whose agents.

            before: As loaded; an agent that is not in it is new.

            after: As moved by what happened.

            now: Database time.
        """
        found = await self._resolved(connection, tenant_id, after, now)
        decided = [plan(target, now, self.policy) for target in found]
        sent = {target.desired_hash for target, action in decided if action is Action.OFFER}
        made = await self._contents.make(connection, tenant_id, sent, now) if sent else {}
        effects = Effects()
        planned: list[Target] = []
        for unplanned, decision in zip(found, decided, strict=True):
            target, action = decision
            if action is Action.OFFER and target.desired_hash not in made:
                target, action = plan(unplanned, now, self.policy, sendable=False)
            elif action is Action.OFFER:
                target = replace(target, content_hash=made[target.desired_hash])
            if action is not Action.NOTHING:
                effects.orders.append(_order(target, action))
            planned.append(target)
        _count_outcomes(before, planned)
        await target_store.save(connection, tenant_id, before, planned)
        return effects

    async def begin(self, connection: Connection, tenant_id: str) -> None:
        """Keep changes of what agents are matched against away until the transaction ends; before any row is locked."""
        await self._matcher.index(connection, tenant_id)

    async def _resolved(
        self, connection: Connection, tenant_id: str, after: Sequence[Target], now: datetime
    ) -> list[Target]:
        dirty = [target.uid for target in after if target.dirty]
        if not dirty:
            return list(after)
        index = await self._matcher.index(connection, tenant_id)
        wishes = await index_store.wishes_of(connection, tenant_id, dirty)
        findings = Findings()
        found = [
            resolved(target, index, wishes.get(target.uid, NO_WISHES), now, findings) if target.dirty else target
            for target in after
        ]
        await lists.keep(connection, tenant_id, findings.lists)
        await index_store.want(connection, tenant_id, findings.unvetted)
        return found


def _order(target: Target, action: Action) -> Order:
    if action is Action.PROBE:
        return Order(target.tenant_id, target.uid, target.epoch, target.gateway_id, FULL_STATE)
    # Once is enough where the agent is; who did not get it may be elsewhere by now, so all gateways are asked.
    gateway_id = target.gateway_id if target.offer_count <= 1 else EVERY_GATEWAY
    return Order(target.tenant_id, target.uid, target.epoch, gateway_id, PACKAGES, target.content_hash)


def _count_outcomes(before: Mapping[bytes, Target], after: Sequence[Target]) -> None:
    for target in after:
        old = before[target.uid].packages if target.uid in before else {}
        for name, item in target.packages.items():
            was = old.get(name)
            if item.state in _OUTCOMES and (was is None or was.state is not item.state):
                metrics.PACKAGE_OUTCOMES.labels(item.state.value).inc()
