"""
A file and what it is in one multipart form, in whatever order its fields come.

The file is stored while it arrives; what it is may be told after it. A form that turns out wrong, or breaks off,
leaves nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aiohttp import BodyPartReader

from package_service import wire
from package_service.errors import InvalidPackage
from package_service.file_store import File
from package_service.package import draft_of
from servicekit.errors import Invalid, Problem, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from package_service.tickets import Bearer
    from package_service.upload_store import Upload
    from package_service.uploads import Content, Uploads

FILE = "file"
FIELDS = frozenset(("name", "version", "platform", "arch", "type", "description", "sha256"))
MAX_FIELD_BYTES = 8192


@dataclass(frozen=True)
class Taken:
    """What came of a form."""

    file: File
    made: bool


class FormReader:
    """
    Reads one form.

    Args:
        uploads: Takes the file in.

        bearer: For whom.

        idle_seconds: No byte for so long ends it.

        read_bytes: Bytes taken from the connection at once.
    """

    def __init__(self, uploads: Uploads, bearer: Bearer, *, idle_seconds: float, read_bytes: int) -> None:
        self._uploads = uploads
        self._bearer = bearer
        self._idle_seconds = idle_seconds
        self._read_bytes = read_bytes
        self._fields: dict[str, str] = {}
        self._upload: Upload | None = None
        self._content: Content | None = None

    async def take(self, request: web.Request) -> Taken:
        """
        Read the form of a request and publish its file.

        Raises:
            Invalid: It is no form, or one with fields nobody knows or twice the same.

            InvalidPackage: A field is missing or wrong, or the file is; and whatever Uploads raises.
        """
        try:
            await self._read(request)
            draft = draft_of(
                **{name: self._fields.get(name, "") for name in ("name", "version", "platform", "arch", "type")},
                description=self._fields.get("description", ""),
            )
            declared = wire.digest_of_text(self._fields.get("sha256", ""))
            upload, content = self._arrived()
            file, made = await self._uploads.complete(upload, draft=draft, sha256=declared, content=content)
        except BaseException:
            await self._forget()
            raise
        return Taken(file, made)

    def _arrived(self) -> tuple[Upload, Content]:
        if self._upload is None or self._content is None or not self._upload.stored:
            raise InvalidPackage([Problem(FILE, "is missing or empty")])
        return self._upload, self._content

    async def _read(self, request: web.Request) -> None:
        if request.content_type != "multipart/form-data":
            raise Invalid("send a form: Content-Type multipart/form-data, with the file in its field `file`")
        try:
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader) or part.name not in {FILE, *FIELDS}:
                    name = str(getattr(part, "name", None) or "?")
                    raise Invalid("the form has a field nobody knows", details=[Problem(name[:64], "is not known")])
                if part.name in self._fields or (part.name == FILE and self._upload is not None):
                    raise Invalid(f"{part.name} is given twice", details=[Problem(part.name, "is given twice")])
                if part.name == FILE:
                    await self._take_file(part)
                else:
                    self._fields[part.name] = await self._text(part)
        except (ValueError, AssertionError) as error:
            raise Invalid("the form cannot be read, or breaks off") from error

    async def _take_file(self, part: BodyPartReader) -> None:
        tenant_id, author = self._bearer.tenant_id, self._bearer.username
        begun = await self._uploads.begin(tenant_id, None, size=0, sha256=None, author=author)
        # Nothing is declared yet, so nothing can be there already.
        self._upload = cast("Upload", begun)
        self._upload, self._content = await self._uploads.receive(self._upload, 0, self._chunks(part, self._read_bytes))

    async def _chunks(self, part: BodyPartReader, size: int) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    chunk = await part.read_chunk(size)
            except TimeoutError as error:
                raise Invalid("no byte came for too long") from error
            if not chunk:
                return
            yield chunk

    async def _text(self, part: BodyPartReader) -> str:
        raw = b""
        async for chunk in self._chunks(part, MAX_FIELD_BYTES):
            raw += chunk
            if len(raw) > MAX_FIELD_BYTES:
                raise InvalidPackage([Problem(part.name or "?", f"must be at most {MAX_FIELD_BYTES} bytes")])
        return raw.decode()

    async def _forget(self) -> None:
        """Remove what came of a form that failed; what cannot be removed now the sweeper finds."""
        if self._upload is None:
            return
        try:
            await asyncio.shield(self._uploads.forget(self._upload))
        except (ServiceError, OSError):
            return
