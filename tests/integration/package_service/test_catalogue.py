"""What people do with published files."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from package_service import file_store
from package_service.catalogue import Catalogue
from package_service.errors import InvalidPackage, PackageNotFound

from .conftest import TENANT
from .test_file_store import add

if TYPE_CHECKING:
    import asyncpg


async def test_latest_is_by_meaning_and_for_the_machine(pool: asyncpg.Pool) -> None:
    """1.10 beats 1.9; an own architecture beats any; what is off, damaged or before a release does not count."""
    catalogue = Catalogue(pool)
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1"):
        await add(pool, version)
    await add(pool, "1.10.0", arch="any")
    newest = await add(pool, "1.11.0")
    broken = await add(pool, "1.12.0")
    await catalogue.set_active(TENANT, newest.file_id, active=False, author="ann")
    async with pool.acquire() as connection:
        await file_store.mark_damaged(connection, broken.sha256)

    async def latest(arch: str = "amd64", constraint: str = "") -> tuple[str, str]:
        found = await catalogue.latest(TENANT, "collector", platform="linux", arch=arch, constraint=constraint)
        return found.version, found.arch

    assert await latest() == ("1.10.0", "amd64")
    assert await latest("arm64") == ("1.10.0", "any")
    assert await latest(constraint="<1.10.0") == ("1.9.0", "amd64")
    assert await latest(constraint=">=2.0.0-rc.0") == ("2.0.0-rc.1", "amd64")
    with pytest.raises(PackageNotFound):
        await latest(constraint=">=3.0.0")
    with pytest.raises(InvalidPackage):
        await latest("mips")


async def test_versions_newest_first(pool: asyncpg.Pool) -> None:
    """Every platform's file of each."""
    catalogue = Catalogue(pool)
    for version, platform in (("1.9.0", "linux"), ("1.10.0", "windows"), ("1.10.0", "darwin")):
        await add(pool, version, platform=platform)

    found = [(file.version, file.platform) for file in await catalogue.versions(TENANT, "collector")]

    assert found == [("1.10.0", "darwin"), ("1.10.0", "windows"), ("1.9.0", "linux")]
    with pytest.raises(PackageNotFound):
        await catalogue.versions(TENANT, "nothing")
    with pytest.raises(InvalidPackage):
        await catalogue.versions(TENANT, "../etc")


async def test_what_is_not_there(pool: asyncpg.Pool) -> None:
    """And what is another tenant's."""
    catalogue, file = Catalogue(pool), await add(pool, "1.0.0")

    for tenant, file_id in ((TENANT, uuid.uuid4()), ("another", file.file_id)):
        with pytest.raises(PackageNotFound):
            await catalogue.get(tenant, file_id)
        with pytest.raises(PackageNotFound):
            await catalogue.set_active(tenant, file_id, active=True, author="ann")
        with pytest.raises(PackageNotFound):
            await catalogue.delete(tenant, file_id, author="ann")
    await catalogue.delete(TENANT, file.file_id, author="ann")
    with pytest.raises(PackageNotFound):
        await catalogue.get(TENANT, file.file_id)


async def test_figures(pool: asyncpg.Pool) -> None:
    """Names, files, bytes of each content once."""
    await add(pool, "1.0.0", content=b"same")
    await add(pool, "1.0.1", content=b"same")
    await add(pool, "1.0.0", name="other")

    figures = await Catalogue(pool).figures(TENANT)

    assert (figures.packages, figures.files, figures.active_files, figures.stored_bytes) == (2, 3, 3, 14)
