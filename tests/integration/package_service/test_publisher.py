"""What the world hears of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts import subjects
from fleet.events.v1 import package_pb2
from package_service.catalogue import Catalogue

from .conftest import TENANT
from .test_file_store import add

if TYPE_CHECKING:
    import asyncpg


async def test_each_change_is_said_once(pool: asyncpg.Pool) -> None:
    """In the transaction that made it; what changed nothing is not said."""
    catalogue, file = Catalogue(pool), await add(pool, "1.0.0")

    await catalogue.set_active(TENANT, file.file_id, active=True, author="ann")
    for _ in range(2):
        await catalogue.set_active(TENANT, file.file_id, active=False, author="ann")
    await catalogue.delete(TENANT, file.file_id, author="bob")

    rows = await pool.fetch("SELECT subject, payload, message_id FROM outbox ORDER BY id")
    events = [package_pb2.PackageEvent.FromString(row["payload"]) for row in rows]
    assert [row["subject"] for row in rows] == [
        subjects.package_event(what, TENANT) for what in ("deactivated", "deleted")
    ]
    assert [event.WhichOneof("what") for event in events] == ["deactivated", "deleted"]
    assert [event.author for event in events] == ["ann", "bob"]
    assert (events[0].file_id, events[0].sha256) == (str(file.file_id), file.sha256)
    assert [event.event_id for event in events] == [row["message_id"] for row in rows]
