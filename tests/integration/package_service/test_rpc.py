"""The questions package-service answers on the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts import subjects
from fleet.api.v1 import page_pb2
from servicekit.errors import Invalid, NotFound

from .conftest import TENANT, program, sha256

if TYPE_CHECKING:
    from .conftest import Running


async def ask(service: Running, method: Any, **fields: Any) -> Any:
    """Ask, for our tenant unless said otherwise."""
    return await service.bus.call(method, method.request_type(**{"tenant_id": TENANT, **fields}))


async def test_life_of_a_package(service: Running) -> None:
    """Published, listed, found, switched, counted, deleted."""
    data = program()
    made = (await service.publish(data, "1.10.0", description="The one")).json()
    await service.publish(program(), "1.9.0")

    listed = await ask(service, subjects.LIST_PACKAGES, search="ONE", page=page_pb2.PageRequest(limit=1))
    assert [file.id for file in listed.files] == [made["id"]]
    versions = await ask(service, subjects.LIST_PACKAGE_VERSIONS, name="collector")
    assert [file.version for file in versions.files] == ["1.10.0", "1.9.0"]
    latest = {"name": "collector", "platform": "linux", "arch": "amd64"}
    assert (await ask(service, subjects.GET_LATEST_PACKAGE, **latest)).file.id == made["id"]
    off = await ask(service, subjects.SET_PACKAGE_ACTIVE, id=made["id"], active=False, author="ann")
    assert not off.file.active
    assert (await ask(service, subjects.GET_LATEST_PACKAGE, **latest)).file.version == "1.9.0"
    figures = await ask(service, subjects.GET_PACKAGE_STATISTICS)
    assert (figures.packages, figures.files, figures.active_files, figures.stored_bytes) == (1, 2, 1, 2 * len(data))
    await ask(service, subjects.DELETE_PACKAGE, id=made["id"], author="ann")
    with pytest.raises(NotFound):
        await ask(service, subjects.GET_PACKAGE, id=made["id"])


async def test_uploads_over_the_bus(service: Running) -> None:
    """Begun, looked at, given up; what is known already is told."""
    data = program()
    upload = (await service.begin(data)).upload
    assert (await ask(service, subjects.GET_UPLOAD, id=upload.id)).upload.size == len(data)
    await ask(service, subjects.GIVE_UP_UPLOAD, id=upload.id)
    with pytest.raises(NotFound):
        await ask(service, subjects.GET_UPLOAD, id=upload.id)

    await service.publish(data)

    assert (await service.begin(data, sha256=sha256(data))).file.size == len(data)


@pytest.mark.parametrize(
    ("method", "fields", "wrong"),
    [
        (subjects.LIST_PACKAGES, {"tenant_id": "a.b"}, "tenant_id"),
        (subjects.LIST_PACKAGES, {"name": "A"}, "name"),
        (subjects.LIST_PACKAGES, {"platform": "beos"}, "platform"),
        (subjects.LIST_PACKAGES, {"sort": "owner"}, "sort"),
        (subjects.LIST_PACKAGES, {"search": "\x00"}, "search"),
        (subjects.LIST_PACKAGES, {"page": page_pb2.PageRequest(cursor="x")}, "cursor"),
        (subjects.LIST_PACKAGE_VERSIONS, {"name": "a\x00"}, "name"),
        (subjects.LIST_PACKAGE_VERSIONS, {"name": "n" * 3000}, "name"),
        (subjects.GET_LATEST_PACKAGE, {"name": "a", "platform": "linux", "arch": "z"}, "arch"),
        (subjects.BEGIN_UPLOAD, {"name": "a", "version": "1.0.0", "platform": "linux", "arch": "any"}, "size"),
        (subjects.BEGIN_UPLOAD, {"name": "A", "version": "1.0.0", "platform": "linux", "arch": "any"}, "name"),
    ],
)
async def test_wrong_questions_name_the_field(
    service: Running, method: Any, fields: dict[str, Any], wrong: str
) -> None:
    """Whatever cannot be is refused before anything is looked up."""
    with pytest.raises(Invalid) as caught:
        await ask(service, method, **fields)

    assert caught.value.details[0].field == wrong


async def test_ids_that_cannot_be(service: Running) -> None:
    """They name nothing."""
    for method in (subjects.GET_PACKAGE, subjects.DELETE_PACKAGE, subjects.GET_UPLOAD, subjects.SET_PACKAGE_ACTIVE):
        with pytest.raises(NotFound):
            await ask(service, method, id="../../x")
