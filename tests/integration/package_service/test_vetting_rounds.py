"""What may be offered: bytes read whole from the store and found right, and signed if that is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.package_signing import statement_of
from fleet.events.v1 import package_pb2
from package_service.blob_store import blob_key
from package_service.errors import StoreAway
from package_service.signing.signatures import Signatures
from package_service.vetting import rounds as rounds_module
from package_service.vetting.rounds import (
    FAILURES_IN_A_ROW,
    FORGET_SECONDS,
    MAX_BACKOFF_SECONDS,
    Patience,
    Vetting,
)
from servicekit.clock import FakeClock
from world.eventually import wait_until

from .conftest import TENANT, program
from .test_uploads import sent

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from devstack.s3 import S3Server
    from package_service.file_store import File
    from package_service.s3 import S3BlobStore
    from package_service.uploads import Uploads

    from .conftest import Running


def vetting(pool: asyncpg.Pool, store: Any, **more: Any) -> Vetting:
    """Make what vets."""
    options = {"signature_required": False, "interval_seconds": 60, "rehash_seconds": 3600, **more}
    return Vetting(pool, store, FakeClock(), **options)


async def want(pool: asyncpg.Pool, file: File) -> None:
    """Say that somebody wants to offer a file."""
    await pool.execute("UPDATE package_file SET wanted_at = now() WHERE file_id = $1", file.file_id)


@pytest.fixture
async def file(pool: asyncpg.Pool, uploads: Uploads) -> File:
    """Publish a file that is wanted."""
    made, _ = await uploads.complete(await sent(uploads, program(700_000)))
    await want(pool, made)
    await pool.execute("DELETE FROM package_change")
    return made


async def state(pool: asyncpg.Pool, file: File) -> tuple[bool, bool, str]:
    """Tell whether it may be offered, is damaged, and why it was refused."""
    row = await pool.fetchrow(
        "SELECT vetted_at IS NOT NULL, damaged_at IS NOT NULL, vet_refusal FROM package_file WHERE file_id = $1",
        file.file_id,
    )
    assert row is not None
    return row[0], row[1], row[2]


async def noted(pool: asyncpg.Pool) -> list[str]:
    """Take the packages whose agents are to be looked at again."""
    return [row["package"] for row in await pool.fetch("DELETE FROM package_change RETURNING package")]


async def said(pool: asyncpg.Pool) -> list[str]:
    """Tell which events were said after publishing."""
    rows = await pool.fetch("SELECT payload FROM outbox ORDER BY id")
    events = [package_pb2.PackageEvent.FromString(row["payload"]).WhichOneof("what") for row in rows]
    return [str(what) for what in events if what != "published"]


def blob_of(s3_server: S3Server, file: File) -> Path:
    """Tell where the store keeps a blob."""
    return s3_server.folder / "objects" / "agent-packages" / "sha256" / file.sha256.hex()


async def test_wanted_file_is_read_and_may_be_offered(pool: asyncpg.Pool, store: S3BlobStore, file: File) -> None:
    """Its agents are looked at again; a second look changes nothing."""
    assert await state(pool, file) == (False, False, "")

    await vetting(pool, store).vet_wanted()
    assert await state(pool, file) == (True, False, "")
    assert await noted(pool) == ["collector"]

    await vetting(pool, store).vet_wanted()
    await vetting(pool, store).check_marks()
    assert await state(pool, file) == (True, False, "")
    assert await noted(pool) == []


async def test_what_nobody_wants_is_not_read(pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads) -> None:
    """Nor what is not active."""
    first, _ = await uploads.complete(await sent(uploads, program(), "1.0.0"))
    second, _ = await uploads.complete(await sent(uploads, program(), "2.0.0"))
    await want(pool, second)
    await pool.execute("UPDATE package_file SET active = false WHERE file_id = $1", second.file_id)

    await vetting(pool, store).vet_wanted()

    assert [await state(pool, file) for file in (first, second)] == [(False, False, "")] * 2


async def test_tampered_blob_is_never_offered_and_raises_the_alert(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """Of the same length, with other bytes: marked, said once, and never vetted."""
    blob = blob_of(s3_server, file)
    blob.write_bytes(b"\x00" + blob.read_bytes()[1:])

    for _ in range(2):
        await vetting(pool, store).vet_wanted(refused_too=True)

    assert await state(pool, file) == (False, True, "")
    assert await said(pool) == ["damaged"]
    assert await noted(pool) == ["collector"]


async def test_blob_written_after_vetting_is_unvetted_and_found_damaged(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """The store's mark gives it away at the next look."""
    await vetting(pool, store).vet_wanted()
    await noted(pool)
    blob_of(s3_server, file).write_bytes(b"shorter, and something else")

    await vetting(pool, store).check_marks()

    assert await state(pool, file) == (False, True, "")
    assert await said(pool) == ["damaged"]
    assert set(await noted(pool)) == {"collector"}


async def test_bytes_changed_behind_the_marks_are_found_in_time(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """Whoever hides a change from the store's mark is found when files are read again, once a day."""
    await vetting(pool, store).vet_wanted()
    mark = await store.mark(blob_key(file.sha256))
    blob_of(s3_server, file).write_bytes(program(file.size))
    blind = Fixed(store, mark)

    await vetting(pool, blind).check_marks()
    assert await state(pool, file) == (True, False, "")
    await vetting(pool, blind).reread()
    assert await state(pool, file) == (True, False, "")
    await vetting(pool, blind, rehash_seconds=-1).reread()

    assert await state(pool, file) == (False, True, "")


async def test_same_bytes_written_again_are_vetted_again(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """A restored store is no damage."""
    await vetting(pool, store).vet_wanted()
    before = await store.mark(blob_key(file.sha256))

    async def rewritten() -> bool:
        blob = blob_of(s3_server, file)
        blob.write_bytes(blob.read_bytes())
        return await store.mark(blob_key(file.sha256)) != before

    await wait_until(rewritten)
    await vetting(pool, store).check_marks()

    assert await state(pool, file) == (True, False, "")
    assert await said(pool) == []


async def test_missing_blob_is_no_damage_and_may_come_back(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """A folder that is not mounted has harmed nothing: not offered, and offered again when it is there."""
    await vetting(pool, store).vet_wanted()
    blob = blob_of(s3_server, file)
    data = blob.read_bytes()
    blob.unlink()

    await vetting(pool, store).check_marks()
    await vetting(pool, store).vet_wanted(refused_too=True)
    assert await state(pool, file) == (False, False, "missing")

    blob.write_bytes(data)
    await vetting(pool, store).vet_wanted(refused_too=True)
    assert await state(pool, file) == (True, False, "")
    assert await said(pool) == []


async def test_restored_blob_is_no_longer_damaged(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """An operator puts the right bytes back into the store; until then it is read once, not every time."""
    blob = blob_of(s3_server, file)
    right = blob.read_bytes()
    blob.write_bytes(b"something else")
    counting = Counting(store)
    rounds = vetting(pool, counting)
    for _ in range(3):
        await rounds.look(everything=True)
    assert await state(pool, file) == (False, True, "")
    reads = counting.reads
    await rounds.look(everything=True)
    assert counting.reads == reads

    blob.unlink()
    await rounds.look(everything=True)
    assert await state(pool, file) == (False, True, "")
    await noted(pool)
    blob.write_bytes(right)
    await rounds.look(everything=True)

    assert await state(pool, file) == (True, False, "")
    assert "collector" in await noted(pool)
    assert await said(pool) == ["damaged"]


async def test_store_away_decides_nothing(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, uploads: Uploads, s3_server: S3Server
) -> None:
    """What was vetted stays, what was not is not, nothing is damaged; back again, it goes on."""
    await vetting(pool, store).vet_wanted()
    other, _ = await uploads.complete(await sent(uploads, program(), "2.0.0"))
    await want(pool, other)
    s3_server.kill()

    for look in (vetting(pool, store).vet_wanted, vetting(pool, store).check_marks):
        with pytest.raises(StoreAway):
            await look()
    assert await state(pool, file) == (True, False, "")
    assert await state(pool, other) == (False, False, "")

    s3_server.start()
    await vetting(pool, store).vet_wanted()
    assert await state(pool, other) == (True, False, "")
    assert await said(pool) == []


async def test_runs_on_while_the_store_is_away(pool: asyncpg.Pool, store: S3BlobStore, file: File) -> None:
    """Ever more patiently, and vets as soon as the store is back; nothing is lost on the way."""
    clock, away = FakeClock(), Away(store)
    rounds = Vetting(pool, away, clock, signature_required=False, interval_seconds=60, rehash_seconds=3600)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(rounds.run())

        async def tried_often() -> bool:
            await clock.advance(MAX_BACKOFF_SECONDS)
            return away.asked >= 10

        await wait_until(tried_often)
        assert await state(pool, file) == (False, False, "")

        away.back = True

        async def vetted() -> bool:
            await clock.advance(MAX_BACKOFF_SECONDS)
            return (await state(pool, file))[0]

        await wait_until(vetted)
        running.cancel()


async def test_one_blob_the_store_does_not_give_stops_nobody(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, uploads: Uploads
) -> None:
    """Neither what is vetted already nor what is wanted newly."""
    await vetting(pool, store).vet_wanted()
    other, _ = await uploads.complete(await sent(uploads, program(), "2.0.0"))
    await want(pool, other)

    with pytest.raises(StoreAway):
        await vetting(pool, Stubborn(store, blob_key(file.sha256))).look(everything=True)

    assert await state(pool, file) == (True, False, "")
    assert await state(pool, other) == (True, False, "")


async def test_damage_healed_meanwhile_is_not_said(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, s3_server: S3Server
) -> None:
    """The blob was stored anew between our reading it and our saying so."""
    blob = blob_of(s3_server, file)
    right = blob.read_bytes()
    blob.write_bytes(b"something else")
    healing = Healing(store, lambda: blob.write_bytes(right))

    await vetting(pool, healing).vet_wanted()
    assert await state(pool, file) == (False, False, "")

    await vetting(pool, store).vet_wanted()
    assert await state(pool, file) == (True, False, "")


async def test_without_a_good_signature_nothing_is_offered(pool: asyncpg.Pool, store: S3BlobStore, file: File) -> None:
    """Refused until a key that counts has signed it, and at once again when that key is revoked."""
    rounds = vetting(pool, store, signature_required=True)
    signatures = Signatures(pool, None, required=True)
    private = Ed25519PrivateKey.generate()
    key, _ = await signatures.register(TENANT, private.public_key().public_bytes_raw(), "release", "ann")

    await rounds.vet_wanted()
    assert await state(pool, file) == (False, False, "unsigned")
    await signatures.add(TENANT, file.file_id, form="cosign", key_id="", signature=b"bundle", author="ann")
    await rounds.vet_wanted()
    assert await state(pool, file) == (False, False, "unsigned")

    good = private.sign(statement_of(file.sha256))
    await signatures.add(TENANT, file.file_id, form="ed25519", key_id="", signature=good, author="ann")
    await rounds.vet_wanted()
    assert await state(pool, file) == (True, False, "")

    await noted(pool)
    await signatures.revoke(TENANT, key.key_id, "ann")
    assert await state(pool, file) == (False, False, "unsigned")
    assert await noted(pool) == ["collector"]
    await rounds.vet_wanted(refused_too=True)
    assert await state(pool, file) == (False, False, "unsigned")


async def test_signature_put_into_the_database_by_force_counts_for_nothing(
    pool: asyncpg.Pool, store: S3BlobStore, file: File
) -> None:
    """Vetting verifies each signature itself, also at every later look."""
    signatures = Signatures(pool, None, required=True)
    public_key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    key, _ = await signatures.register(TENANT, public_key, "release", "ann")
    await pool.execute(
        "INSERT INTO package_signature (tenant_id, file_id, format, key_id, signature, created_by) "
        "VALUES ($1, $2, 'ed25519', $3, $4, 'mallory')",
        TENANT,
        file.file_id,
        key.key_id,
        bytes(64),
    )

    await vetting(pool, store, signature_required=True).vet_wanted()
    assert await state(pool, file) == (False, False, "unsigned")

    await vetting(pool, store).vet_wanted(refused_too=True)
    await vetting(pool, store, signature_required=True).check_marks()
    assert await state(pool, file) == (False, False, "unsigned")


async def test_one_content_is_read_once_for_all_its_files(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, uploads: Uploads
) -> None:
    """A second file with the same bytes is vetted by its mark."""
    await vetting(pool, store).vet_wanted()
    async with store.get(blob_key(file.sha256)) as chunks:
        data = b"".join([chunk async for chunk in chunks])
    twin, _ = await uploads.complete(await sent(uploads, data, "2.0.0"))
    await want(pool, twin)
    counting = Counting(store)

    await vetting(pool, counting).vet_wanted()

    assert await state(pool, twin) == (True, False, "")
    assert counting.reads == 0


async def test_what_is_wanted_does_not_wait_for_what_is_vetted(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, uploads: Uploads
) -> None:
    """However many there are to be asked about: what is new is read first, and again between their pages."""
    await vetting(pool, store).vet_wanted()
    other, _ = await uploads.complete(await sent(uploads, program(), "2.0.0"))
    await want(pool, other)
    asking = Asking(store)

    await vetting(pool, asking).look(everything=True)

    assert asking.keys[0] == blob_key(other.sha256)
    assert blob_key(file.sha256) in asking.keys
    assert await state(pool, other) == (True, False, "")


async def test_wanted_between_two_pages_is_read_there(
    pool: asyncpg.Pool, store: S3BlobStore, file: File, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round over many files takes long; nobody who comes meanwhile waits for its end."""
    monkeypatch.setattr(rounds_module, "BATCH", 1)
    await vetting(pool, store).vet_wanted()
    other, _ = await uploads.complete(await sent(uploads, program(), "2.0.0"))
    await want(pool, other)

    await vetting(pool, store).check_marks()

    assert await state(pool, other) == (True, False, "")
    assert await state(pool, file) == (True, False, "")


async def test_what_nobody_needs_is_forgotten_now_and_then(pool: asyncpg.Pool, store: S3BlobStore, file: File) -> None:
    """Once an hour, and then it is neither offered nor looked at any more."""
    clock = FakeClock()
    rounds = Vetting(pool, store, clock, signature_required=False, interval_seconds=60, rehash_seconds=3600)
    await pool.execute("UPDATE package_file SET wanted_at = now() - interval '2 hours'")

    await rounds.look(everything=True)
    assert await state(pool, file) == (True, False, "")
    await clock.advance(FORGET_SECONDS)
    asking = Asking(store)
    rounds._blobs = asking
    await rounds.look(everything=True)

    assert await state(pool, file) == (False, False, "")
    assert asking.keys == []


def test_patience_ends_when_several_in_a_row_fail() -> None:
    """One blob the store does not give stops nobody; several in a row mean that it is away."""
    patience = Patience()

    def fail() -> None:
        with patience.taken():
            raise StoreAway

    fail()
    with patience.taken():
        pass
    with pytest.raises(StoreAway):
        patience.end()
    for _ in range(FAILURES_IN_A_ROW - 1):
        fail()
    with pytest.raises(StoreAway):
        fail()


async def test_whole_service_vets_what_is_wanted(service: Running) -> None:
    """Under its leader, without being told."""
    made = (await service.publish(program())).json()
    await service.pool.execute("UPDATE package_file SET wanted_at = now()")

    async def vetted() -> bool:
        return bool(
            await service.pool.fetchval("SELECT vetted_at FROM package_file WHERE file_id = $1::text::uuid", made["id"])
        )

    await wait_until(vetted)


class Through:
    """A store that does what another one does."""

    def __init__(self, store: S3BlobStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Asking(Through):
    """A store that remembers in which order it was asked about what."""

    def __init__(self, store: S3BlobStore) -> None:
        super().__init__(store)
        self.keys: list[str] = []

    async def mark(self, key: str) -> str | None:
        """Remember and answer."""
        self.keys.append(key)
        return await self._store.mark(key)


class Fixed(Through):
    """A store whose marks never change."""

    def __init__(self, store: S3BlobStore, said: str | None) -> None:
        super().__init__(store)
        self._said = said

    async def mark(self, _key: str) -> str | None:
        """Say the same as ever."""
        return self._said


class Away(Through):
    """A store that is away until it is back."""

    back = False
    asked = 0

    async def mark(self, key: str) -> str | None:
        """Answer, or not."""
        self.asked += 1
        if not self.back:
            raise StoreAway
        return await self._store.mark(key)


class Stubborn(Through):
    """A store that does not tell about one object."""

    def __init__(self, store: S3BlobStore, key: str) -> None:
        super().__init__(store)
        self._key = key

    async def mark(self, key: str) -> str | None:
        """Answer, but for that one."""
        if key == self._key:
            raise StoreAway
        return await self._store.mark(key)


class Healing(Through):
    """A store in which the right bytes are written after the second reading."""

    def __init__(self, store: S3BlobStore, heal: Any) -> None:
        super().__init__(store)
        self._heal = heal
        self._marks = 0

    async def mark(self, key: str) -> str | None:
        """Heal before the fourth time: once before reading, once after each."""
        self._marks += 1
        if self._marks == 4:
            self._heal()
        return await self._store.mark(key)


class Counting(Through):
    """A store that counts how often something is read."""

    reads = 0

    def get(self, *arguments: Any) -> Any:
        """Count and read."""
        self.reads += 1
        return self._store.get(*arguments)
