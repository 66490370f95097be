"""Offers as campaigns need them, on the real tables of offers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from opamp.v1 import opamp_pb2 as opamp
from package_service.campaigns.assignments import AssignmentOffers
from package_service.campaigns.offers import Assigned, Offers

from .campaign_ground import Ground, uid_of
from .conftest import TENANT
from .test_campaigns_campaign_store import kept

if TYPE_CHECKING:
    import asyncpg

_CAPABILITIES = (
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_AcceptsPackages
    | opamp.AgentCapabilities_ReportsPackageStatuses
)
_ASSIGNMENT = """
INSERT INTO package_assignment (tenant_id, name, package, channel, version, selector, groups, priority, enabled,
                                created_by, updated_by)
VALUES ($1, 'all', 'collector', 'stable', '1.0.0', '{"ring": "canary"}', '{}', 0, true, 'ann', 'ann')
RETURNING assignment_id
"""
_TARGET = """
INSERT INTO package_target (tenant_id, instance_uid, epoch, gateway_id, connected, capabilities, labels,
    stamped_labels, withheld, fences, platform, arch, healthy, desired_hash, held, offered_hash, content_hash,
    offer_count, delivered_epoch, probed, timeouts, reported_hash, reported_error, reported, dirty)
VALUES ($1, $2, 1, 'g', true, $3, '{"ring": "canary"}', '{}', false, '{}', 'linux', 'amd64', NULL, '', '', '', '', 0, 0,
    false, 0, '', '', '{}', false)
"""
_PACKAGE = """
INSERT INTO agent_package (tenant_id, instance_uid, package, assignment_id, version, package_hash, state, percent,
    error, failed_hashes, requested_by, since, moved_at)
VALUES ($1, $2, 'collector', $3, '1.0.0', '', 'installed', 100, '', '', '', now(), now())
"""


async def prepare(pool: asyncpg.Pool, agents: int = 3) -> UUID:
    """Write an assignment and agents that have its version."""
    assignment_id: UUID = await pool.fetchval(_ASSIGNMENT, TENANT)
    for number in range(agents):
        await pool.execute(_TARGET, TENANT, uid_of(number), _CAPABILITIES)
        await pool.execute(_PACKAGE, TENANT, uid_of(number), assignment_id)
    return assignment_id


@pytest.fixture(params=["real", "fake"])
async def offers(request: pytest.FixtureRequest, pool: asyncpg.Pool) -> tuple[Offers, UUID]:
    """Give offers on the tables, and those other tests believe in: both pass the same tests."""
    assignment_id = await prepare(pool)
    if request.param == "real":
        return AssignmentOffers(), assignment_id
    ground = Ground(assignment_id=assignment_id)
    ground.agents = {uid_of(number): {"ring": "canary"} for number in range(3)}
    return ground, assignment_id


async def test_who_is_there_and_what_they_have(pool: asyncpg.Pool, offers: tuple[Offers, UUID]) -> None:
    """The assignment, its agents with their labels, and how they fare."""
    port, assignment_id = offers
    async with pool.acquire() as connection, connection.transaction():
        assert await port.assignment(connection, TENANT, assignment_id) == Assigned("collector", "1.0.0")
        assert await port.standing(connection, TENANT, assignment_id) == Assigned("collector", "1.0.0")
        assert await port.still(connection, TENANT, assignment_id) == Assigned("collector", "1.0.0")
        assert await port.assignment(connection, TENANT, UUID(int=0)) is None
        people = await port.population(connection, TENANT, assignment_id)
        assert [(uid, dict(labels)) for uid, labels in people] == [
            (uid_of(number), {"ring": "canary"}) for number in range(3)
        ]
        assert await port.machines(connection, TENANT, assignment_id) == {("linux", "amd64"): 3}
        progress = await port.progress(connection, TENANT, assignment_id, [uid_of(0)])
        assert (progress[uid_of(0)].version, progress[uid_of(0)].state) == ("1.0.0", "installed")
        assert progress[uid_of(0)].connected


async def test_settled_once(pool: asyncpg.Pool, offers: tuple[Offers, UUID]) -> None:
    """The new version is the assignment's own; a second time there is nothing to settle."""
    port, assignment_id = offers
    campaign = await kept(pool, assignment_id=assignment_id)
    async with pool.acquire() as connection, connection.transaction():
        assert await port.settle(connection, campaign)
        assert await port.assignment(connection, TENANT, assignment_id) == Assigned("collector", "1.1.0", revision=2)
        assert not await port.settle(connection, campaign)


async def test_choices_make_their_agents_be_looked_at_again(pool: asyncpg.Pool) -> None:
    """Set and cleared, for some and for all; settling looks at everybody."""
    port, assignment_id = AssignmentOffers(), await prepare(pool)
    keys = (TENANT, assignment_id)

    async def marked() -> list[bytes]:
        rows = await pool.fetch("UPDATE package_target SET dirty = false WHERE dirty RETURNING instance_uid")
        return sorted(row["instance_uid"] for row in rows)

    async with pool.acquire() as connection, connection.transaction():
        await port.choose(connection, *keys, [uid_of(0), uid_of(1)], "1.1.0")
    assert await pool.fetchval("SELECT count(*) FROM package_choice WHERE version = '1.1.0'") == 2
    assert await marked() == [uid_of(0), uid_of(1)]
    async with pool.acquire() as connection, connection.transaction():
        await port.unchoose(connection, *keys, [uid_of(0)])
    assert await marked() == [uid_of(0)]
    async with pool.acquire() as connection, connection.transaction():
        await port.unchoose(connection, *keys, None)
    assert await marked() == [uid_of(1)]
    assert await pool.fetchval("SELECT count(*) FROM package_choice") == 0

    campaign = await kept(pool, assignment_id=assignment_id)
    async with pool.acquire() as connection, connection.transaction():
        await port.settle(connection, campaign)
    assert len(await marked()) == 3
    assert await pool.fetchval("SELECT revision FROM package_assignment WHERE version = '1.1.0'") == 2
    assert await pool.fetchval("SELECT generation FROM offering_generation") == 1
