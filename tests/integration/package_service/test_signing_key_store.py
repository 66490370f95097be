"""Keys in the database; what people do with them is tested in test_signing_signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.signing import key_store

from .conftest import TENANT

if TYPE_CHECKING:
    import asyncpg

ONE, TWO = "0" * 32, "1" * 32


async def test_revoked_keys_are_kept_and_not_trusted(pool: asyncpg.Pool) -> None:
    """Adding one again does not bring it back."""
    async with pool.acquire() as connection, connection.transaction():
        made = [
            await key_store.add(
                connection, TENANT, key_id, bytes(32), name="n", origin=key_store.REGISTERED, author="ann"
            )
            for key_id in (ONE, TWO, ONE)
        ]
        assert made == [True, True, False]
        assert await key_store.revoke(connection, TENANT, ONE, "bob")
        assert not await key_store.revoke(connection, TENANT, ONE, "eve")

        assert await key_store.trusted(connection, TENANT) == {TWO: bytes(32)}
        assert await key_store.count(connection, TENANT) == 2
        revoked = await key_store.one(connection, TENANT, ONE)
    assert revoked is not None
    assert (revoked.revoked_by, revoked.revoked_at is not None) == ("bob", True)
    assert await key_store.trusted(pool, "x") == {}
