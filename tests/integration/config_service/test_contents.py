from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from config_service import configuration_store, effective
from config_service.contents import Contents, _Recent
from config_service.document import Document
from contracts.subjects import CONTENT_BUCKET
from opamp.v1 import opamp_pb2
from servicekit.bus import Bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

TENANT = "default"
DOCUMENT = Document(raw_config="a: 1\n")


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a bus."""
    made = await Bus.connect(nats_url, name="test")
    yield made
    await made.close()


async def written(pool: asyncpg.Pool) -> bytes:
    """Write a version and return its hash."""
    async with pool.acquire() as connection, connection.transaction():
        await configuration_store.add_version(connection, TENANT, "a", 1, DOCUMENT, author="", comment="")
    return DOCUMENT.config_hash


async def test_content_is_found_by_hash_and_stored_once(pool: asyncpg.Pool, bus: Bus) -> None:
    """From any version; put where gateways fetch it; again only when asked."""
    config_hash = await written(pool)
    contents = Contents(pool, bus)

    await contents.store(TENANT, config_hash)
    assert await bus.get_object(CONTENT_BUCKET, config_hash.hex()) == await contents.message(TENANT, config_hash)

    await bus.put_object(CONTENT_BUCKET, config_hash.hex(), b"damaged")
    await contents.store(TENANT, config_hash)
    assert await bus.get_object(CONTENT_BUCKET, config_hash.hex()) == b"damaged"
    await contents.store(TENANT, config_hash, again=True)
    assert await bus.get_object(CONTENT_BUCKET, config_hash.hex()) != b"damaged"


async def test_unknown_content_is_none(pool: asyncpg.Pool, bus: Bus) -> None:
    """Nothing is invented, nothing is stored."""
    contents = Contents(pool, bus)

    assert await contents.message(TENANT, b"x" * 32) is None
    await contents.store(TENANT, b"x" * 32)
    assert await bus.get_object(CONTENT_BUCKET, (b"x" * 32).hex()) is None


async def test_effective_configuration_is_compared(pool: asyncpg.Pool, bus: Bus) -> None:
    """With what was sent under that hash; unknown when there is no such content."""
    config_hash = await written(pool)
    contents = Contents(pool, bus)
    reported = opamp_pb2.EffectiveConfig()
    reported.config_map.config_map["x"].body = b"a: 1\nb: 2\n"
    async with pool.acquire() as connection:
        for _ in range(2):
            assert await contents.holds(TENANT, config_hash, reported, connection) is True
        assert await contents.holds(TENANT, b"x" * 32, reported, connection) is None


async def test_comparing_keeps_nobody_waiting(pool: asyncpg.Pool, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens on a thread of its own: a big configuration must not stop the service."""
    threads = []
    monkeypatch.setattr(effective, "holds", lambda *_: threads.append(threading.get_ident()))
    config_hash = await written(pool)
    async with pool.acquire() as connection:
        await Contents(pool, bus).holds(TENANT, config_hash, opamp_pb2.EffectiveConfig(), connection)

    assert threads
    assert threads != [threading.get_ident()]


def test_only_the_newest_stay() -> None:
    """Memory is bounded by weight; using an entry keeps it."""
    recent: _Recent[str] = _Recent(10)
    recent.put("a", "A", 4)
    recent.put("b", "B", 4)
    assert recent.get("a") == "A"
    recent.put("c", "C", 4)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == ("A", None, "C")

    recent.put("a", "A2", 9)
    assert (recent.get("a"), recent.get("c")) == ("A2", None)
    recent.clear()
    assert recent.get("a") is None
