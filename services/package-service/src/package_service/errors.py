"""
What package-service refuses, and how it says so.

    ServiceError
    ├── Invalid
    │   ├── InvalidPackage       a name, version, platform or the file itself cannot be used; details say where
    │   └── FileTooLarge         longer than MAX_FILE_BYTES
    ├── Unauthenticated
    │   └── DownloadRefused      neither an agent's credential nor a ticket of api-gateway
    ├── Forbidden
    │   └── NotApproved          the agent is known and may not have files
    ├── NotFound
    │   ├── PackageNotFound
    │   └── UploadNotFound
    ├── Conflict
    │   ├── PackageExists        the same name, version, platform and architecture with other content
    │   ├── OffsetConflict       the upload stands at another offset
    │   ├── UploadIncomplete     completed before every byte is there
    │   ├── UploadBusy           somebody completes it at this moment
    │   ├── UploadLost           the object store has forgotten its parts: begin again
    │   └── QuotaExceeded        the tenant has as many bytes, uploads or files as it may
    ├── TooMany
    │   └── TooManyTransfers     as many transfers as this replica carries run already
    └── Unavailable
        ├── StoreAway            the object store does not answer
        ├── TicketsAway          no key for download tickets is there yet
        └── BlobDamaged          the stored bytes are not the published ones
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicekit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    TooMany,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

STORE_RETRY_SECONDS = 5.0
DAMAGED_RETRY_SECONDS = 300.0
TRANSFER_RETRY_SECONDS = 2.0


class InvalidPackage(Invalid):
    """A field or the file cannot be used."""

    code = "invalid_package"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{problems[0].field} {problems[0].message}", details=problems)


class FileTooLarge(Invalid):
    """The file is longer than a package may be."""

    code = "file_too_large"

    def __init__(self, limit: int) -> None:
        public = f"a package may have at most {limit} bytes"
        super().__init__(public, details=[Problem("file", public)])


class DownloadRefused(Unauthenticated):
    """Nobody we know asks for a file."""

    code = "download_refused"


class NotApproved(Forbidden):
    """The agent is known, and not approved."""

    code = "agent_not_approved"


class PackageNotFound(NotFound):
    """No such package, or not for this tenant."""

    code = "package_not_found"

    def __init__(self, what: str = "there is no such package") -> None:
        super().__init__(what)


class UploadNotFound(NotFound):
    """No such upload: it was never begun, or given up long ago."""

    code = "upload_not_found"

    def __init__(self) -> None:
        super().__init__("there is no such upload")


class PackageExists(Conflict):
    """What is published never changes: another content needs another version."""

    code = "package_exists"

    def __init__(self, label: str, sha256: str) -> None:
        super().__init__(
            f"{label} exists with other content, which stays as it is; publish another version",
            details=[Problem("version", f"is published with sha256 {sha256}")],
        )


class OffsetConflict(Conflict):
    """The bytes sent do not begin where the upload stands."""

    code = "offset_conflict"

    def __init__(self, offset: int) -> None:
        super().__init__(
            f"the upload stands at byte {offset}; go on from there", details=[Problem("offset", str(offset))]
        )


class UploadIncomplete(Conflict):
    """Not every byte is there."""

    code = "upload_incomplete"

    def __init__(self, offset: int, size: int) -> None:
        super().__init__(
            f"{offset} of {size} bytes are there; send the rest first", details=[Problem("offset", str(offset))]
        )


class UploadBusy(Conflict):
    """Somebody completes this upload at this moment."""

    code = "upload_busy"

    def __init__(self) -> None:
        super().__init__("the upload is being completed; ask again", retry_after_seconds=1)


class UploadLost(Conflict):
    """The object store does not know the parts any more."""

    code = "upload_lost"

    def __init__(self) -> None:
        super().__init__("the object store has lost the parts of this upload; begin again")


class QuotaExceeded(Conflict):
    """As much as a tenant may have is there."""

    code = "quota_exceeded"


class TooManyTransfers(TooMany):
    """As many transfers as this replica carries run already."""

    code = "too_many_transfers"

    def __init__(self) -> None:
        super().__init__("too many transfers run at once; try again", retry_after_seconds=TRANSFER_RETRY_SECONDS)


class StoreAway(Unavailable):
    """The object store does not answer, or refuses us."""

    code = "store_away"

    def __init__(self) -> None:
        super().__init__(
            "the store of package files does not answer; try again", retry_after_seconds=STORE_RETRY_SECONDS
        )


class BlobDamaged(Unavailable):
    """The stored bytes are not those that were published: nobody gets them."""

    code = "blob_damaged"

    def __init__(self) -> None:
        super().__init__(
            "the stored file is damaged; an operator has to restore it", retry_after_seconds=DAMAGED_RETRY_SECONDS
        )


class TicketsAway(Unavailable):
    """No key for download tickets is there: only for a moment, at the start."""

    code = "tickets_away"

    def __init__(self) -> None:
        super().__init__("download tickets cannot be made yet; try again", retry_after_seconds=STORE_RETRY_SECONDS)
