"""Packages over HTTP; transfers are tested in test_upstream_package_transfer."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.permissions import Role
from contracts import subjects
from fleet.api.v1 import package_service_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Conflict, Invalid, Problem

ROOT = "/api/v1/packages"
FILE = messages.PackageFile(
    id="f1", name="collector", version="1.0.0", platform="linux", arch="amd64", sha256=b"x" * 32
)
UPLOAD = messages.Upload(id="u1", size=10, part_size=5)
NEW = {"name": "collector", "version": "1.0.0", "platform": "linux", "arch": "amd64", "size": 10}


async def test_packages_are_listed(api: Any, stand: Any, conforms: Any) -> None:
    """Filters go along; the next page is pointed at."""
    reply = messages.ListPackagesReply(files=[FILE], page=PageReply(total=2, next_cursor="c"))
    stand.answer(subjects.LIST_PACKAGES, reply)

    answer = await api.call(
        "GET", f"{ROOT}?name=collector&active=true&platform=linux&limit=1", token=await api.as_role(Role.VIEWER)
    )

    conforms(answer, ("GET", ROOT))
    asked = stand.last(subjects.LIST_PACKAGES)
    assert (asked.name, asked.active, asked.platform, asked.descending) == ("collector", True, "linux", True)
    assert answer.body["packages"][0]["id"] == "f1"
    assert 'rel="next"' in answer.headers["Link"]


async def test_one_package(api: Any, stand: Any, conforms: Any) -> None:
    """Looked at, switched off and on, removed; who did it goes along."""
    stand.answer(subjects.GET_PACKAGE, messages.GetPackageReply(file=FILE))
    stand.answer(subjects.SET_PACKAGE_ACTIVE, messages.SetPackageActiveReply(file=FILE))
    operator = await api.as_role(Role.OPERATOR)

    conforms(await api.call("GET", f"{ROOT}/f1", token=operator), ("GET", ROOT + "/{id}"))
    for verb, active in (("deactivate", False), ("activate", True)):
        answer = await api.call("POST", f"{ROOT}/f1/{verb}", token=operator)
        conforms(answer, ("POST", ROOT + "/{id}/" + verb))
        asked = stand.last(subjects.SET_PACKAGE_ACTIVE)
        assert (asked.active, asked.author) == (active, "the-operator")
    gone = await api.call("DELETE", f"{ROOT}/f1", token=operator)
    assert gone.body == {"message": "package deleted successfully"}
    assert stand.last(subjects.DELETE_PACKAGE).author == "the-operator"


async def test_names_and_figures(api: Any, stand: Any, conforms: Any) -> None:
    """Versions of a name, the latest for a machine, and what there is."""
    stand.answer(subjects.LIST_PACKAGE_VERSIONS, messages.ListPackageVersionsReply(files=[FILE]))
    stand.answer(subjects.GET_LATEST_PACKAGE, messages.GetLatestPackageReply(file=FILE))
    viewer = await api.as_role(Role.VIEWER)

    versions = await api.call("GET", f"{ROOT}/names/collector/versions", token=viewer)
    latest = await api.call(
        "GET", f"{ROOT}/names/collector/latest?platform=linux&arch=amd64&constraint=%3E%3D1.0.0", token=viewer
    )
    figures = await api.call("GET", f"{ROOT}/statistics", token=viewer)

    conforms(versions, ("GET", ROOT + "/names/{name}/versions"))
    conforms(latest, ("GET", ROOT + "/names/{name}/latest"))
    conforms(figures, ("GET", f"{ROOT}/statistics"))
    assert stand.last(subjects.GET_LATEST_PACKAGE).constraint == ">=1.0.0"


async def test_uploads_in_parts(api: Any, stand: Any, files: Any, conforms: Any) -> None:
    """Begun, looked at, completed, given up."""
    stand.answer(subjects.BEGIN_UPLOAD, messages.BeginUploadReply(upload=UPLOAD))
    stand.answer(subjects.GET_UPLOAD, messages.GetUploadReply(upload=UPLOAD))
    stand.answer(subjects.GET_PACKAGE, messages.GetPackageReply(file=FILE))
    operator = await api.as_role(Role.OPERATOR)

    begun = await api.call("POST", f"{ROOT}/uploads", token=operator, json=NEW)
    conforms(begun, ("POST", f"{ROOT}/uploads"))
    assert (begun.status, begun.headers["Location"]) == (201, f"{ROOT}/uploads/u1")
    looked = await api.call("GET", f"{ROOT}/uploads/u1", token=operator)
    conforms(looked, ("GET", ROOT + "/uploads/{upload_id}"))
    files.status = 201
    done = await api.call("POST", f"{ROOT}/uploads/u1/complete", token=operator, json={"sha256": "ab" * 32})
    conforms(done, ("POST", ROOT + "/uploads/{upload_id}/complete"))
    assert files.asked[-1][:3] == ("POST", "/internal/uploads/u1/complete", b'{"sha256":"%s"}' % (b"ab" * 32))
    assert (await api.call("DELETE", f"{ROOT}/uploads/u1", token=operator)).status == 200

    stand.answer(subjects.BEGIN_UPLOAD, messages.BeginUploadReply(file=FILE))
    known = await api.call("POST", f"{ROOT}/uploads", token=operator, json=NEW)
    assert (known.status, known.body["upload"], known.body["package"]["id"]) == (200, None, "f1")


@pytest.mark.parametrize("path", ["/names/..%2F..%2Fetc/versions", "?name=A", "/names/a/latest?platform=x&arch=y"])
async def test_wrong_names_are_422_with_their_field(api: Any, stand: Any, path: str) -> None:
    """Wherever the name stood: in a path or in a query."""

    def refuse(_request: Any) -> Any:
        error = Invalid("name is bad", details=[Problem("name", "is bad")])
        error.remote_code = "invalid_package"
        raise error

    for method in (subjects.LIST_PACKAGES, subjects.LIST_PACKAGE_VERSIONS, subjects.GET_LATEST_PACKAGE):
        stand.answer(method, refuse)

    reply = await api.call("GET", ROOT + path, token=await api.as_role(Role.VIEWER))

    assert (reply.status, reply.body["code"]) == (422, "invalid_package")
    assert reply.body["details"][0]["field"] == "name"


async def test_other_content_is_a_conflict(api: Any, stand: Any, conforms: Any) -> None:
    """409 with package-service's sentence."""

    def refuse(_request: Any) -> Any:
        public = "it exists with other content"
        raise Conflict(public)

    stand.answer(subjects.BEGIN_UPLOAD, refuse)

    reply = await api.call("POST", f"{ROOT}/uploads", token=await api.as_role(Role.OPERATOR), json=NEW)

    conforms(reply, ("POST", f"{ROOT}/uploads"))
    assert (reply.status, reply.body["detail"]) == (409, "it exists with other content")
