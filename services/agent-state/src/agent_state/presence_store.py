"""Signs of life in the database: leases, last-seen times, who is lost and who is back. Database time only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.events.v1 import facts_pb2 as facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import asyncpg

    from servicekit.postgres import Connection as Db

LOST_BATCH = 2_000

_RENEW = """
INSERT INTO gateway_lease AS l (gateway_id, expires_at, connections)
SELECT i.gateway_id, CASE WHEN i.leaving THEN now() ELSE now() + make_interval(secs => $4) END, i.connections
FROM unnest($1::text[], $2::boolean[], $3::bigint[]) AS i (gateway_id, leaving, connections)
ORDER BY i.gateway_id
ON CONFLICT (gateway_id) DO UPDATE SET expires_at = excluded.expires_at, connections = excluded.connections
"""
_INPUT = """unnest($1::text[], $2::bytea[], $3::bigint[], $4::text[])
  AS i (tenant_id, agent_uid, epoch, gateway_id)"""
_HEARD = f"""
UPDATE agent_presence p SET last_seen_at = now(), gateway_id = i.gateway_id
FROM {_INPUT}
WHERE p.tenant_id = i.tenant_id AND p.agent_uid = i.agent_uid AND p.epoch = i.epoch
"""  # noqa: S608 - constants
_REVIVE = f"""
WITH back AS (
  SELECT a.tenant_id, a.agent_uid, i.gateway_id
  FROM {_INPUT} JOIN agent a ON a.tenant_id = i.tenant_id AND a.agent_uid = i.agent_uid AND a.epoch = i.epoch
  WHERE a.lost_epoch = a.epoch AND a.closed_epoch < a.epoch
  FOR UPDATE OF a SKIP LOCKED
)
UPDATE agent a SET lost_epoch = 0, updated_at = now()
FROM back WHERE a.tenant_id = back.tenant_id AND a.agent_uid = back.agent_uid
RETURNING a.tenant_id, a.agent_uid, a.epoch, a.sequence, a.last_connected_at, a.transport, back.gateway_id,
  old.status AS old_status, new.status, now() AS now
"""  # noqa: S608 - constants
_UNMATCHED = f"""
SELECT i.tenant_id, i.agent_uid, i.epoch, i.gateway_id, coalesce(t.epoch, 0) >= i.epoch AS buried
FROM {_INPUT}
LEFT JOIN agent_presence p ON p.tenant_id = i.tenant_id AND p.agent_uid = i.agent_uid
LEFT JOIN agent_tombstone t ON t.tenant_id = i.tenant_id AND t.agent_uid = i.agent_uid
WHERE p.epoch IS NULL OR p.epoch < i.epoch
"""  # noqa: S608 - constants
_EXPIRED = "SELECT gateway_id FROM gateway_lease WHERE expires_at <= now() AND NOT gateway_id = ANY ($1::text[])"
_FORGET_LEASES = "DELETE FROM gateway_lease WHERE expires_at < now() - make_interval(secs => $1)"
_SILENT = """
SELECT count(*) FROM agent_presence p JOIN agent a ON a.tenant_id = p.tenant_id AND a.agent_uid = p.agent_uid
WHERE p.last_seen_at < now() - make_interval(secs => $1) AND a.link = 'connected'
"""
_CONNECTED = "SELECT count(*) FROM agent WHERE link = 'connected'"
# Both rows are locked: a sign of life being written at this moment keeps its agent out of the set. A gateway takes
# only WebSocket agents with it: one that polls asks another gateway next time, and only its silence says it is gone.
_LOSE = """
WITH gone AS (
  SELECT a.tenant_id, a.agent_uid
  FROM agent a JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid
  WHERE a.link = 'connected' AND p.last_seen_at < now() - make_interval(secs => $1)
    AND ($2::text[] IS NULL OR (p.gateway_id = ANY ($2) AND a.transport = $5))
  LIMIT $4 FOR UPDATE SKIP LOCKED
)
UPDATE agent a
SET lost_epoch = a.epoch, last_disconnected_at = now(), disconnect_reason = $3, updated_at = now()
FROM gone WHERE a.tenant_id = gone.tenant_id AND a.agent_uid = gone.agent_uid
RETURNING a.tenant_id, a.agent_uid, a.epoch, a.sequence, a.last_connected_at, old.status AS old_status, now() AS now
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """One agent a gateway named."""

    tenant_id: str
    uid: bytes
    epoch: int
    gateway_id: str


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An agent a gateway names on a connection we know nothing of."""

    heard: Heard
    buried: bool
    """It was deleted, and its gateway has not closed it."""


class PresenceStore:
    """Reads and writes signs of life; methods taking a connection run inside the caller's transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def renew(self, beats: Sequence[tuple[str, bool, int]], lease_seconds: float) -> None:
        """Renew the leases of (gateway, leaving, connections); a gateway that leaves ends its own."""
        if beats:
            columns = map(list, zip(*beats, strict=True))
            await self._pool.execute(_RENEW, *columns, lease_seconds)

    async def heard(self, connection: Db, entries: Sequence[Heard]) -> int:
        """Note that these agents were heard from now; return how many of them are known by that epoch."""
        done = await connection.execute(_HEARD, *_columns(entries))
        return int(done.rsplit(" ", 1)[1])

    async def revive(self, connection: Db, entries: Sequence[Heard]) -> Sequence[asyncpg.Record]:
        """Take back the loss of agents heard from on the very connection given up for lost."""
        return await connection.fetch(_REVIVE, *_columns(entries))

    async def unmatched(self, entries: Sequence[Heard]) -> list[Unmatched]:
        """Tell which of these agents are on connections newer than any we know."""
        rows = await self._pool.fetch(_UNMATCHED, *_columns(entries))
        return [
            Unmatched(Heard(row["tenant_id"], row["agent_uid"], row["epoch"], row["gateway_id"]), row["buried"])
            for row in rows
        ]

    async def expired_gateways(self, heard_here: Sequence[str]) -> list[str]:
        """Tell whose lease has run out, except gateways this process heard itself."""
        return [row["gateway_id"] for row in await self._pool.fetch(_EXPIRED, list(heard_here))]

    async def forget_leases(self, older_than_seconds: float) -> None:
        """Remove leases that ran out long ago."""
        await self._pool.execute(_FORGET_LEASES, older_than_seconds)

    async def silent(self, threshold_seconds: float) -> int:
        """Count connected agents silent for longer than the threshold."""
        found: int = await self._pool.fetchval(_SILENT, threshold_seconds)
        return found

    async def connected(self) -> int:
        """Count connected agents."""
        found: int = await self._pool.fetchval(_CONNECTED)
        return found

    async def lose(
        self, connection: Db, threshold_seconds: float, reason: str, gateways: Sequence[str] | None
    ) -> Sequence[asyncpg.Record]:
        """
        Give up at most LOST_BATCH silent agents; return their rows.

        Args:
            connection: Inside a transaction.

            threshold_seconds: Who was heard from within this time is left alone.

            reason: Why, for the history.

            gateways: Only agents with a WebSocket to one of these; None for everyone.
        """
        wanted = None if gateways is None else list(gateways)
        return await connection.fetch(_LOSE, threshold_seconds, wanted, reason, LOST_BATCH, facts.TRANSPORT_WEBSOCKET)


def lasted_seconds(began_at: datetime, ended_at: datetime) -> float:
    """Tell how long a connection lasted; clocks of gateway and database may disagree a little."""
    return max(0.0, (ended_at - began_at).total_seconds())


def _columns(entries: Sequence[Heard]) -> list[list[object]]:
    return [
        [entry.tenant_id for entry in entries],
        [entry.uid for entry in entries],
        [entry.epoch for entry in entries],
        [entry.gateway_id for entry in entries],
    ]
