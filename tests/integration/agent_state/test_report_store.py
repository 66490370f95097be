from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state import metrics
from agent_state.report_store import REPORT_TABLES, ReportStore
from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2
from world.facts import batch, connected, described, fact, health, uid_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

UID = uid_of(1)


async def test_every_kind_of_report_is_kept(pool: asyncpg.Pool, apply: Applier) -> None:
    """What came in one batch is found in its table, as it was said."""
    statuses = opamp_pb2.PackageStatuses(error_message="no")
    settings = opamp_pb2.ConnectionSettingsStatus(error_message="bad")
    custom = opamp_pb2.CustomCapabilities(capabilities=["io.x/1"])
    await apply(
        batch(
            connected(UID, 5),
            health(UID, 5, 2),
            fact(UID, 5, 4, package_statuses_reported=facts.PackageStatusesReported(statuses=statuses)),
            fact(
                UID, 5, 5, connection_settings_status_reported=facts.ConnectionSettingsStatusReported(status=settings)
            ),
            fact(UID, 5, 6, described=facts.Described(custom_capabilities=custom)),
        )
    )

    for table in REPORT_TABLES.values():
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 1, table  # noqa: S608 - a constant
    assert await pool.fetchval("SELECT report FROM agent_package_statuses") == statuses.SerializeToString()


async def test_oversize_reports_are_counted_not_kept(pool: asyncpg.Pool, apply: Applier) -> None:
    """One agent cannot fill the disk with its health."""
    refused = metrics.REPORTS_REFUSED.labels("health")._value.get()
    apply.consumer._reports = ReportStore(1024)

    await apply(batch(connected(UID, 5), health(UID, 5, 2, "x" * 2000)))

    assert await pool.fetchval("SELECT count(*) FROM agent_health") == 0
    assert await pool.fetchval("SELECT status FROM agent") == "error"
    assert metrics.REPORTS_REFUSED.labels("health")._value.get() == refused + 1


async def test_repeated_description_is_no_news(pool: asyncpg.Pool, apply: Applier) -> None:
    """The world hears of a description when it differs, not when it is told again."""
    await apply(batch(connected(UID, 5), described(UID, 5, 2)))
    await apply(batch(described(UID, 5, 3)))
    await apply(batch(described(UID, 5, 4, {"service.name": "other"})))

    count = await pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%described%'")
    assert count == 2
