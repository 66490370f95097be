"""The Redis server of a stack."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
import redis.asyncio
import redis.exceptions

from devstack.errors import StackError
from devstack.ports import free_port
from devstack.redis import RedisServer, binary
from world.folders import make_folder

if TYPE_CHECKING:
    from pathlib import Path


async def test_it_is_empty_after_a_kill(redis_server: RedisServer) -> None:
    """Redis comes back on its port and knows nothing any more."""
    async with redis.asyncio.from_url(redis_server.url) as client:
        await client.set("a", "b")

    redis_server.kill()
    redis_server.start()

    async with redis.asyncio.from_url(redis_server.url) as client:
        assert await client.get("a") is None
    redis_server.stop()
    assert not redis_server.accepts()


async def test_password_is_asked_for() -> None:
    """The server of a stack lets nobody in without it."""
    folder = make_folder("redis")
    server = RedisServer(folder, free_port(), "secret")
    try:
        server.start()
        async with redis.asyncio.from_url(server.url) as client:
            assert await client.ping()
        async with redis.asyncio.from_url(f"redis://127.0.0.1:{server.port}/0") as client:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await client.ping()
        assert (folder / "redis.conf").stat().st_mode & 0o077 == 0
    finally:
        server.kill()
        shutil.rmtree(folder)


def test_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says what to do."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(StackError, match="run 'make setup', or point FLEET_REDIS_URL"):
        binary()
