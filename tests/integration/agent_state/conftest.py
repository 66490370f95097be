"""agent-state on a database of its own: its stores alone, or the whole service on a real bus."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent_state.agent_store import AgentStore
from agent_state.app import SERVICE, build
from agent_state.component_store import ComponentStore, Mention
from agent_state.connection_store import ConnectionStore
from agent_state.consumer import FactsConsumer
from agent_state.credential_store import CredentialStore
from agent_state.effective_config_store import EffectiveConfigStore
from agent_state.epochs import Epochs
from agent_state.report_store import ReportStore
from agent_state.settings import Settings
from agent_state.settings_store import SettingsStore
from contracts import streams, subjects
from servicekit import migrate, postgres, runner
from servicekit.bus import Bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import asyncpg

    from fleet.events.v1 import facts_pb2 as facts
    from world.postgres import Database


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[asyncpg.Pool]:
    """Give a pool on a migrated, empty schema."""
    url = postgres.url_for("agent-state")
    await migrate.migrate(url, "agent_state")
    made = await connect(url)
    yield made
    await made.close()


async def connect(url: str) -> asyncpg.Pool:
    """Open a pool as the service does."""
    return await postgres.connect_pool(url, service="test", max_size=8)


async def row_of(pool: asyncpg.Pool, query: str, *arguments: object) -> tuple[object, ...]:
    """Fetch the first row as a plain tuple; empty when there is none."""
    row = await pool.fetchrow(query, *arguments)
    return tuple(row) if row is not None else ()


class Applier:
    """Applies batches as the consumer does, without a bus."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.epochs = Epochs(pool)
        self.mentions: list[Mention] = []
        self.hinted: set[tuple[str, bytes]] = set()
        self.withdrawn: list[tuple[str, str]] = []
        self.consumer = FactsConsumer(
            AgentStore(),
            ConnectionStore(),
            ReportStore(1 << 20),
            EffectiveConfigStore(1 << 20),
            self.epochs,
            components=ComponentStore(1 << 20),
            ask=self.mentions.extend,
            standings=SettingsStore(),
            hint=self.hinted.update,
            credentials=CredentialStore(),
            withdrawn=self._withdraw,
        )

    async def _withdraw(self, ended: Sequence[tuple[str, str]]) -> None:
        self.withdrawn.extend(ended)

    async def __call__(self, *batches: facts.FactBatch) -> None:
        """Apply in one transaction and do what follows the commit."""
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                after = await self.consumer.apply(connection, batches)
            await after()


@pytest.fixture
def apply(pool: asyncpg.Pool) -> Applier:
    """Give a function that applies batches of facts."""
    return Applier(pool)


@dataclass
class Running:
    """The service, and a bus to talk to it."""

    bus: Bus
    url: str
    settings: Settings
    restart: Callable[[], None]

    async def say(self, *said: facts.Fact, gateway: str = "gw-1") -> None:
        """Publish facts as a gateway does: grouped by partition, acknowledged by the stream."""
        groups: dict[int, list[facts.Fact]] = {}
        for one in said:
            groups.setdefault(subjects.partition_of(one.instance_uid), []).append(one)
        for partition, members in groups.items():
            payload = batch_of(gateway, members).SerializeToString()
            await self.bus.js.publish(subjects.facts(partition), payload, timeout=30, stream=streams.FACTS.name)


def batch_of(gateway: str, members: list[facts.Fact]) -> facts.FactBatch:
    """Put facts into one message."""
    from world.facts import batch  # noqa: PLC0415 - the module name would hide the fixture

    return batch(*members, gateway=gateway)


@pytest.fixture
def overrides() -> dict[str, object]:
    """Give settings a test file may change by its own fixture of this name."""
    return {}


@pytest.fixture
async def service(postgres: Database, nats_url: str, overrides: dict[str, object]) -> AsyncIterator[Running]:
    """Run agent-state whole."""
    url = postgres.url_for("agent-state")
    await migrate.migrate(url, "agent_state")
    settings = Settings.model_validate({"postgres_url": url, "nats_url": nats_url, **overrides})
    stop = asyncio.Event()
    bus = await Bus.connect(nats_url, name="test")
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.serve(SERVICE, settings, build, stop))
        try:
            await _until_served(bus)
            yield Running(bus, url, settings, lambda: None)
        finally:
            stop.set()
    await bus.close()


async def _until_served(bus: Bus) -> None:
    from fleet.api.v1 import agent_state_pb2 as api  # noqa: PLC0415 - only needed here
    from servicekit.errors import Unavailable  # noqa: PLC0415 - only needed here

    async with asyncio.timeout(60):
        while True:
            try:
                await bus.call(subjects.ALLOCATE_EPOCHS, api.AllocateEpochsRequest(gateway_id="t", count=1))
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return
