"""Files handed out, verified on the way; the doors are tested in test_listener."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from package_service.catalogue import Catalogue
from package_service.downloads import Downloads
from package_service.errors import BlobDamaged, PackageNotFound

from .conftest import TENANT, program
from .test_uploads import sent

if TYPE_CHECKING:
    import asyncpg

    from devstack.s3 import S3Server
    from package_service.s3 import S3BlobStore
    from package_service.uploads import Uploads


async def test_last_chunk_waits_for_the_hash(
    pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads, s3_server: S3Server
) -> None:
    """Of a changed file some bytes may be seen, never all of them."""
    data = program(700_000)
    file, _ = await uploads.complete(await sent(uploads, data))
    blob = s3_server.folder / "objects" / "agent-packages" / "sha256" / file.sha256.hex()
    blob.write_bytes(b"\x00" + data[1:])
    downloads, got = Downloads(pool, store), b""

    async def read() -> None:
        nonlocal got
        async with downloads.open(file, 0, file.size) as chunks:
            async for chunk in chunks:
                got += chunk

    with pytest.raises(BlobDamaged):
        await read()

    assert len(got) < file.size
    with pytest.raises(BlobDamaged):
        await downloads.find(TENANT, file.file_id, for_agent=False)


async def test_who_may_have_what(pool: asyncpg.Pool, store: S3BlobStore, uploads: Uploads) -> None:
    """Agents only active files, nobody another tenant's."""
    file, _ = await uploads.complete(await sent(uploads, program()))
    downloads = Downloads(pool, store)
    await Catalogue(pool).set_active(TENANT, file.file_id, active=False, author="ann")

    assert (await downloads.find(TENANT, file.file_id, for_agent=False)).file_id == file.file_id
    for tenant, file_id, for_agent in (
        (TENANT, file.file_id, True),
        ("x", file.file_id, False),
        (TENANT, uuid.uuid4(), False),
    ):
        with pytest.raises(PackageNotFound):
            await downloads.find(tenant, file_id, for_agent=for_agent)
