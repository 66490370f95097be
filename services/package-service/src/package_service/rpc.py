"""The questions package-service answers on the bus: one call and back. No SQL, no bytes of files."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from contracts import subjects
from fleet.api.v1 import package_service_pb2 as api
from fleet.api.v1 import page_pb2
from package_service import file_store, wire
from package_service.file_store import File, Filter
from package_service.package import check_choices, check_name, draft_of
from package_service.requests import check_request, invalid
from servicekit.paging import cut, page_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import asyncpg
    from google.protobuf.message import Message

    from package_service.catalogue import Catalogue
    from package_service.uploads import Uploads


class Questions:
    """
    Answers.

    Args:
        pool: For reading lists.

        catalogue: For what people do with published files.

        uploads: For files that arrive.

        quota_bytes: Told with the statistics.

        upload_retention_seconds: Told with an upload.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        catalogue: Catalogue,
        uploads: Uploads,
        *,
        quota_bytes: int,
        upload_retention_seconds: float,
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._uploads = uploads
        self._quota_bytes = quota_bytes
        self._retention = timedelta(seconds=upload_retention_seconds)

    def handlers(self) -> Mapping[Any, Callable[[Any], Awaitable[Message]]]:
        """Return every method this service answers and what answers it."""
        return {
            subjects.LIST_PACKAGES: self.list_packages,
            subjects.GET_PACKAGE: self.get_package,
            subjects.SET_PACKAGE_ACTIVE: self.set_package_active,
            subjects.DELETE_PACKAGE: self.delete_package,
            subjects.LIST_PACKAGE_VERSIONS: self.list_package_versions,
            subjects.GET_LATEST_PACKAGE: self.get_latest_package,
            subjects.GET_PACKAGE_STATISTICS: self.get_package_statistics,
            subjects.BEGIN_UPLOAD: self.begin_upload,
            subjects.GET_UPLOAD: self.get_upload,
            subjects.GIVE_UP_UPLOAD: self.give_up_upload,
        }

    async def list_packages(self, request: api.ListPackagesRequest) -> api.ListPackagesReply:
        """List files."""
        check_request(request)
        if request.name:
            check_name(request.name)
        check_choices(platform=request.platform, arch=request.arch, type=request.type)
        sort = request.sort or "created_at"
        if sort not in file_store.SORTS:
            raise invalid("sort", f"must be one of: {', '.join(file_store.SORTS)}")
        wanted = Filter(
            request.name,
            request.version,
            request.platform,
            request.arch,
            request.type,
            request.search,
            request.active if request.HasField("active") else None,
        )
        page = page_of(request.page, "packages", request.tenant_id, wanted, sort, request.descending)
        rows, total = await file_store.list_files(
            self._pool, request.tenant_id, page, wanted, sort=sort, descending=request.descending
        )
        shown, cursor = cut(rows, page, lambda row: file_store.sort_key(row, sort))
        return api.ListPackagesReply(
            files=[wire.file_message(row) for row in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
        )

    async def get_package(self, request: api.GetPackageRequest) -> api.GetPackageReply:
        """Return a file."""
        check_request(request)
        file = await self._catalogue.get(request.tenant_id, wire.file_id_of(request.id))
        return api.GetPackageReply(file=wire.file_message(file))

    async def set_package_active(self, request: api.SetPackageActiveRequest) -> api.SetPackageActiveReply:
        """Hand a file to agents, or not any more."""
        check_request(request)
        file = await self._catalogue.set_active(
            request.tenant_id, wire.file_id_of(request.id), active=request.active, author=request.author
        )
        return api.SetPackageActiveReply(file=wire.file_message(file))

    async def delete_package(self, request: api.DeletePackageRequest) -> api.DeletePackageReply:
        """Unpublish a file."""
        check_request(request)
        await self._catalogue.delete(request.tenant_id, wire.file_id_of(request.id), author=request.author)
        return api.DeletePackageReply()

    async def list_package_versions(self, request: api.ListPackageVersionsRequest) -> api.ListPackageVersionsReply:
        """List every file of a name, newest version first."""
        check_request(request)
        files = await self._catalogue.versions(request.tenant_id, request.name)
        return api.ListPackageVersionsReply(files=[wire.file_message(file) for file in files])

    async def get_latest_package(self, request: api.GetLatestPackageRequest) -> api.GetLatestPackageReply:
        """Find the newest file for a machine."""
        check_request(request)
        file = await self._catalogue.latest(
            request.tenant_id,
            request.name,
            platform=request.platform,
            arch=request.arch,
            constraint=request.constraint,
        )
        return api.GetLatestPackageReply(file=wire.file_message(file))

    async def get_package_statistics(self, request: api.GetPackageStatisticsRequest) -> api.GetPackageStatisticsReply:
        """Count what a tenant has."""
        check_request(request)
        figures = await self._catalogue.figures(request.tenant_id)
        return api.GetPackageStatisticsReply(**vars(figures), quota_bytes=self._quota_bytes)

    async def begin_upload(self, request: api.BeginUploadRequest) -> api.BeginUploadReply:
        """Begin an upload in parts."""
        check_request(request)
        draft = draft_of(
            name=request.name,
            version=request.version,
            platform=request.platform,
            arch=request.arch,
            type=request.type,
            description=request.description,
        )
        if not request.size:
            raise invalid("size", "must be the number of bytes to come")
        begun = await self._uploads.begin(
            request.tenant_id,
            draft,
            size=request.size,
            sha256=wire.digest_of(request.sha256),
            author=request.author,
        )
        if isinstance(begun, File):
            return api.BeginUploadReply(file=wire.file_message(begun))
        return api.BeginUploadReply(upload=wire.upload_message(begun, self._retention))

    async def get_upload(self, request: api.GetUploadRequest) -> api.GetUploadReply:
        """Tell where an upload stands."""
        check_request(request)
        upload = await self._uploads.get(request.tenant_id, wire.upload_id_of(request.id))
        return api.GetUploadReply(upload=wire.upload_message(upload, self._retention))

    async def give_up_upload(self, request: api.GiveUpUploadRequest) -> api.GiveUpUploadReply:
        """End an upload."""
        check_request(request)
        await self._uploads.give_up(request.tenant_id, wire.upload_id_of(request.id))
        return api.GiveUpUploadReply()
