"""What every question is checked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleet.api.v1 import package_service_pb2 as api
from package_service.requests import MAX_TEXT, check_request
from servicekit.errors import Invalid

if TYPE_CHECKING:
    from google.protobuf.message import Message


def test_plain_question_passes() -> None:
    """Names and versions are left to what checks them."""
    check_request(api.ListPackagesRequest(tenant_id="default", name="x" * 5000, search="collector"))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (api.ListPackagesRequest(), "tenant_id"),
        (api.ListPackagesRequest(tenant_id="A/b"), "tenant_id"),
        (api.ListPackagesRequest(tenant_id="default", search="a" * (MAX_TEXT + 1)), "search"),
        (api.DeletePackageRequest(tenant_id="default", author="a\x00b"), "author"),
    ],
)
def test_what_cannot_be_stored_is_refused(request_: Message, field: str) -> None:
    """With its field."""
    with pytest.raises(Invalid) as caught:
        check_request(request_)

    assert caught.value.details[0].field == field
