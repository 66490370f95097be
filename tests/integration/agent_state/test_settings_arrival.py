from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_state.admission import Arrival
from agent_state.settings_arrival import SettingsArrival
from agent_state.settings_composer import TELEMETRY_BITS, Platform, SettingsComposer
from agent_state.settings_policy_store import SettingsPolicyStore
from agent_state.settings_store import SettingsStore
from world.facts import uid_of

from .test_settings_policy_store import policy, put
from .test_settings_routes import no_credential

if TYPE_CHECKING:
    import asyncpg

    from opamp.v1 import opamp_pb2 as opamp

UID = uid_of(1)


@pytest.fixture
def arrivals() -> SettingsArrival:
    """Give what judges arrivals."""
    return SettingsArrival(SettingsComposer(SettingsPolicyStore(), Platform(), no_credential), SettingsStore())


def arrival(last_hash: bytes = b"", capabilities: int = TELEMETRY_BITS["own_metrics"]) -> Arrival:
    """An agent's first message."""
    return Arrival("default", UID, "", capabilities=capabilities, last_settings_hash=last_hash)


async def told(pool: asyncpg.Pool, arrivals: SettingsArrival, came: Arrival) -> opamp.ConnectionSettingsOffers | None:
    """Return what its first answer carries."""
    async with pool.acquire() as connection, connection.transaction():
        offers = await arrivals.compose(connection, came, {})
        if offers is not None and await arrivals.is_due(connection, came, offers):
            return offers
    return None


async def test_first_answer_carries_what_is_due(pool: asyncpg.Pool, arrivals: SettingsArrival) -> None:
    """Own telemetry from the first word on (S-154), and not again a moment later (S-156)."""
    assert await told(pool, arrivals, arrival()) is None
    await put(pool, policy("a"))

    offers = await told(pool, arrivals, arrival())

    assert offers is not None
    assert offers.own_metrics.destination_endpoint == "https://a/v1/metrics"
    assert await told(pool, arrivals, arrival()) is None
    assert await told(pool, arrivals, arrival(offers.hash)) is None


async def test_hash_the_agent_names_decides(pool: asyncpg.Pool, arrivals: SettingsArrival) -> None:
    """Another one than it should have is answered with what it should have (S-124)."""
    await put(pool, policy("a"))

    assert await told(pool, arrivals, arrival(b"other")) is not None
    assert await told(pool, arrivals, arrival(b"other")) is not None


async def test_agents_that_take_nothing_are_told_nothing(pool: asyncpg.Pool, arrivals: SettingsArrival) -> None:
    """And leave no trace."""
    await put(pool, policy("a"))

    assert await told(pool, arrivals, arrival(capabilities=1)) is None
    assert await SettingsStore().tenants(pool) == set()


async def test_what_was_told_is_recorded_as_delivered(pool: asyncpg.Pool, arrivals: SettingsArrival) -> None:
    """For a connection that has no number yet."""
    await put(pool, policy("a"))
    offers = await told(pool, arrivals, arrival())
    assert offers is not None

    async with pool.acquire() as connection:
        standing = await SettingsStore().load(connection, "default", UID)

    assert standing is not None
    assert standing.delivered_hash == standing.offered_hash == offers.hash
    assert standing.delivered_epoch == 0
