"""
What package-service refuses, and how it says so.

    ServiceError
    ├── Invalid
    │   ├── InvalidPackage       a name, version, platform or the file itself cannot be used; details say where
    │   ├── FileTooLarge         longer than MAX_FILE_BYTES
    │   └── InvalidCampaign      a campaign cannot be run as it is written; details say where
    ├── Unauthenticated
    │   └── DownloadRefused      neither an agent's credential nor a ticket of api-gateway
    ├── Forbidden
    │   ├── NotApproved          the agent is known and may not have files
    │   └── FileNotSigned        agents get no file that no key that counts has signed
    ├── NotFound
    │   ├── PackageNotFound
    │   ├── UploadNotFound
    │   ├── CampaignNotFound
    │   ├── SignatureNotFound
    │   ├── KeyNotFound
    │   ├── ManifestNotFound     nobody has published one of that channel
    │   ├── AssignmentNotFound
    │   └── AgentPackageNotFound the agent should not have such a package
    ├── Conflict
    │   ├── PackageExists        the same name, version, platform and architecture with other content
    │   ├── OffsetConflict       the upload stands at another offset
    │   ├── UploadIncomplete     completed before every byte is there
    │   ├── UploadBusy           somebody completes it at this moment
    │   ├── UploadLost           the object store has forgotten its parts: begin again
    │   ├── QuotaExceeded        the tenant has as many bytes, uploads, files, signatures or keys as it may
    │   ├── NoSigningKey         the platform is asked to sign and has no key
    │   ├── KeyRevoked           the key counted once, and was revoked
    │   ├── CampaignState        that cannot be done with a campaign in this state
    │   ├── AssignmentBusy       a campaign of the assignment lives
    │   ├── AssignmentFloats     the assignment pins no exact version, so there is none to go back to
    │   ├── AssignmentExists     another package assignment has that name
    │   ├── NothingToRetry       nothing of the package failed on the agent
    │   └── PackageInUse         agents or assignments need the file; details name them
    ├── PreconditionFailed
    │   ├── CampaignChanged      another revision is current
    │   └── AssignmentChanged    another revision of the package assignment is current
    ├── TooMany
    │   └── TooManyTransfers     as many transfers as this replica carries run already
    └── Unavailable
        ├── StoreAway            the object store does not answer
        ├── TicketsAway          no key for download tickets is there yet
        ├── BlobDoubted          the object store does not give the bytes that were published
        └── BlobDamaged          they were read again, and are others
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicekit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Problem,
    TooMany,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

STORE_RETRY_SECONDS = 5.0
DOUBTED_RETRY_SECONDS = 30.0
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


class FileNotSigned(Forbidden):
    """Signatures are required, and no key that counts has signed the file (any more): no agent gets it."""

    code = "package_not_signed"

    def __init__(self) -> None:
        super().__init__("no key that counts has signed this file; agents do not get it before one has")


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


class BlobDoubted(Unavailable):
    """The store gave nothing, another length or other bytes: perhaps for a moment only, so it is looked into."""

    code = "blob_doubted"

    def __init__(self) -> None:
        super().__init__(
            "the store does not give this file as it was published; it is being looked into, try again",
            retry_after_seconds=DOUBTED_RETRY_SECONDS,
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


class SignatureNotFound(NotFound):
    """No such signature of this file."""

    code = "signature_not_found"

    def __init__(self) -> None:
        super().__init__("there is no such signature of this file")


class KeyNotFound(NotFound):
    """No such key."""

    code = "package_key_not_found"

    def __init__(self) -> None:
        super().__init__("there is no such key")


class ManifestNotFound(NotFound):
    """Nobody has published a manifest of this channel."""

    code = "manifest_not_found"

    def __init__(self, channel: str) -> None:
        super().__init__(f"nobody has published a manifest of channel {channel}")


class NoSigningKey(Conflict):
    """The platform cannot sign: it was given no key."""

    code = "no_signing_key"

    def __init__(self) -> None:
        super().__init__("the platform has no signing key; set PACKAGE_SERVICE_SIGNING_KEY_FILE, or sign elsewhere")


class KeyRevoked(Conflict):
    """The key was revoked; that is for ever."""

    code = "package_key_revoked"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the key {key_id} was revoked; use another one")


class InvalidCampaign(Invalid):
    """A campaign cannot be run as it is written."""

    code = "invalid_campaign"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{problems[0].field} {problems[0].message}", details=problems)


class CampaignNotFound(NotFound):
    """No such campaign."""

    code = "campaign_not_found"

    def __init__(self) -> None:
        super().__init__("there is no such campaign")


class CampaignState(Conflict):
    """What somebody wants cannot be done with a campaign in this state."""

    code = "campaign_state"

    def __init__(self, deed: str, state: str) -> None:
        super().__init__(f"a campaign that is {state} cannot be {deed}", details=[Problem("state", f"is {state}")])


class AssignmentBusy(Conflict):
    """A campaign of the assignment lives: nobody else moves its agents, or the ground from under them."""

    code = "assignment_busy"

    def __init__(self, campaign: str) -> None:
        super().__init__(
            f"the campaign {campaign} moves the agents of this assignment, which stays as it is meanwhile; to stop it "
            "at once pause the campaign, to undo it abort it, then change the assignment",
            details=[Problem("campaign", f"{campaign} lives")],
        )


class AssignmentFloats(Conflict):
    """The assignment follows what is published; a campaign needs a version to go back to."""

    code = "assignment_floats"

    def __init__(self, version: str) -> None:
        super().__init__(f"the assignment's version is {version}; pin an exact one first, the one agents have now")


class CampaignChanged(PreconditionFailed):
    """Somebody else was faster."""

    code = "campaign_changed"

    def __init__(self, revision: int) -> None:
        super().__init__(
            f"the campaign changed since you read it; its current revision is {revision}",
            details=[Problem("revision", str(revision))],
        )


class AssignmentNotFound(NotFound):
    """No such assignment."""

    code = "package_assignment_not_found"

    def __init__(self) -> None:
        super().__init__("there is no such package assignment")


class AgentPackageNotFound(NotFound):
    """The agent should not have such a package."""

    code = "agent_package_not_found"

    def __init__(self, package: str) -> None:
        super().__init__(f"no assignment gives the agent a package {package}")


class AssignmentExists(Conflict):
    """Another assignment has that name."""

    code = "package_assignment_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a package assignment {name}", details=[Problem("name", "is taken")])


class NothingToRetry(Conflict):
    """Nothing of the package failed on the agent."""

    code = "nothing_to_retry"

    def __init__(self, package: str, state: str) -> None:
        super().__init__(f"{package} is {state} on this agent and nothing of it has failed: there is nothing to retry")


class PackageInUse(Conflict):
    """Agents or assignments need the file."""

    code = "package_in_use"

    def __init__(self, label: str, users: Sequence[Problem]) -> None:
        super().__init__(f"{label} is offered; change or remove what needs it first", details=users)


class AssignmentChanged(PreconditionFailed):
    """Somebody changed the assignment meanwhile."""

    code = "package_assignment_changed"

    def __init__(self, revision: int) -> None:
        super().__init__(f"the package assignment is at revision {revision}; look at it again")
