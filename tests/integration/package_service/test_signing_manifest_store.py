"""Manifests in the database; what is published is tested in test_signing_manifests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from package_service.signing import manifest_store
from package_service.signing.manifest_store import Published

from .conftest import TENANT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_version_is_never_said_twice(pool: asyncpg.Pool) -> None:
    """The newest is the one of the highest version; the database refuses a second of the same."""
    async with pool.acquire() as connection:
        made = Published(TENANT, "beta", 1, bytes(32), NOW, b"{}", "ann", NOW)
        await manifest_store.add(connection, replace(made, version=2))
        await manifest_store.add(connection, made)
        with pytest.raises(asyncpg.UniqueViolationError):
            await manifest_store.add(connection, made)

        newest = await manifest_store.newest(connection, TENANT, "beta")
    assert newest is not None
    assert newest.version == 2
    assert await manifest_store.newest(pool, TENANT, "stable") is None
    assert await manifest_store.tenants(pool) == [TENANT]
