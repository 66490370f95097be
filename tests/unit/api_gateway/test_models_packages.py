"""What may be said about packages; names and versions are package-service's to judge."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.models.packages import NewUpload, OffsetQuery, PackageQuery, UploadEnd

UPLOAD: dict[str, Any] = {"name": "c", "version": "1.0.0", "platform": "linux", "arch": "amd64", "size": 1}


@pytest.mark.parametrize(
    "fault", [{"size": 0}, {"size": "many"}, {"sha256": "abc"}, {"name": "n" * 2001}, {"owner": "me"}]
)
def test_uploads_that_cannot_be(fault: dict[str, Any]) -> None:
    """No bytes, a hash that is none, a name beyond reading, a field nobody knows."""
    with pytest.raises(ValidationError):
        NewUpload.model_validate({**UPLOAD, **fault})


def test_hash_may_be_left_out() -> None:
    """Whoever does not know it sends none."""
    assert NewUpload.model_validate(UPLOAD).sha256 == ""
    assert UploadEnd().sha256 == ""


def test_queries_have_bounds() -> None:
    """Newest first unless said otherwise; an offset is never negative."""
    assert PackageQuery().sort == "-created_at"
    with pytest.raises(ValidationError):
        PackageQuery.model_validate({"sort": "owner"})
    with pytest.raises(ValidationError):
        OffsetQuery.model_validate({"offset": -1})
