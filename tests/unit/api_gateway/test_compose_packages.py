"""Packages as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import packages as compose
from api_gateway.models import packages as views
from fleet.api.v1 import package_service_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

Conforms = Callable[[Any, Any], None]
FILE = messages.PackageFile(
    id="f1",
    name="collector",
    version="1.2.0",
    platform="linux",
    arch="amd64",
    type="top_level",
    size=10,
    sha256=bytes(32),
    active=True,
    created_at=Timestamp(seconds=1),
    updated_at=Timestamp(seconds=2),
)


def test_file_has_the_names_clients_know(conforms: Conforms) -> None:
    """The original's fields, the hash as hexadecimal digits; never damaged is null."""
    view = compose.package_view(FILE)

    conforms(views.Package, view)
    assert (view["file_size"], view["checksum"], view["is_active"]) == (10, "00" * 32, True)
    assert (view["storage_path"], view["damaged_at"]) == (f"sha256/{'00' * 32}", None)


def test_page_points_at_the_next(conforms: Conforms) -> None:
    """Empty cursors are null."""
    reply = messages.ListPackagesReply(files=[FILE], page=PageReply(total=3, next_cursor="c"))
    first = compose.package_page_view(reply, limit=1, offset=0)
    reply.page.next_cursor = ""
    last = compose.package_page_view(reply, limit=1, offset=2)

    conforms(views.PackagePage, first)
    assert (first["next_cursor"], last["next_cursor"], first["total"]) == ("c", None, 3)


def test_begun_upload_is_one_of_both(conforms: Conforms) -> None:
    """An upload to send to, or the package that is there already."""
    upload = messages.Upload(id="u1", size=10, offset=0, part_size=5, created_at=Timestamp(seconds=1))
    sent = compose.begun_view(messages.BeginUploadReply(upload=upload))
    known = compose.begun_view(messages.BeginUploadReply(file=FILE))

    conforms(views.UploadBegun, sent)
    conforms(views.UploadBegun, known)
    assert sent["package"] is None
    assert known["upload"] is None


def test_versions_and_figures(conforms: Conforms) -> None:
    """Lists of a name, and counts."""
    versions = compose.versions_view("collector", messages.ListPackageVersionsReply(files=[FILE, FILE]))
    figures = compose.statistics_view(messages.GetPackageStatisticsReply(files=2, quota_bytes=7))

    conforms(views.PackageVersions, versions)
    conforms(views.PackageStatistics, figures)
    assert (len(versions["packages"]), figures["quota_bytes"]) == (2, 7)
