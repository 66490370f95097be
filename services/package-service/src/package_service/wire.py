"""Between rows and messages. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fleet.api.v1 import package_service_pb2 as api
from package_service.errors import InvalidPackage, PackageNotFound, UploadNotFound
from servicekit.errors import Problem

if TYPE_CHECKING:
    from package_service.file_store import File
    from package_service.upload_store import Upload

SHA256_BYTES = 32


def file_message(file: File) -> api.PackageFile:
    """Write a file."""
    message = api.PackageFile(
        id=str(file.file_id),
        tenant_id=file.tenant_id,
        name=file.name,
        version=file.version,
        platform=file.platform,
        arch=file.arch,
        type=file.type,
        size=file.size,
        sha256=file.sha256,
        description=file.description,
        active=file.active,
        created_by=file.created_by,
        downloads=file.downloads,
    )
    message.created_at.FromDatetime(file.created_at)
    message.updated_at.FromDatetime(file.updated_at)
    if file.damaged_at is not None:
        message.damaged_at.FromDatetime(file.damaged_at)
    return message


def upload_message(upload: Upload, retention: timedelta) -> api.Upload:
    """Write an upload."""
    message = api.Upload(id=str(upload.upload_id), size=upload.size, offset=upload.stored, part_size=upload.part_bytes)
    message.created_at.FromDatetime(upload.created_at)
    message.expires_at.FromDatetime(upload.updated_at + retention)
    return message


def file_view(file: File) -> dict[str, Any]:
    """Write a file for the listener's answers: the fields of PackageFile, as JSON."""
    return {
        "id": str(file.file_id),
        "name": file.name,
        "version": file.version,
        "platform": file.platform,
        "arch": file.arch,
        "sha256": file.sha256.hex(),
        "size": file.size,
    }


def file_id_of(text: str) -> UUID:
    """Read the id of a file; what cannot be one names none."""
    try:
        return UUID(text)
    except ValueError:
        raise PackageNotFound from None


def upload_id_of(text: str) -> UUID:
    """Read the id of an upload; what cannot be one names none."""
    try:
        return UUID(text)
    except ValueError:
        raise UploadNotFound from None


def digest_of(raw: bytes) -> bytes | None:
    """Read a declared hash; empty = none is declared."""
    if raw and len(raw) != SHA256_BYTES:
        raise InvalidPackage([Problem("sha256", "must be 64 hexadecimal digits")])
    return raw or None


def digest_of_text(text: str) -> bytes | None:
    """Read a declared hash from hexadecimal digits; empty = none is declared."""
    try:
        return digest_of(bytes.fromhex(text)) if text.isascii() else digest_of(b"?")
    except ValueError:
        return digest_of(b"?")
