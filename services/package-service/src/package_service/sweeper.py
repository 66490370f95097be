"""Removes what nobody needs any more: uploads nobody went on with, and bytes no file names. Run it under a Leader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from package_service import file_store, metrics, upload_store
from package_service.blob_store import blob_key
from servicekit.errors import ServiceError
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    import asyncpg

    from package_service.blob_store import BlobStore
    from package_service.uploads import Uploads
    from servicekit.clock import Clock

log = structlog.get_logger()

BATCH = 100


class Sweeper:
    """
    Sweeps now and then.

    Args:
        pool: The service's database.

        store: Where bytes are.

        uploads: Forgets uploads.

        clock: For waiting.

        interval_seconds: Between sweeps.

        upload_retention_seconds: How long an upload may rest.

        blob_retention_seconds: How long bytes without a file are kept.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        store: BlobStore,
        uploads: Uploads,
        clock: Clock,
        *,
        interval_seconds: float,
        upload_retention_seconds: float,
        blob_retention_seconds: float,
    ) -> None:
        self._pool = pool
        self._store = store
        self._uploads = uploads
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._upload_retention_seconds = upload_retention_seconds
        self._blob_retention_seconds = blob_retention_seconds

    async def run(self) -> None:
        """Sweep for ever; a store or database that is away makes it late."""
        while True:
            try:
                await self.sweep()
            except ServiceError as error:
                log.warning("sweep_waits", error=error.public)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("sweep_waits", error=str(error) or type(error).__name__)
            await self._clock.sleep(self._interval_seconds)

    async def sweep(self) -> None:
        """Sweep once."""
        for upload in await upload_store.stale(self._pool, self._upload_retention_seconds, BATCH):
            async with self._pool.acquire() as guard, guard.transaction():
                if not await upload_store.try_lock(guard, upload.upload_id):
                    continue
                await self._uploads.forget(upload)
            if upload.file_id is None:
                metrics.UPLOADS.labels("given_up").inc()
                log.info("upload_given_up", upload_id=str(upload.upload_id), stored=upload.stored)
        for tenant_id, sha256 in await file_store.loose_due(self._pool, self._blob_retention_seconds, BATCH):
            await self._look_at(tenant_id, sha256)
        await self._tell_figures()

    async def _look_at(self, tenant_id: str, sha256: bytes) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await file_store.lock_blob(connection, sha256)
            if await file_store.is_unneeded(connection, tenant_id, sha256, self._blob_retention_seconds):
                await self._store.delete(blob_key(sha256))
                log.info("blob_removed", sha256=sha256.hex())
            await file_store.settle_if_due(connection, tenant_id, sha256, self._blob_retention_seconds)

    async def _tell_figures(self) -> None:
        files, damaged, stored, uploads = await file_store.all_figures(self._pool)
        metrics.FILES.set(files)
        metrics.DAMAGED.set(damaged)
        metrics.STORED_BYTES.set(stored)
        metrics.OPEN_UPLOADS.set(uploads)
