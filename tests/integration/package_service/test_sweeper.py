"""What nobody needs any more is removed; what somebody may need is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.blob_store import blob_key
from package_service.catalogue import Catalogue
from package_service.sweeper import Sweeper
from servicekit.clock import FakeClock

from .conftest import PART, TENANT, pieces, program, sha256
from .test_uploads import begun, sent

if TYPE_CHECKING:
    import asyncpg

    from package_service.s3 import S3BlobStore
    from package_service.uploads import Uploads


def sweeper(
    pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads, *, uploads_after: float, blobs_after: float
) -> Sweeper:
    """Make a sweeper."""
    return Sweeper(
        pool,
        store,
        uploads,
        FakeClock(),
        interval_seconds=1,
        upload_retention_seconds=uploads_after,
        blob_retention_seconds=blobs_after,
    )


async def test_stale_uploads_are_given_up(pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads) -> None:
    """Their parts go, too; a young one stays."""
    data = program(2 * PART)
    upload = await begun(uploads, data)
    await uploads.receive(upload, 0, pieces(data[: PART + 5]))

    await sweeper(pool, store, uploads, uploads_after=60, blobs_after=60).sweep()
    assert (await uploads.get(TENANT, upload.upload_id)).stored == PART
    await sweeper(pool, store, uploads, uploads_after=-1, blobs_after=60).sweep()

    assert await pool.fetchval("SELECT count(*) FROM upload") == 0
    assert await pool.fetchval("SELECT count(*) FROM upload_part") == 0


async def test_published_upload_is_forgotten_and_its_file_stays(
    pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads
) -> None:
    """The row was kept only for whoever completes again."""
    data = program()
    await uploads.complete(await sent(uploads, data))

    await sweeper(pool, store, uploads, uploads_after=-1, blobs_after=-1).sweep()

    assert await pool.fetchval("SELECT count(*) FROM upload") == 0
    assert await store.head(blob_key(sha256(data))) == len(data)


async def test_bytes_without_a_file_are_removed_in_time(
    pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads
) -> None:
    """Not before their retention, and never while another file has the same content."""
    data = program()
    key = blob_key(sha256(data))
    first, _ = await uploads.complete(await sent(uploads, data, "1.0.0"))
    second, _ = await uploads.complete(await sent(uploads, data, "1.0.1"))
    catalogue = Catalogue(pool)

    await catalogue.delete(TENANT, first.file_id, author="ann")
    await sweeper(pool, store, uploads, uploads_after=60, blobs_after=-1).sweep()
    assert await store.head(key) == len(data)

    await catalogue.delete(TENANT, second.file_id, author="ann")
    await sweeper(pool, store, uploads, uploads_after=60, blobs_after=60).sweep()
    assert await store.head(key) == len(data)
    await sweeper(pool, store, uploads, uploads_after=60, blobs_after=-1).sweep()
    assert await store.head(key) is None
    assert await pool.fetchval("SELECT count(*) FROM loose_blob") == 0
