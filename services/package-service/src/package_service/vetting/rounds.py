"""
Decides which files may be offered. Run it under a Leader.

Nothing is taken over from the upload: what is wanted is read whole from the store before the first agent hears of
it, asked about every interval, and read again when the store says it was written, or once a day. What nobody may be
offered any more is forgotten. While the store is away nothing is decided.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, assert_never

import structlog

from contracts.package_signing import statement_of
from package_service import file_store, metrics, package_changes, publisher
from package_service.blob_store import blob_key
from package_service.errors import StoreAway
from package_service.signing import key_store
from package_service.signing import store as signature_store
from package_service.signing.store import Format
from package_service.signing.verification import verifies
from package_service.vetting import store, wants
from package_service.vetting.reading import Finding, read
from servicekit.errors import ServiceError
from servicekit.postgres import is_transient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    import asyncpg

    from package_service.blob_store import BlobStore
    from package_service.vetting.store import Candidate
    from servicekit.clock import Clock
    from servicekit.postgres import Connection

log = structlog.get_logger()

BATCH = 200
LOOK_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
FAILURES_IN_A_ROW = 3
FORGET_SECONDS = 3600.0
"""So often it is asked whether what was wanted is wanted still; what was wanted since then is let be."""

UNSIGNED, MISSING = "unsigned", "missing"


class Vetting:
    """
    Vets files.

    Args:
        pool: The service's database.

        blobs: Where bytes are.

        clock: For waiting.

        signature_required: Files without a signature of a key that counts are refused.

        interval_seconds: How often the store is asked about every file that may be offered.

        rehash_seconds: How often such a file is read whole again though the store says nothing has changed.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        blobs: BlobStore,
        clock: Clock,
        *,
        signature_required: bool,
        interval_seconds: float,
        rehash_seconds: float,
    ) -> None:
        self._pool = pool
        self._blobs = blobs
        self._clock = clock
        self._signature_required = signature_required
        self._interval_seconds = interval_seconds
        self._rehash_seconds = rehash_seconds
        self._failures = 0
        self._known_bad: dict[bytes, str] = {}
        self._forget_at = clock.monotonic() + FORGET_SECONDS

    async def run(self) -> None:
        """Vet for ever; a store or database that is away makes it late, ever more patiently."""
        next_check = self._clock.monotonic()
        while True:
            try:
                due = self._clock.monotonic() >= next_check
                await self.look(everything=due)
                if due:
                    next_check = self._clock.monotonic() + self._interval_seconds
                self._failures = 0
            except ServiceError as error:
                self._wait(error.public)
            except Exception as error:
                if not is_transient(error):
                    raise
                self._wait(str(error) or type(error).__name__)
            await self._clock.sleep(min(LOOK_SECONDS * 2**self._failures, MAX_BACKOFF_SECONDS))

    async def look(self, *, everything: bool) -> None:
        """
        Look once at what is wanted and at what is due to be read again.

        Args:
            everything: Also at what may be offered and at what was refused.

        Raises:
            StoreAway: Something was left out; the rest was looked at nevertheless.
        """
        patience = Patience()
        if everything:
            if self._clock.monotonic() >= self._forget_at:
                await self.forget_unneeded(FORGET_SECONDS)
                self._forget_at = self._clock.monotonic() + FORGET_SECONDS
            with patience.taken():
                await self.heal_restored()
        with patience.taken():
            await self.vet_wanted(refused_too=everything)
        if everything:
            with patience.taken():
                await self.check_marks()
        with patience.taken():
            await self.reread()
        if everything:
            await self._tell_figures()
        patience.end()

    async def vet_wanted(self, *, refused_too: bool = False) -> None:
        """
        Look at everything that is wanted and may not be offered yet.

        Args:
            refused_too: Also at what was looked at and refused.

        Raises:
            StoreAway: What was found until then is kept.
        """
        patience, after = Patience(), b""
        while batch := await store.wanted(self._pool, after, BATCH, refused_too=refused_too):
            for sha256 in batch:
                after = sha256
                with patience.taken():
                    await self.vet(sha256)
                await asyncio.sleep(0)
        patience.end()

    async def check_marks(self) -> None:
        """
        Ask the store about everything that may be offered, and unvet at once what was written since.

        What is wanted meanwhile does not wait until all were asked about.

        Raises:
            StoreAway: What was not asked about stays as it is.
        """
        patience, after = Patience(), b""
        while batch := await store.vetted(self._pool, after, BATCH):
            for sha256, mark in batch:
                after = sha256
                with patience.taken():
                    await self._check_mark(sha256, mark)
                await asyncio.sleep(0)
            if len(batch) == BATCH:
                with patience.taken():
                    await self.vet_wanted()
        patience.end()

    async def forget_unneeded(self, older_seconds: float) -> None:
        """Let files not be vetted any more that were wanted so long ago, and that nobody may be offered now."""
        async with self._pool.acquire() as connection, connection.transaction():
            count = await wants.take_back(connection, older_seconds)
        if count:
            log.info("packages_not_vetted_any_more", files=count)

    async def heal_restored(self) -> None:
        """
        Look at what is known to be damaged and was written since: an operator may have restored it.

        Raises:
            StoreAway: The rest is looked at next time.
        """
        patience, after, bad = Patience(), b"", {}
        while batch := await store.damaged(self._pool, after, BATCH):
            for sha256, size in batch:
                after = sha256
                with patience.taken():
                    mark = await self._blobs.mark(blob_key(sha256))
                    if mark is not None and (mark == self._known_bad.get(sha256) or not await self._heal(sha256, size)):
                        bad[sha256] = mark
                await asyncio.sleep(0)
        self._known_bad = bad
        patience.end()

    async def reread(self) -> None:
        """
        Read whole again what was vetted longest ago, if its time has come; one content, so that nobody waits long.

        Raises:
            StoreAway: Nothing is decided.
        """
        sha256 = await store.oldest(self._pool, self._rehash_seconds)
        if sha256 is not None:
            await self.vet(sha256, again=True)

    async def vet(self, sha256: bytes, *, again: bool = False) -> None:
        """
        Look at one content and decide about each of its files.

        Args:
            sha256: The content.

            again: Read it even if the store says that nothing was written since it was found right.

        Raises:
            StoreAway: Nothing is decided.
        """
        size = await store.size_of(self._pool, sha256)
        if size is None:
            return
        known = {candidate.mark for candidate in await store.candidates(self._pool, sha256)} - {""}
        mark = await self._blobs.mark(blob_key(sha256)) if known and not again else None
        if mark in known:
            await self._judge(sha256, str(mark))
            return
        reading = await read(self._blobs, sha256, size)
        match reading.finding:
            case Finding.RIGHT:
                await self._judge(sha256, reading.mark, read=True)
            case Finding.DAMAGED:
                await self._damaged(sha256, reading.mark)
            case Finding.MISSING:
                await self._unvet(sha256, MISSING, "missing")
            case Finding.UNSETTLED:
                await self._unvet(sha256, "", "unsettled")
            case unknown:
                assert_never(unknown)

    async def _check_mark(self, sha256: bytes, mark: str) -> None:
        now = await self._blobs.mark(blob_key(sha256))
        if now is None:
            await self._unvet(sha256, MISSING, "missing")
        elif now != mark:
            await self._unvet(sha256, "", "changed")
            await self.vet(sha256)
        elif self._signature_required:
            await self._judge(sha256, mark)

    async def _judge(self, sha256: bytes, mark: str, *, read: bool = False) -> None:
        """Decide about each file of a content whose bytes are right under a mark."""
        async with self._pool.acquire() as connection, connection.transaction():
            # Held against whoever stores the blob anew, or notes damage, at this moment.
            await file_store.lock_blob(connection, sha256)
            changed: list[tuple[str, str]] = []
            for tenant_id, files in _by_tenant(await store.candidates(connection, sha256)).items():
                signed = await self._signed(connection, tenant_id, files, sha256)
                good = [file for file in files if file.file_id in signed]
                bad = [file for file in files if file.file_id not in signed]
                newly = [file for file in good if not file.vetted]
                newly_bad = [file for file in bad if file.vetted or file.mark != mark]
                to_vet = good if read else [file for file in good if not file.vetted or file.mark != mark]
                await store.vet(connection, tenant_id, [file.file_id for file in to_vet], mark)
                await store.refuse(connection, tenant_id, [file.file_id for file in bad], mark, UNSIGNED)
                changed += [(tenant_id, file.name) for file in (*newly, *newly_bad)]
                metrics.VETTED.labels("right").inc(len(newly))
                metrics.VETTED.labels("unsigned").inc(len(newly_bad))
            await package_changes.note(connection, changed)

    async def _signed(self, connection: Connection, tenant_id: str, files: list[Candidate], sha256: bytes) -> set[UUID]:
        """Tell which files have the signature they need."""
        if not self._signature_required:
            return {file.file_id for file in files}
        keys = await key_store.trusted(connection, tenant_id)
        signatures = await signature_store.of_files(connection, tenant_id, [file.file_id for file in files])
        message = statement_of(sha256)
        return {
            file_id
            for file_id, several in signatures.items()
            if any(
                each.format == Format.ED25519
                and each.key_id in keys
                and verifies(keys[each.key_id], each.signature, message)
                for each in several
            )
        }

    async def _damaged(self, sha256: bytes, mark: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await file_store.lock_blob(connection, sha256)
            # Nobody stores it anew while we hold the lock; somebody may have, before.
            if await self._blobs.mark(blob_key(sha256)) != mark:
                return
            hit = await file_store.mark_damaged(connection, sha256)
            for file in hit:
                await publisher.say_package(connection, "damaged", file)
            await package_changes.note(connection, [(file.tenant_id, file.name) for file in hit])
        for file in hit:
            metrics.VETTED.labels("damaged").inc()
            log.warning("package_damaged", name=file.name, version=file.version, sha256=sha256.hex())

    async def _heal(self, sha256: bytes, size: int) -> bool:
        """Let a content that is right again be wanted as any other; says whether it is."""
        reading = await read(self._blobs, sha256, size)
        if reading.finding is not Finding.RIGHT:
            return False
        async with self._pool.acquire() as connection, connection.transaction():
            await file_store.lock_blob(connection, sha256)
            if await self._blobs.mark(blob_key(sha256)) != reading.mark:
                return False
            await file_store.heal(connection, sha256)
            await package_changes.note(connection, await store.names_of(connection, sha256))
        metrics.VETTED.labels("restored").inc()
        log.info("package_restored", sha256=sha256.hex())
        return True

    async def _unvet(self, sha256: bytes, why: str, outcome: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            hit = await store.unvet(connection, sha256, why)
            await package_changes.note(connection, hit)
        metrics.VETTED.labels(outcome).inc()
        log.warning("package_unvetted", sha256=sha256.hex(), reason=outcome, files=len(hit))

    async def _tell_figures(self) -> None:
        vetted, waiting = await store.figures(self._pool)
        metrics.OFFERABLE_FILES.set(vetted)
        metrics.UNVETTED_FILES.set(waiting)

    def _wait(self, why: str) -> None:
        self._failures = min(self._failures + 1, 10)
        log.warning("vetting_waits", error=why)


class Patience:
    """Goes on after a content the store does not give, until it gives several in a row not."""

    def __init__(self) -> None:
        self._failed = 0
        self._in_a_row = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Look at one content; raises StoreAway when the store seems to be away for all of them."""
        try:
            yield
        except StoreAway:
            self._failed += 1
            self._in_a_row += 1
            if self._in_a_row >= FAILURES_IN_A_ROW:
                raise
        else:
            self._in_a_row = 0

    def end(self) -> None:
        """Raise StoreAway if one was left out."""
        if self._failed:
            raise StoreAway


def _by_tenant(files: list[Candidate]) -> dict[str, list[Candidate]]:
    by_tenant: dict[str, list[Candidate]] = {}
    for file in files:
        by_tenant.setdefault(file.tenant_id, []).append(file)
    return by_tenant
