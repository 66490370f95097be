"""The whole service while its surroundings fail: nobody goes offline who lives, everybody who died does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import pytest

from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as api
from fleet.events.v1.presence_pb2 import HeardFrom, Presence
from servicekit.errors import ServiceError
from world.facts import connected, described, uid_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from devstack.nats import NatsServer

    from .conftest import Running

AGENTS = 20
QUICK: dict[str, object] = {
    "gateway_lease_seconds": 3.0,
    "presence_beat_seconds": 0.2,
    "presence_flush_seconds": 0.1,
    "silence_seconds": 4.0,
    "sweep_seconds": 0.3,
    "lease_check_seconds": 0.1,
    "adopt_seconds": 0.5,
}


@pytest.fixture
def overrides() -> dict[str, object]:
    """Let everything happen in seconds, and yet no agent die of a machine that stalls for one."""
    return QUICK


@contextlib.asynccontextmanager
async def beating(service: Running, gateway: str = "gw-1", epoch_plus: int = 0) -> AsyncIterator[None]:
    """Be a gateway whose agents all live."""
    numbers = range(1, AGENTS + 1)
    heard = HeardFrom(
        tenant_id="default",
        uids=b"".join(uid_of(number) for number in numbers),
        epochs=[number + epoch_plus for number in numbers],
    )
    beat = Presence(gateway_id=gateway, heard=[heard], connections=AGENTS).SerializeToString()

    async def forever() -> None:
        while True:
            with contextlib.suppress(ServiceError):
                await service.bus.publish(subjects.presence(gateway), beat)
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(forever())
        yield
        task.cancel()


async def summary(service: Running) -> dict[str, int]:
    """Count agents by status; nothing while the service cannot be asked."""
    try:
        reply = await service.bus.call(
            subjects.GET_STATUS_SUMMARY, api.GetStatusSummaryRequest(tenant_id="default"), timeout_seconds=5
        )
    except ServiceError:
        return {}
    return dict(reply.by_status)


async def offline_events(service: Running) -> int:
    """Count how often an agent was said to be offline."""
    connection = await asyncpg.connect(service.url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%.offline.%'")
        return count
    finally:
        await connection.close()


async def start_fleet(service: Running) -> None:
    """Let the agents connect."""
    said = [
        fact
        for number in range(1, AGENTS + 1)
        for fact in (connected(uid_of(number), number), described(uid_of(number), number, 2))
    ]
    await service.say(*said)


ALL_ONLINE = {"online": AGENTS, "offline": 0, "error": 0}
ALL_OFFLINE = {"online": 0, "offline": AGENTS, "error": 0}


async def test_dead_gateway_is_noticed_and_its_return_too(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """When the beats stop, the agents go, once each; when they go on, all are back on the same connections."""

    async def all_online() -> bool:
        return await summary(service) == ALL_ONLINE

    async def all_offline() -> bool:
        return await summary(service) == ALL_OFFLINE

    async with beating(service):
        await start_fleet(service)
        await eventually(all_online)
    await eventually(all_offline)
    assert await offline_events(service) == AGENTS

    async with beating(service):
        await eventually(all_online)
        assert await offline_events(service) == AGENTS


async def test_restarted_bus_takes_nobody_offline(
    service: Running, nats_server: NatsServer, eventually: Callable[..., Awaitable[object]]
) -> None:
    """NATS away for longer than lease and silence together is our blindness, not the agents' death."""

    async def all_online() -> bool:
        return await summary(service) == ALL_ONLINE

    async with beating(service):
        await start_fleet(service)
        await eventually(all_online)

        nats_server.kill()
        await asyncio.sleep(8)  # longer than lease and silence; no event to wait for while nothing can be heard
        nats_server.start()

        await eventually(all_online)
        await asyncio.sleep(5)  # a wrong verdict would fall now
        await eventually(all_online)
    assert await offline_events(service) == 0


async def test_emptied_stream_is_healed_from_presence(
    service: Running, eventually: Callable[..., Awaitable[object]]
) -> None:
    """Agents whose facts were lost for good are adopted, and their gateway is asked for everything."""

    async def all_online() -> bool:
        return await summary(service) == ALL_ONLINE

    async with beating(service):
        await eventually(all_online)
