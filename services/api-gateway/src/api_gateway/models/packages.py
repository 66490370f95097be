"""Packages: published files, uploads on their way, figures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api_gateway.models.document import Document, Query, view
from api_gateway.models.paging import SearchQuery

Sort = Literal["created_at", "-created_at", "name", "-name", "size", "-size"]
Text = Annotated[str, Field(max_length=2000)]
"""package-service says what is wrong with a name, whatever its length up to here."""


class PackageQuery(SearchQuery):
    """Which packages."""

    name: Text = ""
    """Exactly this name."""

    version: Text = ""
    """Exactly this version."""

    platform: Text = ""
    """linux, windows or darwin."""

    arch: Text = ""
    """amd64, arm64, 386, arm or any."""

    type: Text = ""
    """top_level or addon."""

    active: bool | None = None
    """Only those handed to agents, or only those not."""

    sort: Sort = "-created_at"
    """Order; newest first unless said otherwise."""


class LatestQuery(Query):
    """For which machine."""

    platform: Text
    """linux, windows or darwin."""

    arch: Text
    """amd64, arm64, 386 or arm; files for any architecture will do as well."""

    constraint: Text = ""
    """Like >=1.2.0,<2.0.0; without one any release will do, and no version before a release."""


class OffsetQuery(Query):
    """Where the bytes begin."""

    offset: Annotated[int, Field(ge=0, le=2**62)]
    """Where the upload stands; anywhere else is refused with 409."""


class NewUpload(Document):
    """A file that will come in parts."""

    name: Text
    """1 to 64 of a-z 0-9 . _ - beginning with a letter or digit."""

    version: Text
    """Semantic version, at most 64 characters."""

    platform: Text
    """linux, windows or darwin."""

    arch: Text
    """amd64, arm64, 386, arm or any."""

    size: Annotated[int, Field(ge=1, le=2**62)]
    """Bytes to come."""

    type: Text = ""
    """top_level or addon; the same for every file of a name, top_level for the first unless said otherwise."""

    description: Text = ""
    """At most 1024 characters."""

    sha256: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    """Of the file, hexadecimal, if known: then nothing is sent in vain, and what arrives is compared with it."""


class UploadEnd(Document):
    """What the sender knows of the file it sent."""

    sha256: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    """Of the whole file, hexadecimal; compared with what arrived."""


@view
class Package(TypedDict):
    """One published file: a package of one version for one platform and architecture."""

    id: str
    name: str
    version: str
    platform: str
    """linux | windows | darwin"""

    arch: str
    """amd64 | arm64 | 386 | arm | any"""

    type: str
    """top_level | addon"""

    file_size: int
    """Bytes"""

    checksum: str
    """SHA-256, hexadecimal"""

    storage_path: str
    """Key of the content in the object store."""

    description: str
    is_active: bool
    """Whether agents are given it."""

    created_by: str
    created_at: datetime | None
    updated_at: datetime | None
    downloads: int
    """Whole downloads so far."""

    damaged_at: datetime | None
    """When the stored bytes were found to be others than the published ones; nobody is given them since."""


@view
class PackagePage(TypedDict):
    """Part of a list of packages."""

    packages: list[Package]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


@view
class PackageVersions(TypedDict):
    """Every file of a name, newest version first."""

    name: str
    packages: list[Package]


@view
class PackageStatistics(TypedDict):
    """What there is."""

    packages: int
    """Names"""

    files: int
    active_files: int
    stored_bytes: int
    """Each content counted once."""

    quota_bytes: int
    downloads: int
    open_uploads: int
    damaged_files: int


@view
class Upload(TypedDict):
    """A file on its way."""

    id: str
    size: int
    offset: int
    """Bytes that are there; go on from here."""

    part_size: int
    """Send multiples of this at once, but for the last bytes: what does not fill a part is kept only at the end."""

    created_at: datetime | None
    expires_at: datetime | None
    """When it is given up unless more bytes come."""


@view
class UploadBegun(TypedDict):
    """One of both."""

    upload: Upload | None
    """Send the bytes there."""

    package: Package | None
    """This very content is published already; nothing need be sent."""


@view
class UploadOffset(TypedDict):
    """Where an upload stands."""

    id: str
    offset: int
