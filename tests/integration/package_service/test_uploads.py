"""From bytes to a published file: every crash leaves an upload that goes on, or nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from package_service import file_store, upload_store
from package_service.blob_store import blob_key, upload_key
from package_service.errors import (
    InvalidPackage,
    OffsetConflict,
    PackageExists,
    StoreAway,
    UploadBusy,
    UploadIncomplete,
    UploadNotFound,
)
from package_service.file_store import File
from package_service.package import draft_of
from package_service.upload_store import Upload

from .conftest import PART, TENANT, pieces, program, sha256

if TYPE_CHECKING:
    import asyncpg

    from devstack.s3 import S3Server
    from package_service.package import Draft
    from package_service.s3 import S3BlobStore
    from package_service.uploads import Uploads


def draft(version: str = "1.0.0", **more: str) -> Draft:
    """Make a draft."""
    return draft_of(**{"name": "collector", "version": version, "platform": "linux", "arch": "amd64", **more})


async def begun(uploads: Uploads, data: bytes, version: str = "1.0.0", digest: bytes | None = None) -> Upload:
    """Begin an upload of these bytes."""
    made = await uploads.begin(TENANT, draft(version), size=len(data), sha256=digest, author="ann")
    assert isinstance(made, Upload)
    return made


async def sent(uploads: Uploads, data: bytes, version: str = "1.0.0") -> Upload:
    """Begin an upload and send all of it."""
    upload, _ = await uploads.receive(await begun(uploads, data, version), 0, pieces(data))
    return upload


async def test_known_content_need_not_be_sent(uploads: Uploads) -> None:
    """Whoever declares the hash of what is there gets the file; of other content, the refusal, before any byte."""
    data = program()
    file, made = await uploads.complete(await sent(uploads, data))

    again = await uploads.begin(TENANT, draft(), size=len(data), sha256=sha256(data), author="bob")

    assert made
    assert isinstance(again, File)
    assert again.file_id == file.file_id
    with pytest.raises(PackageExists):
        await uploads.begin(TENANT, draft(), size=3, sha256=sha256(b"new"), author="bob")


async def test_blob_is_shared_by_names(uploads: Uploads, store: S3BlobStore, pool: asyncpg.Pool) -> None:
    """Two versions of one content store it once, and count it once."""
    data = program()
    for version in ("1.0.0", "1.0.1"):
        await uploads.complete(await sent(uploads, data, version))

    assert [item.key async for item in store.list("sha256/")] == [blob_key(sha256(data))]
    assert [item async for item in store.list("upload/")] == []
    assert await file_store.stored_bytes(pool, TENANT) == len(data)


async def test_crash_before_the_part_was_noted(uploads: Uploads, store: S3BlobStore) -> None:
    """The store has the part and we do not know: it is sent again."""
    data = program(PART + 10)
    upload = await begun(uploads, data)
    upload, _ = await uploads.receive(upload, 0, pieces(data[:10]))
    multipart = await store.begin(upload_key(upload.upload_id))
    assert await upload_store.set_multipart(uploads._pool, upload, multipart)
    await store.put_part(upload_key(upload.upload_id), multipart, 1, data[:PART])

    upload = await uploads.get(TENANT, upload.upload_id)
    assert upload.stored == 0
    upload, _ = await uploads.receive(upload, 0, pieces(data))

    file, _ = await uploads.complete(upload)
    assert file.sha256 == sha256(data)


async def test_crash_between_assembling_and_publishing(uploads: Uploads, store: S3BlobStore) -> None:
    """The object is there and the row is not: completing again publishes it."""
    data = program(PART + 10)
    upload = await sent(uploads, data)
    parts = await upload_store.parts_of(uploads._pool, upload)
    await store.complete(upload_key(upload.upload_id), upload.multipart_id, parts)

    file, made = await uploads.complete(upload)

    assert made
    assert file.size == len(data)


async def test_half_a_blob_from_a_crash_is_replaced(uploads: Uploads, store: S3BlobStore) -> None:
    """A copy that died in the middle left another size under the right name."""
    data = program(1000)
    key = blob_key(sha256(data))
    multipart = await store.begin(key)
    from package_service.blob_store import Part  # noqa: PLC0415 - here only

    await store.complete(key, multipart, [Part(1, 3, await store.put_part(key, multipart, 1, data[:3]))])

    await uploads.complete(await sent(uploads, data))

    assert await store.head(key) == 1000


async def test_store_that_forgot_the_parts(uploads: Uploads, s3_server: S3Server) -> None:
    """A restarted store may know nothing of them: the upload begins again from byte 0, and its sender is told."""
    data = program(2 * PART + 10)
    upload = await begun(uploads, data)
    upload, _ = await uploads.receive(upload, 0, pieces(data[:PART]))
    s3_server.kill()
    with pytest.raises(StoreAway):
        await uploads.receive(upload, PART, pieces(data[PART:]))
    s3_server.start()

    with pytest.raises(OffsetConflict) as caught:
        await uploads.receive(upload, PART, pieces(data[PART:]))

    assert caught.value.details[0].message == "0"
    upload = await uploads.get(TENANT, upload.upload_id)
    upload, _ = await uploads.receive(upload, 0, pieces(data))
    file, _ = await uploads.complete(upload)
    assert file.sha256 == sha256(data)


async def test_two_senders_of_one_upload(uploads: Uploads) -> None:
    """One of them is told that it stands elsewhere; what is there is what was sent."""
    data = program(2 * PART)
    upload = await begun(uploads, data)

    results = await asyncio.gather(
        *(uploads.receive(upload, 0, pieces(data)) for _ in range(2)), return_exceptions=True
    )

    assert any(isinstance(result, OffsetConflict) for result in results)
    upload = await uploads.get(TENANT, upload.upload_id)
    if upload.stored < len(data):
        upload, _ = await uploads.receive(upload, upload.stored, pieces(data[upload.stored :]))
    file, _ = await uploads.complete(upload)
    assert file.sha256 == sha256(data)


async def test_two_completions_publish_once(uploads: Uploads) -> None:
    """The other one is told to ask again, or gets the same file."""
    upload = await sent(uploads, program(PART))

    results = await asyncio.gather(*(uploads.complete(upload) for _ in range(3)), return_exceptions=True)

    published = [result for result in results if isinstance(result, tuple)]
    assert sum(made for _, made in published) == 1
    assert all(isinstance(result, tuple | UploadBusy) for result in results)


async def test_race_for_one_place(uploads: Uploads) -> None:
    """Two contents for the same version at once: one is published, the other refused."""
    one, other = await sent(uploads, program()), await sent(uploads, program())

    results = await asyncio.gather(uploads.complete(one), uploads.complete(other), return_exceptions=True)

    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, PackageExists) for result in results) == 1


async def test_type_is_decided_by_the_first_file(uploads: Uploads) -> None:
    """An addon stays one; whoever does not say gets what it is."""

    async def publish(version: str, package_type: str) -> str:
        data = program()
        made = await uploads.begin(TENANT, draft(version, type=package_type), size=len(data), sha256=None, author="ann")
        assert isinstance(made, Upload)
        upload, _ = await uploads.receive(made, 0, pieces(data))
        return (await uploads.complete(upload))[0].type

    assert await publish("1.0.0", "addon") == "addon"
    assert await publish("1.0.1", "") == "addon"
    with pytest.raises(InvalidPackage):
        await publish("1.0.2", "top_level")


async def test_not_yet_and_not_any_more(uploads: Uploads) -> None:
    """Nothing sent, and given up."""
    upload = await begun(uploads, program())

    with pytest.raises(UploadIncomplete):
        await uploads.complete(upload)
    await uploads.give_up(TENANT, upload.upload_id)
    with pytest.raises(UploadNotFound):
        await uploads.complete(upload)
    with pytest.raises(UploadNotFound):
        await uploads.give_up("another", upload.upload_id)
