"""What package-service says to the rest of the world, through the outbox: after commit, at least once, in order."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts import subjects
from fleet.events.v1 import package_pb2
from servicekit import outbox
from servicekit.outbox import OutboxEvent

if TYPE_CHECKING:
    from package_service.file_store import File
    from servicekit.postgres import Connection

_NANOSECONDS = 1_000_000_000


async def say_package(connection: Connection, what: str, file: File, author: str = "") -> None:
    """Write one event about a file; *what* is published, activated, deactivated, deleted or damaged."""
    event = package_pb2.PackageEvent(
        event_id=str(uuid.uuid4()),
        tenant_id=file.tenant_id,
        file_id=str(file.file_id),
        name=file.name,
        version=file.version,
        platform=file.platform,
        arch=file.arch,
        sha256=file.sha256,
        size=file.size,
        author=author,
        time_unix_nano=int(datetime.now(UTC).timestamp() * _NANOSECONDS),
    )
    getattr(event, what).SetInParent()
    subject = subjects.package_event(what, file.tenant_id)
    await outbox.add(connection, [OutboxEvent(subject, event.SerializeToString(), event.event_id)])
