"""Questions to package-service."""

from __future__ import annotations

from typing import Any

import pytest

from api_gateway.errors import BodyTooLarge, Unprocessable
from api_gateway.models.packages import LatestQuery, NewUpload, PackageQuery
from api_gateway.upstream.package_service import PackageService
from servicekit.errors import Invalid, Problem


async def test_each_question_names_its_tenant(caller: Any) -> None:
    """Nobody reads another tenant's packages."""
    bus = caller(0)
    packages = PackageService(bus, 5)
    upload = NewUpload(name="c", version="1.0.0", platform="linux", arch="amd64", size=3, sha256="00" * 32)

    await packages.list_packages("t", PackageQuery(active=False, sort="name"))
    await packages.get("t", "f1")
    await packages.set_active("t", "f1", "jo", active=True)
    await packages.delete("t", "f1", "jo")
    await packages.list_versions("t", "c")
    await packages.latest("t", "c", LatestQuery(platform="linux", arch="amd64"))
    await packages.statistics("t")
    await packages.begin_upload("t", upload, "jo")
    await packages.get_upload("t", "u1")
    await packages.give_up_upload("t", "u1")

    assert {request.tenant_id for request in bus.requests} == {"t"}
    listed, begun = bus.requests[0], bus.requests[7]
    assert (listed.HasField("active"), listed.active, listed.sort, listed.descending) == (True, False, "name", False)
    assert (begun.size, begun.sha256, begun.author) == (3, bytes(32), "jo")


@pytest.mark.parametrize(
    ("code", "kind"), [("invalid_package", Unprocessable), ("file_too_large", BodyTooLarge), ("invalid", Invalid)]
)
async def test_refused_names_are_unprocessable(code: str, kind: type[Invalid]) -> None:
    """What package-service says of names and files keeps its code and fields, and becomes 422 or 413."""

    class Refusing:
        async def call(self, *_: Any, **__: Any) -> Any:
            error = Invalid("no", details=[Problem("name", "no")])
            error.remote_code = code
            raise error

    with pytest.raises(kind) as caught:
        await PackageService(Refusing(), 5).get("t", "f1")

    assert type(caught.value) is kind
    assert caught.value.stable_code == code
    assert caught.value.details[0].field == "name"
