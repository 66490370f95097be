"""Questions to package-service; bytes of files go another way, see package_transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.errors import package_error
from api_gateway.upstream.asking import Asking, Q, R
from contracts import subjects
from fleet.api.v1 import package_service_pb2 as messages
from fleet.api.v1.page_pb2 import PageRequest
from servicekit.errors import Invalid

if TYPE_CHECKING:
    from api_gateway.models.packages import LatestQuery, NewUpload, PackageQuery
    from contracts.subjects import Method


class PackageService(Asking):
    """package-service, seen from here."""

    async def list_packages(self, tenant_id: str, query: PackageQuery) -> messages.ListPackagesReply:
        """List files."""
        request = messages.ListPackagesRequest(
            tenant_id=tenant_id,
            page=PageRequest(limit=query.limit, offset=query.offset, cursor=query.cursor),
            name=query.name,
            version=query.version,
            platform=query.platform,
            arch=query.arch,
            type=query.type,
            active=query.active,
            search=query.search or query.q,
            sort=query.sort.removeprefix("-"),
            descending=query.sort.startswith("-"),
        )
        return await self.ask(subjects.LIST_PACKAGES, request)

    async def get(self, tenant_id: str, package_id: str) -> messages.PackageFile:
        """Get a file; NotFound when there is none."""
        request = messages.GetPackageRequest(tenant_id=tenant_id, id=package_id)
        return (await self.ask(subjects.GET_PACKAGE, request)).file

    async def set_active(self, tenant_id: str, package_id: str, author: str, *, active: bool) -> messages.PackageFile:
        """Hand a file to agents, or not any more; NotFound."""
        request = messages.SetPackageActiveRequest(tenant_id=tenant_id, id=package_id, active=active, author=author)
        return (await self.ask(subjects.SET_PACKAGE_ACTIVE, request)).file

    async def delete(self, tenant_id: str, package_id: str, author: str) -> None:
        """Unpublish a file; NotFound."""
        request = messages.DeletePackageRequest(tenant_id=tenant_id, id=package_id, author=author)
        await self.ask(subjects.DELETE_PACKAGE, request)

    async def list_versions(self, tenant_id: str, name: str) -> messages.ListPackageVersionsReply:
        """List every file of a name, newest version first; NotFound."""
        request = messages.ListPackageVersionsRequest(tenant_id=tenant_id, name=name)
        return await self.ask(subjects.LIST_PACKAGE_VERSIONS, request)

    async def latest(self, tenant_id: str, name: str, query: LatestQuery) -> messages.PackageFile:
        """Find the newest file for a machine; NotFound when nothing will do."""
        request = messages.GetLatestPackageRequest(
            tenant_id=tenant_id, name=name, platform=query.platform, arch=query.arch, constraint=query.constraint
        )
        return (await self.ask(subjects.GET_LATEST_PACKAGE, request)).file

    async def statistics(self, tenant_id: str) -> messages.GetPackageStatisticsReply:
        """Count what a tenant has."""
        return await self.ask(
            subjects.GET_PACKAGE_STATISTICS, messages.GetPackageStatisticsRequest(tenant_id=tenant_id)
        )

    async def begin_upload(self, tenant_id: str, document: NewUpload, author: str) -> messages.BeginUploadReply:
        """Begin an upload; Conflict when another content is published there, or a quota is reached."""
        request = messages.BeginUploadRequest(
            tenant_id=tenant_id,
            name=document.name,
            version=document.version,
            platform=document.platform,
            arch=document.arch,
            type=document.type,
            description=document.description,
            size=document.size,
            sha256=bytes.fromhex(document.sha256),
            author=author,
        )
        return await self.ask(subjects.BEGIN_UPLOAD, request)

    async def get_upload(self, tenant_id: str, upload_id: str) -> messages.Upload:
        """Tell where an upload stands; NotFound."""
        request = messages.GetUploadRequest(tenant_id=tenant_id, id=upload_id)
        return (await self.ask(subjects.GET_UPLOAD, request)).upload

    async def give_up_upload(self, tenant_id: str, upload_id: str) -> None:
        """End an upload; NotFound."""
        await self.ask(subjects.GIVE_UP_UPLOAD, messages.GiveUpUploadRequest(tenant_id=tenant_id, id=upload_id))

    async def ask(self, method: Method[Q, R], request: Q, *, timeout_seconds: float | None = None) -> R:
        """Ask; names and files that are refused become 422, wherever they stood."""
        try:
            return await super().ask(method, request, timeout_seconds=timeout_seconds)
        except Invalid as error:
            raise package_error(error) from error
