"""The contract of the object store port: what rclone (the embedded default) and moto both must do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

from package_service.blob_store import MIN_PART_BYTES, Part, blob_key, upload_key
from package_service.errors import BlobDoubted, StoreAway, UploadLost
from package_service.s3 import S3BlobStore
from world.eventually import wait_until
from world.s3 import BUCKET, StoreAddress, address_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def store_at(address: StoreAddress) -> S3BlobStore:
    """Make the port on a store."""
    return S3BlobStore(
        endpoint=address.endpoint,
        region="us-east-1",
        bucket=BUCKET,
        access_key=address.access_key,
        secret_key=address.secret_key,
    )


@pytest.fixture(params=["rclone", "moto"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[S3BlobStore]:
    """Give the port on each kind of store."""
    if request.param == "rclone":
        address = address_of(request.getfixturevalue("s3_server"))
    else:
        address = StoreAddress(request.getfixturevalue("moto_url"), "access", "secret")
    async with store_at(address) as made:
        yield made


async def read(store: S3BlobStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    """Read a blob whole."""
    async with store.get(key, start, end) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def write(store: S3BlobStore, key: str, *parts: bytes) -> None:
    """Store an object in parts."""
    multipart = await store.begin(key)
    stored = [
        Part(number, len(data), await store.put_part(key, multipart, number, data))
        for number, data in enumerate(parts, start=1)
    ]
    await store.complete(key, multipart, stored)


async def test_parts_become_one_object(store: S3BlobStore) -> None:
    """What was sent in parts is read back byte by byte, whole and in ranges over the seam."""
    first, second = os.urandom(MIN_PART_BYTES), os.urandom(70_000)
    key = upload_key(uuid.uuid4())

    await write(store, key, first, second)

    assert await store.head(key) == len(first) + len(second)
    assert await read(store, key) == first + second
    seam = len(first)
    assert await read(store, key, seam - 10, seam + 10) == (first + second)[seam - 10 : seam + 10]
    assert await read(store, key, seam + 60_000) == second[60_000:]
    assert await read(store, key, 5, 5) == b""


async def test_nothing_is_visible_before_completion(store: S3BlobStore) -> None:
    """An upload that never ends leaves no object."""
    key = upload_key(uuid.uuid4())
    multipart = await store.begin(key)
    await store.put_part(key, multipart, 1, b"x" * MIN_PART_BYTES)

    assert await store.head(key) is None
    assert [item async for item in store.list("upload/")] == []


async def test_a_part_may_be_sent_again(store: S3BlobStore) -> None:
    """A sender that died before it noted a part repeats it."""
    key = upload_key(uuid.uuid4())
    right, tail = os.urandom(MIN_PART_BYTES), b"the end"
    multipart = await store.begin(key)
    await store.put_part(key, multipart, 1, right)
    etag = await store.put_part(key, multipart, 1, right)
    last = await store.put_part(key, multipart, 2, tail)

    await store.complete(key, multipart, [Part(1, len(right), etag), Part(2, len(tail), last)])

    assert await read(store, key) == right + tail


async def test_a_part_may_break_off(store: S3BlobStore) -> None:
    """A sender that died in the middle of a part sends it whole; nothing of the half stays."""
    key = upload_key(uuid.uuid4())
    first, second = os.urandom(MIN_PART_BYTES), os.urandom(MIN_PART_BYTES)
    multipart = await store.begin(key)
    one = await store.put_part(key, multipart, 1, first)
    async with asyncio.timeout(30):
        broken = asyncio.ensure_future(store.put_part(key, multipart, 2, second))
        await asyncio.sleep(0)
        broken.cancel()
        await asyncio.wait([broken])

    two = await store.put_part(key, multipart, 2, second)
    await store.complete(key, multipart, [Part(1, len(first), one), Part(2, len(second), two)])

    assert await read(store, key) == first + second


async def test_abort_forgets_everything(store: S3BlobStore) -> None:
    """After abort neither parts nor object are there, and aborting again is harmless."""
    key = upload_key(uuid.uuid4())
    multipart = await store.begin(key)
    etag = await store.put_part(key, multipart, 1, b"x" * 100)

    await store.abort(key)
    await store.abort(key)

    # moto answers 500 where it should say NoSuchUpload.
    with pytest.raises((UploadLost, StoreAway)):
        await store.complete(key, multipart, [Part(1, 100, etag)])
    assert await store.head(key) is None


async def test_copy_and_delete(store: S3BlobStore) -> None:
    """A blob is copied inside the store; deleting is repeatable and harms no copy."""
    data = os.urandom(100_000)
    source, target = upload_key(uuid.uuid4()), blob_key(hashlib.sha256(data).digest())
    await write(store, source, data)

    await store.copy(source, target)
    await store.delete(source)
    await store.delete(source)

    assert await store.head(source) is None
    assert await read(store, target) == data


async def test_objects_are_listed_by_prefix(store: S3BlobStore) -> None:
    """Keys with their sizes, and only those that begin so."""
    digests = [hashlib.sha256(bytes([number])).digest() for number in range(3)]
    for digest in digests:
        await write(store, blob_key(digest), b"x" * 10)
    await write(store, upload_key(uuid.uuid4()), b"y")

    listed = [item async for item in store.list("sha256/")]

    assert sorted(item.key for item in listed) == sorted(blob_key(digest) for digest in digests)
    assert {item.size for item in listed} == {10}


async def test_mark_tells_that_an_object_was_written(store: S3BlobStore) -> None:
    """The same while nobody writes, another after other bytes of the same length, None without an object."""
    key = blob_key(bytes(32))
    await store.ping()
    assert await store.mark(key) is None
    await write(store, key, b"one")
    before = await store.mark(key)
    assert before is not None
    assert await store.mark(key) == before

    async def noticed() -> bool:
        # rclone's clock of objects ticks in seconds.
        await write(store, key, b"two")
        return await store.mark(key) != before

    await wait_until(noticed)
    await store.delete(key)
    assert await store.mark(key) is None


async def test_what_is_not_given_is_no_damage(store: S3BlobStore) -> None:
    """An object, or its bucket, that is not there, or is too short: doubt, and a time to come back."""
    key = blob_key(bytes(32))
    with pytest.raises(BlobDoubted) as caught:
        await read(store, key)
    assert caught.value.retry_after_seconds
    await store.ping()
    with pytest.raises(BlobDoubted):
        await read(store, key)

    await write(store, key, b"short")

    with pytest.raises(BlobDoubted):
        await read(store, key, 0, 6)
    with pytest.raises(BlobDoubted):
        await read(store, key, 100, 200)


async def test_ping_makes_the_bucket_once(store: S3BlobStore) -> None:
    """Replicas that start together make one bucket."""
    await asyncio.gather(*(store.ping() for _ in range(4)))

    assert [item async for item in store.list("")] == []


async def test_presigned_address_reads_without_a_key(store: S3BlobStore) -> None:
    """Whoever has the address gets the bytes; it names the file."""
    key = blob_key(bytes(32))
    await write(store, key, b"content")

    url = await store.presign(key, 60, "name-1.0.0-linux-amd64")

    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == httpx.codes.OK
    assert answer.content == b"content"
