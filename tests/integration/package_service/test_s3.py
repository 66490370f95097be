"""S3 when it does not answer, and what is its own of the port."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

from devstack.ports import free_port
from package_service.blob_store import upload_key
from package_service.errors import StoreAway
from package_service.s3 import S3BlobStore
from world.s3 import BUCKET, StoreAddress, address_of

if TYPE_CHECKING:
    from devstack.s3 import S3Server


def store_at(address: StoreAddress, public_endpoint: str = "") -> S3BlobStore:
    """Make the port on a store."""
    return S3BlobStore(
        endpoint=address.endpoint,
        public_endpoint=public_endpoint,
        region="us-east-1",
        bucket=BUCKET,
        access_key=address.access_key,
        secret_key=address.secret_key,
    )


async def test_nobody_listens() -> None:
    """A store that is away is Unavailable with a time to come back, whatever is asked."""
    address = StoreAddress(f"http://127.0.0.1:{free_port()}", "access", "secret")
    async with store_at(address) as store:
        for ask in (store.ping(), store.begin("upload/x"), store.head("upload/x"), store.copy("a", "b")):
            with pytest.raises(StoreAway) as caught:
                await ask
            assert caught.value.retry_after_seconds
        with pytest.raises(StoreAway):
            async with store.get("upload/x"):
                pass


async def test_wrong_key_counts_as_away(s3_server: S3Server) -> None:
    """A store that does not know us cannot be used: the caller did nothing wrong."""
    address = StoreAddress(s3_server.url, "somebody", "else-and-long-enough")
    async with store_at(address) as store:
        with pytest.raises(StoreAway):
            await store.ping()


async def test_it_comes_back(s3_server: S3Server) -> None:
    """The clients need no restart when the store does."""
    async with store_at(address_of(s3_server)) as store:
        await store.ping()
        s3_server.kill()
        with pytest.raises(StoreAway):
            await store.ping()
        s3_server.start()
        await store.ping()
        assert await store.begin(upload_key(uuid.uuid4()))


async def test_presigned_address_names_the_public_door(s3_server: S3Server) -> None:
    """Agents may reach the store by another name than we do; a changed address opens nothing."""
    public = s3_server.url.replace("127.0.0.1", "localhost")
    async with store_at(address_of(s3_server), public) as store:
        await store.ping()

        url = await store.presign("sha256/aa", 60, "a-1.0.0-linux-amd64")

    assert url.startswith(public)
    async with httpx.AsyncClient() as client:
        assert (await client.get(url.replace("sha256/aa", "sha256/bb"))).status_code == httpx.codes.FORBIDDEN
