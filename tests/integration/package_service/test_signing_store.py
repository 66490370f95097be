"""Signatures in the database; what people do with them is tested in test_signing_signatures."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from package_service.signing import key_store, store

from .conftest import TENANT
from .test_file_store import add

if TYPE_CHECKING:
    import asyncpg

KEY = "0" * 32


async def test_same_signature_is_stored_once(pool: asyncpg.Pool) -> None:
    """By format, key and bytes; another tenant's are not seen."""
    file = await add(pool, "1.0.0")
    async with pool.acquire() as connection, connection.transaction():
        await store.lock_file(connection, TENANT, file.file_id)
        made = [
            await store.add(
                connection, TENANT, file.file_id, form="other", key_id="", signature=signature, author="ann"
            )
            for signature in (b"one", b"one", b"two")
        ]

    assert [one is not None for one in made] == [True, False, True]
    listed = (await store.of_files(pool, TENANT, [file.file_id]))[file.file_id]
    # Added in one transaction they are of the same moment: their order says nothing.
    assert sorted(one.signature for one in listed) == [b"one", b"two"]
    assert await store.of_files(pool, "x", [file.file_id]) == {}
    assert await store.chosen_id(pool, TENANT, uuid.uuid4()) is None


async def test_unvetting_hits_those_without_a_key_that_counts(pool: asyncpg.Pool) -> None:
    """Of one tenant, or of all."""
    signed, unsigned = await add(pool, "1.0.0"), await add(pool, "1.0.1", name="other")
    await pool.execute("UPDATE package_file SET vetted_at = now()")
    async with pool.acquire() as connection, connection.transaction():
        await key_store.add(connection, TENANT, KEY, bytes(32), name="", origin="registered", author="ann")
        await store.add(
            connection, TENANT, signed.file_id, form="ed25519", key_id=KEY, signature=bytes(64), author="ann"
        )

        assert await store.unvet_unsigned(connection, "x") == []
        assert await store.unvet_unsigned(connection) == [(TENANT, "other")]
        assert await store.signed_by(connection, TENANT, KEY) == ["collector"]
        assert await store.vetting_of(connection, TENANT, unsigned.file_id) == (None, "unsigned")
        await store.look_again(connection, TENANT, unsigned.file_id)
        assert await store.vetting_of(connection, TENANT, unsigned.file_id) == (None, "")
        assert await store.vetting_of(connection, TENANT, uuid.uuid4()) == (None, "")
