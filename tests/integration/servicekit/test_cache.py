from __future__ import annotations

import pytest

from servicekit.cache import CacheError, connect_redis


async def test_bytes_come_back_as_bytes(redis_url: str) -> None:
    """The client stores and returns raw bytes."""
    client = connect_redis(redis_url)
    await client.set("k", b"\x00\xff")
    assert await client.get("k") == b"\x00\xff"
    await client.aclose()


async def test_a_server_that_is_away_is_a_cache_error_soon() -> None:
    """Without a server a command fails within the timeout with an error callers treat as a miss."""
    client = connect_redis("redis://127.0.0.1:1/0")
    with pytest.raises(CacheError):
        await client.get("k")
    await client.aclose()
