"""The connection history: rows opened and closed in sets, read newest first, kept as long as settings say."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from agent_state.connections import Connection, merge_late, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from agent_state.connections import Plan
    from servicekit.postgres import Connection as Db

_COLUMNS = """tenant_id, agent_uid, connected_at, epoch, disconnected_at, disconnect_reason, closed_by,
  gateway_id, remote_address, transport, implied"""

_OPEN = f"""
INSERT INTO agent_connection ({_COLUMNS})
SELECT * FROM unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::bigint[], $5::timestamptz[], $6::text[],
  $7::smallint[], $8::text[], $9::text[], $10::smallint[], $11::boolean[])
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants
_CLOSE = """
UPDATE agent_connection c
SET disconnected_at = i.disconnected_at, disconnect_reason = i.reason, closed_by = i.closed_by, updated_at = now()
FROM unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::bigint[], $5::timestamptz[], $6::text[],
  $7::smallint[]) AS i (tenant_id, agent_uid, connected_at, epoch, disconnected_at, reason, closed_by)
WHERE c.tenant_id = i.tenant_id AND c.agent_uid = i.agent_uid AND c.connected_at = i.connected_at
  AND c.epoch = i.epoch AND c.closed_by < i.closed_by
"""
_REOPEN = """
UPDATE agent_connection c
SET disconnected_at = NULL, disconnect_reason = '', closed_by = 0, updated_at = now()
FROM unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::bigint[])
  AS i (tenant_id, agent_uid, connected_at, epoch)
WHERE c.tenant_id = i.tenant_id AND c.agent_uid = i.agent_uid AND c.connected_at = i.connected_at
  AND c.epoch = i.epoch AND c.closed_by = 1
"""
_HISTORIES = f"""
SELECT {_COLUMNS} FROM agent_connection
WHERE (tenant_id, agent_uid) IN (SELECT * FROM unnest($1::text[], $2::bytea[]))
"""  # noqa: S608 - constants
_REMOVE = """
DELETE FROM agent_connection c
USING unnest($1::text[], $2::bytea[], $3::timestamptz[], $4::bigint[])
  AS i (tenant_id, agent_uid, connected_at, epoch)
WHERE c.tenant_id = i.tenant_id AND c.agent_uid = i.agent_uid AND c.connected_at = i.connected_at
  AND c.epoch = i.epoch
"""


class ConnectionStore:
    """Writes the history. Every method runs inside the caller's transaction."""

    async def carry_out(self, connection: Db, plan: Plan) -> None:
        """Insert, close, and merge what came late."""
        await self._open(connection, plan.openings)
        if plan.closings:
            columns = zip(
                *(
                    (c.tenant_id, c.uid, c.connected_at, c.epoch, c.disconnected_at, c.reason, c.closed_by)
                    for c in plan.closings
                ),
                strict=True,
            )
            await connection.execute(_CLOSE, *map(list, columns))
        if plan.late:
            await self._merge_late(connection, plan.late)

    async def reopen(self, connection: Db, rows: Sequence[asyncpg.Record]) -> None:
        """Take back a close that was only inferred; rows have tenant_id, agent_uid, last_connected_at, epoch."""
        if rows:
            keys = zip(
                *((r["tenant_id"], r["agent_uid"], r["last_connected_at"], r["epoch"]) for r in rows),
                strict=True,
            )
            await connection.execute(_REOPEN, *map(list, keys))

    async def _open(self, connection: Db, rows: Sequence[Connection]) -> None:
        if not rows:
            return
        columns = zip(
            *(
                (
                    row.tenant_id,
                    row.uid,
                    row.connected_at,
                    row.epoch,
                    row.disconnected_at,
                    row.reason,
                    row.closed_by,
                    row.gateway_id,
                    row.remote_address,
                    row.transport,
                    row.implied,
                )
                for row in rows
            ),
            strict=True,
        )
        await connection.execute(_OPEN, *map(list, columns))

    async def _merge_late(self, connection: Db, late: Sequence[Connection]) -> None:
        """Read the histories concerned, set them right, write what differs; rare, so plain."""
        agents = sorted({(row.tenant_id, row.uid) for row in late})
        rows = await connection.fetch(_HISTORIES, *map(list, zip(*agents, strict=True)))
        stored: dict[tuple[str, bytes], dict[int, Connection]] = defaultdict(dict)
        for record in rows:
            stored[record["tenant_id"], record["agent_uid"]][record["epoch"]] = Connection(*record.values())
        right = {agent: dict(stored[agent]) for agent in agents}
        for row in late:
            history = right[row.tenant_id, row.uid]
            history[row.epoch] = merge_late(row, history.get(row.epoch))
        for history in right.values():
            for _, settled in settle(history.values()):
                history[settled.epoch] = settled
        wrong, wanted = [], []
        for agent, history in right.items():
            for epoch, row in history.items():
                before = stored[agent].get(epoch)
                if before == row:
                    continue
                wanted.append(row)
                if before is not None:
                    wrong.append(before)
        if wrong:
            keys = zip(*((r.tenant_id, r.uid, r.connected_at, r.epoch) for r in wrong), strict=True)
            await connection.execute(_REMOVE, *map(list, keys))
        await self._open(connection, wanted)
