"""
The object store port on any S3, by aioboto3.

The bucket is made when it is missing, at the first use that misses it: a store that is away at our start is no
reason not to start. Whatever the store does wrong becomes StoreAway; what we asked wrongly stays an exception.
"""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self

import aioboto3
import aiohttp
import structlog
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from package_service import metrics
from package_service.blob_store import BlobInfo, Part
from package_service.errors import BlobDoubted, StoreAway, UploadLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

log = structlog.get_logger()

CHUNK_BYTES = 256 * 1024
CONNECT_SECONDS = 2
READ_SECONDS = 20
COMPLETE_SECONDS = 120
"""Putting an object together, or copying one, is work of the store: it may take so long."""

_MISSING = frozenset(("404", "NoSuchKey", "NotFound"))
_LOST = frozenset(("NoSuchUpload", "InvalidPart", "InvalidPartOrder", "NotImplemented"))
"""NotImplemented is what rclone says of a part that is sent again with other bytes."""

_NO_BUCKET = "NoSuchBucket"
_THERE_ALREADY = frozenset(("BucketAlreadyOwnedByYou", "BucketAlreadyExists"))
_AWAY = (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError)


class S3BlobStore:
    """
    One bucket of one S3; use it as an async context manager.

    Args:
        endpoint: Address of the store; empty = Amazon's.

        public_endpoint: How agents reach it, for addresses they use themselves; empty = the same.

        region: Region named in signatures.

        bucket: The bucket; made if it is missing.

        access_key: Login.

        secret_key: Its secret.

        connections: Connections to the store at most.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        public_endpoint: str = "",
        region: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        connections: int = 32,
    ) -> None:
        self._bucket = bucket
        self._session = aioboto3.Session(
            aws_access_key_id=access_key or None, aws_secret_access_key=secret_key or None, region_name=region
        )
        self._endpoint = endpoint
        self._public_endpoint = public_endpoint
        self._connections = connections
        self._client: Any = None
        self._slow: Any = None
        self._public: Any = None
        self._contexts: list[Any] = []

    async def __aenter__(self) -> Self:
        """Make the clients; nothing is asked of the store yet."""
        self._client = await self._open(self._endpoint, READ_SECONDS)
        self._slow = await self._open(self._endpoint, COMPLETE_SECONDS)
        self._public = await self._open(self._public_endpoint, READ_SECONDS) if self._public_endpoint else self._client
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        for context in reversed(self._contexts):
            await context.__aexit__(None, None, None)
        self._contexts.clear()

    async def begin(self, key: str) -> str:
        """Begin to store an object in parts."""

        async def ask() -> Any:
            return await self._client.create_multipart_upload(Bucket=self._bucket, Key=key)

        return str((await self._with_bucket(ask))["UploadId"])

    async def put_part(self, key: str, multipart_id: str, number: int, data: bytes) -> str:
        """Store one part; the body is a stream over *data*, which is not copied."""
        with _failures("put_part"):
            answer = await self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=multipart_id, PartNumber=number, Body=io.BytesIO(data)
            )
        return str(answer["ETag"])

    async def complete(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        """Make the object of its parts."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with _failures("complete"):
            await self._slow.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=multipart_id, MultipartUpload={"Parts": listed}
            )

    async def abort(self, key: str) -> None:
        """Forget what was begun, however often, and the object."""

        async def ask() -> Any:
            return await self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)

        try:
            begun = (await self._with_bucket(ask)).get("Uploads", [])
        except UploadLost:
            # What rclone says of a bucket in which nothing was ever begun.
            begun = []
        for upload in begun:
            if upload["Key"] != key:
                continue
            try:
                with _failures("abort"):
                    await self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload["UploadId"])
            except UploadLost:
                continue
        await self.delete(key)

    @asynccontextmanager
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read an object in chunks; exactly the bytes asked for, or an exception."""
        if end is not None and end <= start:
            yield _nothing()
            return
        wanted: dict[str, Any] = {"Bucket": self._bucket, "Key": key}
        if start or end is not None:
            wanted["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with _failures("get"):
                answer = await self._client.get_object(**wanted)
        except ClientError as error:
            # It answers and has no such object or bucket: perhaps it is not the store we know, so nothing is damaged.
            raise BlobDoubted from error
        # Some stores answer a range with 200: only the length tells whether we got what we asked for.
        length = int(answer["ContentLength"])
        if end is not None and length != end - start:
            answer["Body"].close()
            raise BlobDoubted
        try:
            yield _chunks(answer["Body"], length)
        finally:
            # Read to its end the connection went back already; otherwise it is closed with what it still holds.
            answer["Body"].close()

    async def head(self, key: str) -> int | None:
        """Tell the size of an object."""
        try:
            with _failures("head"):
                return int((await self._client.head_object(Bucket=self._bucket, Key=key))["ContentLength"])
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise

    async def mark(self, key: str) -> str | None:
        """Put together tag, size and time of an object."""
        try:
            with _failures("head"):
                said = await self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            # Whatever it disagrees with, it has not told us anything about the object.
            raise StoreAway from error
        return f"{said.get('ETag', '')} {said['ContentLength']} {said['LastModified'].isoformat()}"

    async def delete(self, key: str) -> None:
        """Remove an object."""
        try:
            with _failures("delete"):
                await self._client.delete_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) not in _MISSING:
                raise

    async def copy(self, source: str, target: str) -> None:
        """Copy inside the store."""
        with _failures("copy"):
            await self._slow.copy_object(
                Bucket=self._bucket, Key=target, CopySource={"Bucket": self._bucket, "Key": source}
            )

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """List objects, page by page."""
        token: dict[str, str] = {}
        while True:

            async def ask(page: dict[str, str] = token) -> Any:
                return await self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **page)

            answer = await self._with_bucket(ask)
            for item in answer.get("Contents", []):
                yield BlobInfo(item["Key"], int(item["Size"]))
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    async def presign(self, key: str, seconds: int, filename: str) -> str:
        """Sign an address; the store is not asked."""
        asked = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
            "ResponseContentType": "application/octet-stream",
        }
        return str(await self._public.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds))

    async def ping(self) -> None:
        """Ask for the bucket, making it if it is missing."""

        async def ask() -> Any:
            return await self._client.list_objects_v2(Bucket=self._bucket, MaxKeys=1)

        await self._with_bucket(ask)

    async def _open(self, endpoint: str, read_seconds: int) -> Any:
        context = self._session.client(
            "s3",
            endpoint_url=endpoint or None,
            config=AioConfig(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint else "auto"},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=read_seconds,
                max_pool_connections=self._connections,
                retries={"mode": "standard", "max_attempts": 2},
            ),
        )
        client = await context.__aenter__()
        self._contexts.append(context)
        return client

    async def _with_bucket(self, ask: Any) -> Any:
        try:
            with _failures("ask"):
                return await ask()
        except ClientError as error:
            if _code(error) != _NO_BUCKET:
                raise
        await self._make_bucket()
        with _failures("ask"):
            return await ask()

    async def _make_bucket(self) -> None:
        try:
            with _failures("create_bucket"):
                await self._client.create_bucket(Bucket=self._bucket)
            log.info("bucket_made", bucket=self._bucket)
        except ClientError as error:
            if _code(error) not in _THERE_ALREADY:
                raise


@contextmanager
def _failures(operation: str) -> Iterator[None]:
    """Turn failures of the store into ours; ClientError passes when the caller has to look at it."""
    try:
        yield
    except ClientError as error:
        if _code(error) in _LOST:
            raise UploadLost from error
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        if status < 500 and status not in (401, 403, 429):  # noqa: PLR2004 - the store is well and disagrees
            raise
        metrics.STORE_ERRORS.labels(operation).inc()
        log.warning("object_store_refuses", operation=operation, code=_code(error), status=status)
        raise StoreAway from error
    except _AWAY as error:
        metrics.STORE_ERRORS.labels(operation).inc()
        log.warning("object_store_away", operation=operation, error=type(error).__name__)
        raise StoreAway from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


async def _chunks(body: Any, length: int) -> AsyncIterator[bytes]:
    left = length
    while left:
        with _failures("read"):
            chunk = await _read(body, min(CHUNK_BYTES, left))
        if not chunk:
            raise StoreAway
        left -= len(chunk)
        yield chunk


async def _read(body: Any, size: int) -> bytes:
    async with asyncio.timeout(READ_SECONDS):
        return bytes(await body.read(size))


async def _nothing() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for chunk in none:
        yield chunk
