"""Files handed out, verified on the way; the doors are tested in test_listener."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from package_service.catalogue import Catalogue
from package_service.downloads import Downloads
from package_service.errors import BlobDamaged, BlobDoubted, PackageNotFound
from package_service.signing.signatures import Signatures
from package_service.vetting.rounds import Vetting
from servicekit.clock import FakeClock

from .conftest import TENANT, program
from .test_uploads import sent

if TYPE_CHECKING:
    import asyncpg

    from devstack.s3 import S3Server
    from package_service.s3 import S3BlobStore
    from package_service.uploads import Uploads


async def looked_at(pool: asyncpg.Pool, store: S3BlobStore) -> tuple[bool, bool]:
    """Vet what is wanted; tell whether all of it may be offered, and whether all is damaged."""
    vetting = Vetting(pool, store, FakeClock(), signature_required=False, interval_seconds=60, rehash_seconds=3600)
    await vetting.vet_wanted()
    (row,) = await pool.fetch(
        "SELECT bool_and(vetted_at IS NOT NULL), bool_and(damaged_at IS NOT NULL) FROM package_file"
    )
    return row[0], row[1]


async def test_last_chunk_waits_for_the_hash(
    pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads, s3_server: S3Server
) -> None:
    """Of a changed file some bytes may be seen, never all of them."""
    data = program(700_000)
    file, _ = await uploads.complete(await sent(uploads, data))
    blob = s3_server.folder / "objects" / "agent-packages" / "sha256" / file.sha256.hex()
    blob.write_bytes(b"\x00" + data[1:])
    downloads, got = Downloads(pool, store, Signatures(pool, None, required=False)), b""

    async def read() -> None:
        nonlocal got
        async with downloads.open(file, 0, file.size) as chunks:
            async for chunk in chunks:
                got += chunk

    with pytest.raises(BlobDoubted):
        await read()

    assert len(got) < file.size
    assert await looked_at(pool, store) == (False, True)
    with pytest.raises(BlobDamaged):
        await downloads.find(TENANT, file.file_id, for_agent=False)


@pytest.mark.parametrize("what", ["object", "bucket", "length"])
async def test_what_the_store_does_not_give_is_no_damage(
    pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads, s3_server: S3Server, what: str
) -> None:
    """Every file of the content, of whichever tenant, is taken out of offers until it was read again."""
    data = program(700_000)
    file, _ = await uploads.complete(await sent(uploads, data))
    twin, _ = await uploads.complete(await sent(uploads, data, "2.0.0"))
    await pool.execute("UPDATE package_file SET vetted_at = now(), vetted_mark = 'm'")
    await pool.execute("DELETE FROM package_change")
    bucket = s3_server.folder / "objects" / "agent-packages"
    blob = bucket / "sha256" / file.sha256.hex()
    if what == "object":
        blob.unlink()
    elif what == "bucket":
        bucket.rename(s3_server.folder / "away")
    else:
        blob.write_bytes(data[:-1])
    downloads = Downloads(pool, store, Signatures(pool, None, required=False))

    with pytest.raises(BlobDoubted):
        async with downloads.open(file, 0, file.size):
            pass

    rows = await pool.fetch("SELECT file_id, wanted_at, vetted_at, vetted_mark, damaged_at FROM package_file")
    assert {row["file_id"] for row in rows} == {file.file_id, twin.file_id}
    assert [(row["vetted_at"], row["vetted_mark"], row["damaged_at"]) for row in rows] == [(None, "", None)] * 2
    assert all(row["wanted_at"] for row in rows)
    assert await pool.fetchval("SELECT count(*) FROM package_change") == 1
    if what == "bucket":
        (s3_server.folder / "away").rename(bucket)
    elif what == "object":
        blob.write_bytes(data)
    assert await looked_at(pool, store) == ((False, True) if what == "length" else (True, False))


async def test_who_may_have_what(pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads) -> None:
    """Agents only active files, nobody another tenant's."""
    file, _ = await uploads.complete(await sent(uploads, program()))
    downloads = Downloads(pool, store, Signatures(pool, None, required=False))
    await Catalogue(pool).set_active(TENANT, file.file_id, active=False, author="ann")

    assert (await downloads.find(TENANT, file.file_id, for_agent=False)).file_id == file.file_id
    for tenant, file_id, for_agent in (
        (TENANT, file.file_id, True),
        ("x", file.file_id, False),
        (TENANT, uuid.uuid4(), False),
    ):
        with pytest.raises(PackageNotFound):
            await downloads.find(tenant, file_id, for_agent=for_agent)
