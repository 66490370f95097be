"""From package-service's messages to views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.compose.values import moment

if TYPE_CHECKING:
    from api_gateway.models import packages as views
    from fleet.api.v1 import package_service_pb2 as messages


def package_view(file: messages.PackageFile) -> views.Package:
    """Show a published file."""
    return {
        "id": file.id,
        "name": file.name,
        "version": file.version,
        "platform": file.platform,
        "arch": file.arch,
        "type": file.type,
        "file_size": file.size,
        "checksum": file.sha256.hex(),
        "storage_path": f"sha256/{file.sha256.hex()}",
        "description": file.description,
        "is_active": file.active,
        "created_by": file.created_by,
        "created_at": moment(file.created_at),
        "updated_at": moment(file.updated_at),
        "downloads": file.downloads,
        "damaged_at": moment(file.damaged_at),
    }


def package_page_view(reply: messages.ListPackagesReply, *, limit: int, offset: int) -> views.PackagePage:
    """Show part of a list."""
    return {
        "packages": [package_view(file) for file in reply.files],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def versions_view(name: str, reply: messages.ListPackageVersionsReply) -> views.PackageVersions:
    """Show every file of a name."""
    return {"name": name, "packages": [package_view(file) for file in reply.files]}


def statistics_view(reply: messages.GetPackageStatisticsReply) -> views.PackageStatistics:
    """Show figures."""
    return {
        "packages": reply.packages,
        "files": reply.files,
        "active_files": reply.active_files,
        "stored_bytes": reply.stored_bytes,
        "quota_bytes": reply.quota_bytes,
        "downloads": reply.downloads,
        "open_uploads": reply.open_uploads,
        "damaged_files": reply.damaged_files,
    }


def upload_view(upload: messages.Upload) -> views.Upload:
    """Show a file on its way."""
    return {
        "id": upload.id,
        "size": upload.size,
        "offset": upload.offset,
        "part_size": upload.part_size,
        "created_at": moment(upload.created_at),
        "expires_at": moment(upload.expires_at),
    }


def begun_view(reply: messages.BeginUploadReply) -> views.UploadBegun:
    """Show what came of beginning an upload."""
    return {
        "upload": upload_view(reply.upload) if reply.HasField("upload") else None,
        "package": package_view(reply.file) if reply.HasField("file") else None,
    }
