"""
From bytes to a published file.

Bytes go to the object store part by part; a part counts once its row is committed. Nobody sees anything of it
before the last step: the content is hashed here, copied to its own name, and one row publishes it. A crash at any
point leaves an upload that can go on, or a blob nobody needs that the sweeper removes.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from package_service import file_store, metrics, package_changes, publisher, upload_store
from package_service.blob_store import Part, blob_key, upload_key
from package_service.errors import (
    FileTooLarge,
    InvalidPackage,
    OffsetConflict,
    PackageExists,
    QuotaExceeded,
    StoreAway,
    UploadBusy,
    UploadIncomplete,
    UploadLost,
    UploadNotFound,
)
from package_service.package import HEAD_BYTES, problem_of_content
from servicekit.errors import Problem, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    import asyncpg

    from package_service.blob_store import BlobStore
    from package_service.bounds import Bounds
    from package_service.file_store import File
    from package_service.package import Draft
    from package_service.upload_store import Upload
    from servicekit.postgres import Connection

log = structlog.get_logger()

COMPLETIONS_AT_ONCE = 3
"""Each holds two database connections while the object store works."""

MAX_PARTS = 10_000
"""S3's own bound."""


@dataclass(frozen=True)
class Content:
    """What was learned of a file while its bytes came by."""

    sha256: bytes
    head: bytes


class Uploads:
    """
    Takes files in.

    Args:
        pool: The service's database.

        store: Where bytes go.

        bounds: How much may be stored.

        part_bytes: Size of parts; at most so much of an upload is in memory.

        on_published: Told of every new file, in the transaction that publishes it.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        store: BlobStore,
        bounds: Bounds,
        *,
        part_bytes: int,
        on_published: Callable[[Connection, File], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._store = store
        self._bounds = bounds
        self._part_bytes = part_bytes
        self._on_published = on_published
        self._completions = asyncio.Semaphore(COMPLETIONS_AT_ONCE)

    async def begin(
        self, tenant_id: str, draft: Draft | None, *, size: int, sha256: bytes | None, author: str
    ) -> Upload | File:
        """
        Begin an upload; or return the file, when this very content is published there already.

        Args:
            tenant_id: Whose.

            draft: What it will be; None = told at completion.

            size: Bytes to come; 0 = not known.

            sha256: Of the content, if its sender knows; then nothing is sent in vain.

            author: Who sends it.

        Raises:
            FileTooLarge, QuotaExceeded: It will not fit.

            PackageExists: Another content is published there.
        """
        self._check_size(size)
        async with self._pool.acquire() as connection, connection.transaction():
            if draft is not None and sha256 is not None:
                existing = await file_store.by_draft(connection, tenant_id, draft)
                if existing is not None and existing.sha256 != sha256:
                    raise _exists(draft, existing)
                if existing is not None and existing.damaged_at is None:
                    metrics.UPLOADS.labels("known").inc()
                    return existing
            await upload_store.lock_quota(connection, tenant_id)
            await self._check_quota(connection, tenant_id, max(size, 1))
            return await upload_store.begin(
                connection,
                tenant_id,
                draft,
                size=size,
                sha256=sha256,
                part_bytes=self._part_bytes,
                author=author,
            )

    async def get(self, tenant_id: str, upload_id: UUID) -> Upload:
        """Return an upload; raises UploadNotFound."""
        upload = await upload_store.one(self._pool, tenant_id, upload_id)
        if upload is None:
            raise UploadNotFound
        return upload

    async def receive(self, upload: Upload, offset: int, chunks: AsyncIterator[bytes]) -> tuple[Upload, Content]:
        """
        Store bytes that begin at *offset*.

        What does not fill a part is kept only where the file ends; a sender that breaks off goes on from the
        offset the upload then stands at. With a size of 0 the end of the bytes is the end of the file.

        Returns:
            The upload as it stands, and what these bytes are (of the whole file, if offset was 0).

        Raises:
            OffsetConflict: It stands elsewhere, or somebody else sends too.

            FileTooLarge: More came than was announced, or may be.
        """
        if upload.file_id is not None or offset != upload.stored:
            raise OffsetConflict(upload.stored)
        digest, head, buffer = hashlib.sha256(), b"", bytearray()
        limit = upload.size or self._bounds.file_bytes
        async for chunk in chunks:
            if upload.stored + len(buffer) + len(chunk) > limit:
                metrics.REFUSED.labels("file_size").inc()
                raise FileTooLarge(limit)
            digest.update(chunk)
            if len(head) < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
            buffer += chunk
            while len(buffer) >= upload.part_bytes:
                part = bytes(buffer[: upload.part_bytes])
                del buffer[: upload.part_bytes]
                upload = await self._put(upload, part)
                del part
        if buffer and upload.stored + len(buffer) == (upload.size or upload.stored + len(buffer)):
            upload = await self._put(upload, bytes(buffer))
        return upload, Content(digest.digest(), head)

    async def complete(
        self,
        upload: Upload,
        *,
        draft: Draft | None = None,
        sha256: bytes | None = None,
        content: Content | None = None,
    ) -> tuple[File, bool]:
        """
        Publish what has arrived. Repeating is safe: a published upload answers with its file.

        Args:
            upload: As begun.

            draft: What it is, if that was not told at the beginning.

            sha256: Of the content, as its sender knows it; compared with what arrived.

            content: What we learned ourselves while it came by; None = it is read again.

        Returns:
            The file, and whether it is new: False when the same content was published there before.

        Raises:
            UploadIncomplete, UploadBusy: Not now; nothing is lost.

            InvalidPackage, PackageExists, QuotaExceeded: Refused for good; the upload is gone.
        """
        async with self._completions, self._pool.acquire() as guard, guard.transaction():
            if not await upload_store.try_lock(guard, upload.upload_id):
                raise UploadBusy
            upload = await self.get(upload.tenant_id, upload.upload_id)
            if upload.file_id is not None:
                file = await file_store.one(guard, upload.tenant_id, upload.file_id)
                if file is None:
                    raise UploadNotFound
                return file, False
            if not upload.stored or upload.stored != (upload.size or upload.stored):
                raise UploadIncomplete(upload.stored, upload.size)
            try:
                return await self._publish(upload, draft or upload.draft, sha256 or upload.sha256, content)
            except (InvalidPackage, PackageExists, QuotaExceeded):
                metrics.UPLOADS.labels("refused").inc()
                await self.forget(upload)
                raise

    async def give_up(self, tenant_id: str, upload_id: UUID) -> None:
        """End an upload its sender does not want any more; raises UploadNotFound, UploadBusy."""
        upload = await self.get(tenant_id, upload_id)
        async with self._pool.acquire() as guard, guard.transaction():
            if not await upload_store.try_lock(guard, upload_id):
                raise UploadBusy
            await self.forget(upload)
        metrics.UPLOADS.labels("given_up").inc()

    async def forget(self, upload: Upload) -> None:
        """Remove what has arrived, then the row: in this order nothing is left that nobody knows of."""
        await self._store.abort(upload_key(upload.upload_id))
        await upload_store.delete(self._pool, upload)

    async def _put(self, upload: Upload, data: bytes) -> Upload:
        key, number = upload_key(upload.upload_id), upload.parts + 1
        if number > MAX_PARTS:
            raise FileTooLarge(MAX_PARTS * upload.part_bytes)
        multipart_id = upload.multipart_id
        try:
            if not multipart_id:
                multipart_id = await self._store.begin(key)
                if not await upload_store.set_multipart(self._pool, upload, multipart_id):
                    raise await self._moved(upload)
            etag = await self._store.put_part(key, multipart_id, number, data)
        except UploadLost as error:
            await self._reset(upload)
            raise OffsetConflict(0) from error
        part = Part(number, len(data), etag)
        async with self._pool.acquire() as connection, connection.transaction():
            kept = await upload_store.add_part(connection, upload, upload.stored, part, multipart_id)
        if not kept:
            raise await self._moved(upload)
        return await self.get(upload.tenant_id, upload.upload_id)

    async def _moved(self, upload: Upload) -> ServiceError:
        now = await upload_store.one(self._pool, upload.tenant_id, upload.upload_id)
        return UploadNotFound() if now is None else OffsetConflict(now.stored)

    async def _reset(self, upload: Upload) -> None:
        log.warning("upload_lost_its_parts", upload_id=str(upload.upload_id))
        async with self._pool.acquire() as connection, connection.transaction():
            await upload_store.reset(connection, upload)

    async def _publish(
        self, upload: Upload, draft: Draft | None, declared: bytes | None, content: Content | None
    ) -> tuple[File, bool]:
        if draft is None:
            raise InvalidPackage([Problem("name", "is missing")])
        await self._assemble(upload)
        content = content or await self._read_back(upload)
        _check_content(draft, declared, content)
        # Remembered first: a crash after the copy leaves a blob the sweeper knows of.
        await file_store.note_loose(self._pool, upload.tenant_id, content.sha256)
        await self._place_blob(upload, draft, content)
        async with self._pool.acquire() as connection, connection.transaction():
            await upload_store.lock_quota(connection, upload.tenant_id)
            await file_store.lock_blob(connection, content.sha256)
            if await self._store.head(blob_key(content.sha256)) != upload.stored:
                raise StoreAway
            file, made = await self._file_row(connection, upload, draft, content)
            await upload_store.mark_published(connection, upload, file.file_id)
            await file_store.settle(connection, upload.tenant_id, content.sha256)
            if made:
                await publisher.say_package(connection, "published", file, upload.created_by)
                await package_changes.note(connection, [(file.tenant_id, file.name)])
                if self._on_published is not None:
                    await self._on_published(connection, file)
        if made:
            metrics.UPLOADED_BYTES.inc(file.size)
        metrics.UPLOADS.labels("published" if made else "known").inc()
        log.info("package_published", name=file.name, version=file.version, size=file.size, new=made)
        await self._tidy(upload)
        return file, made

    async def _assemble(self, upload: Upload) -> None:
        """Make one object of the parts, unless an earlier try did."""
        key = upload_key(upload.upload_id)
        if await self._store.head(key) == upload.stored:
            return
        try:
            await self._store.complete(key, upload.multipart_id, await upload_store.parts_of(self._pool, upload))
        except UploadLost as error:
            await self._reset(upload)
            raise UploadIncomplete(0, upload.size) from error

    async def _read_back(self, upload: Upload) -> Content:
        """Hash what the store holds: of an upload that was broken off nobody else saw every byte."""
        digest, head = hashlib.sha256(), b""
        async with self._store.get(upload_key(upload.upload_id), 0, upload.stored) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
                head = head or chunk[:HEAD_BYTES]
        return Content(digest.digest(), head)

    async def _file_row(
        self, connection: Connection, upload: Upload, draft: Draft, content: Content
    ) -> tuple[File, bool]:
        tenant_id = upload.tenant_id
        existing = await file_store.by_draft(connection, tenant_id, draft)
        if existing is not None:
            if existing.sha256 != content.sha256:
                raise _exists(draft, existing)
            return existing, False
        if not await file_store.has_content(connection, tenant_id, content.sha256):
            await self._check_quota(connection, tenant_id, 0)
        package_type = await file_store.type_of(connection, tenant_id, draft)
        if draft.type and draft.type != package_type:
            raise InvalidPackage([Problem("type", f"must be {package_type}, as of every file of {draft.name}")])
        if await file_store.count_of_name(connection, tenant_id, draft.name) >= self._bounds.files_per_package:
            metrics.REFUSED.labels("files").inc()
            raise QuotaExceeded(f"{draft.name} has {self._bounds.files_per_package} files; delete old ones first")
        file_id = await file_store.add(
            connection, tenant_id, draft, sha256=content.sha256, size=upload.stored, author=upload.created_by
        )
        made = await file_store.one(connection, tenant_id, file_id) if file_id is not None else None
        if made is None:
            # Without the row we wait for, somebody publishes there at this moment.
            raise UploadBusy
        return made, True

    async def _place_blob(self, upload: Upload, draft: Draft, content: Content) -> None:
        """Give the content its own name, unless it has it; nothing is copied for a file that will be refused."""
        key = blob_key(content.sha256)
        async with self._pool.acquire() as connection, connection.transaction():
            existing = await file_store.by_draft(connection, upload.tenant_id, draft)
            if existing is not None and existing.sha256 != content.sha256:
                raise _exists(draft, existing)
            await file_store.lock_blob(connection, content.sha256)
            damaged = await file_store.is_damaged(connection, content.sha256)
            if not damaged and await self._store.head(key) == upload.stored:
                return
            await self._store.copy(upload_key(upload.upload_id), key)
            if damaged:
                await file_store.heal(connection, content.sha256)

    async def _tidy(self, upload: Upload) -> None:
        """Remove the arrived copy; the sweeper does it if we cannot, and the row stays until then."""
        try:
            await self._store.delete(upload_key(upload.upload_id))
        except ServiceError as error:
            log.warning("upload_not_tidied", upload_id=str(upload.upload_id), error=error.public)

    def _check_size(self, size: int) -> None:
        if size > self._bounds.file_bytes:
            metrics.REFUSED.labels("file_size").inc()
            raise FileTooLarge(self._bounds.file_bytes)

    async def _check_quota(self, connection: Connection, tenant_id: str, more: int) -> None:
        count, arriving = await upload_store.open_uploads(connection, tenant_id)
        if more and count >= self._bounds.open_uploads:
            metrics.REFUSED.labels("open_uploads").inc()
            raise QuotaExceeded(f"{count} uploads are open; complete or delete some first")
        if await file_store.stored_bytes(connection, tenant_id) + arriving + more > self._bounds.tenant_bytes:
            metrics.REFUSED.labels("quota").inc()
            raise QuotaExceeded(f"all packages together may have {self._bounds.tenant_bytes} bytes; delete some first")


def _check_content(draft: Draft, declared: bytes | None, content: Content) -> None:
    problems = []
    if declared is not None and declared != content.sha256:
        problems.append(Problem("sha256", f"is not that of the file, which is {content.sha256.hex()}"))
    if message := problem_of_content(draft.platform, content.head):
        problems.append(Problem("file", message))
    if problems:
        raise InvalidPackage(problems)


def _exists(draft: Draft, existing: File) -> PackageExists:
    return PackageExists(draft.label, existing.sha256.hex())
