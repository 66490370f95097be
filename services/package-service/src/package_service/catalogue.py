"""What people do with published files: look, switch on and off, remove."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from package_service import file_store, package_changes, publisher, upload_store
from package_service.errors import PackageNotFound
from package_service.offering import usage
from package_service.package import Arch, check_choices, check_name
from package_service.versions import Constraint, newest_first

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from package_service.file_store import Figures, File


class Catalogue:
    """
    The published files.

    Args:
        pool: The service's database.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def get(self, tenant_id: str, file_id: UUID) -> File:
        """Return a file; raises PackageNotFound."""
        file = await file_store.one(self._pool, tenant_id, file_id)
        if file is None:
            raise PackageNotFound
        return file

    async def set_active(self, tenant_id: str, file_id: UUID, *, active: bool, author: str) -> File:
        """
        Hand a file to agents, or not any more; saying it twice changes nothing.

        Raises:
            PackageNotFound: There is none.

            PackageInUse: It is offered; who needs it is named.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            known = await file_store.one(connection, tenant_id, file_id)
            if known is not None and known.active and not active:
                await usage.refuse_in_use(connection, known)
            changed = await file_store.set_active(connection, tenant_id, file_id, active=active)
            file = await file_store.one(connection, tenant_id, file_id)
            if file is None:
                raise PackageNotFound
            if changed:
                await package_changes.note(connection, [(tenant_id, file.name)])
                await publisher.say_package(connection, "activated" if active else "deactivated", file, author)
        return file

    async def delete(self, tenant_id: str, file_id: UUID, *, author: str) -> None:
        """
        Unpublish a file, one row; its bytes are removed later, if nobody else needs them.

        Raises:
            PackageNotFound: There is none.

            PackageInUse: It is offered; who needs it is named.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            file = await file_store.one(connection, tenant_id, file_id)
            if file is None:
                raise PackageNotFound
            await usage.refuse_in_use(connection, file)
            await file_store.delete(connection, file)
            await package_changes.note(connection, [(tenant_id, file.name)])
            await publisher.say_package(connection, "deleted", file, author)

    async def versions(self, tenant_id: str, name: str) -> list[File]:
        """List every file of a package, newest version first. Raises InvalidPackage, PackageNotFound."""
        check_name(name)
        files = await file_store.of_name(self._pool, tenant_id, name)
        if not files:
            raise PackageNotFound(f"there is no package {name}")
        by_platform = sorted(files, key=lambda file: (file.platform, file.arch))
        return newest_first(by_platform, lambda file: file.version)

    async def latest(self, tenant_id: str, name: str, *, platform: str, arch: str, constraint: str) -> File:
        """
        Find the newest active, undamaged file for a machine.

        A file made for this very architecture wins over one for any of the same version.

        Raises:
            InvalidPackage: A word that cannot match anything.

            PackageNotFound: Nothing will do.
        """
        check_choices(platform=platform, arch=arch)
        wanted = Constraint(constraint)
        fitting = [
            file
            for file in await self.versions(tenant_id, name)
            if file.active
            and file.damaged_at is None
            and file.platform == platform
            and file.arch in (arch, Arch.ANY)
            and wanted.allows(file.version)
        ]
        if not fitting:
            raise PackageNotFound(f"there is no active version of {name} for {platform}/{arch} that will do")
        best = [file for file in fitting if file.version == fitting[0].version]
        return next((file for file in best if file.arch == arch), best[0])

    async def figures(self, tenant_id: str) -> Figures:
        """Count what a tenant has."""
        found = await file_store.figures(self._pool, tenant_id)
        open_uploads, _ = await upload_store.open_uploads(self._pool, tenant_id)
        return replace(found, open_uploads=open_uploads)
