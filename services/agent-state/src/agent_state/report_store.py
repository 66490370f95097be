"""What agents report of themselves, kept as they said it: one narrow table per kind, one fence per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent_state import metrics
from agent_state.agent import identify, stamped_with
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from google.protobuf.message import Message

    from agent_state.agent import Identity
    from agent_state.folding import AgentDelta, Fence, Key
    from servicekit.postgres import Connection as Db

REPORT_TABLES: Final = {
    "health": "agent_health",
    "custom_capabilities": "agent_custom_capabilities",
    "package_statuses": "agent_package_statuses",
    "connection_settings_status": "agent_connection_settings_status",
}
"""Attribute of AgentDelta to table."""

_RECORD = """
INSERT INTO {table} AS t (tenant_id, agent_uid, epoch, sequence, report)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[])
ON CONFLICT (tenant_id, agent_uid) DO UPDATE
SET epoch = excluded.epoch, sequence = excluded.sequence, report = excluded.report, reported_at = now()
WHERE (excluded.epoch, excluded.sequence) > (t.epoch, t.sequence)
"""
_DESCRIBE = """
INSERT INTO agent_description AS t (tenant_id, agent_uid, epoch, sequence, labels, report)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::bytea[])
ON CONFLICT (tenant_id, agent_uid) DO UPDATE
SET epoch = excluded.epoch, sequence = excluded.sequence, labels = excluded.labels,
    report = excluded.report, reported_at = now()
WHERE (excluded.epoch, excluded.sequence) > (t.epoch, t.sequence)
RETURNING new.tenant_id, new.agent_uid, old.report IS DISTINCT FROM new.report AS changed
"""
_DESCRIPTIONS = """
SELECT t.tenant_id, t.agent_uid, t.report FROM agent_description t
JOIN unnest($1::text[], $2::bytea[]) AS i (tenant_id, agent_uid)
  ON t.tenant_id = i.tenant_id AND t.agent_uid = i.agent_uid
"""
_RELABEL = """
UPDATE agent_description t SET labels = i.labels
FROM unnest($1::text[], $2::bytea[], $3::jsonb[]) AS i (tenant_id, agent_uid, labels)
WHERE t.tenant_id = i.tenant_id AND t.agent_uid = i.agent_uid AND t.labels <> i.labels
RETURNING t.tenant_id, t.agent_uid
"""


@dataclass(frozen=True, slots=True)
class _Report:
    key: Key
    fence: Fence
    payload: bytes


class ReportStore:
    """
    Writes reports. Every method runs inside the caller's transaction.

    Args:
        max_bytes: Larger reports are left out and counted.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    async def record(self, connection: Db, deltas: Sequence[AgentDelta]) -> None:
        """Keep the newest report of each kind; a late one never overwrites a newer one."""
        for kind, table in REPORT_TABLES.items():
            reports = list(self._reports(kind, deltas))
            if reports:
                await connection.execute(_RECORD.format(table=table), *_columns(reports))

    async def describe(self, connection: Db, deltas: Sequence[AgentDelta], identities: dict[Key, Identity]) -> set[Key]:
        """Keep the newest description of each agent; return whose description is not what it was."""
        reports = list(self._reports("description", deltas))
        if not reports:
            return set()
        tenants, uids, epochs, sequences, payloads = _columns(reports)
        labels = [identities[report.key].labels for report in reports]
        rows = await connection.fetch(_DESCRIBE, tenants, uids, epochs, sequences, labels, payloads)
        return {(row["tenant_id"], row["agent_uid"]) for row in rows if row["changed"]}

    async def restamp(self, connection: Db, stamps: Mapping[Key, Mapping[str, str] | None]) -> dict[Key, Identity]:
        """
        Put other stamped labels on agents whose description stands; rare, so it is read anew from the report.

        Returns:
            What agents are now whose labels are not what they were.
        """
        tenants, uids = zip(*stamps, strict=True)
        rows = await connection.fetch(_DESCRIPTIONS, list(tenants), list(uids))
        found = {
            (row["tenant_id"], row["agent_uid"]): identify(opamp.AgentDescription.FromString(row["report"]))
            for row in rows
        }
        found = {key: stamped_with(identity, stamps[key]) for key, identity in found.items()}
        if not found:
            return {}
        changed = await connection.fetch(
            _RELABEL,
            [tenant_id for tenant_id, _ in found],
            [uid for _, uid in found],
            [identity.labels for identity in found.values()],
        )
        keys = {(row["tenant_id"], row["agent_uid"]) for row in changed}
        return {key: identity for key, identity in found.items() if key in keys}

    def _reports(self, kind: str, deltas: Iterable[AgentDelta]) -> Iterable[_Report]:
        for delta in deltas:
            said: Message | None = getattr(delta, kind)
            if said is None:
                continue
            fence: Fence = getattr(delta, f"{kind}_fence")
            payload = said.SerializeToString(deterministic=True)
            if len(payload) > self._max_bytes:
                metrics.REPORTS_REFUSED.labels(kind).inc()
                continue
            yield _Report(delta.key, fence, payload)


def _columns(reports: Sequence[_Report]) -> list[list[object]]:
    rows = ((report.key[0], report.key[1], *report.fence, report.payload) for report in reports)
    return [list(column) for column in zip(*rows, strict=True)]
