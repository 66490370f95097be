"""Agents and what they should run, in the database: the only place with SQL about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config_service import attempt_store
from config_service.attempt import AttemptStatus, Cause
from config_service.selector import Reason
from config_service.target import ACCEPTS_REMOTE_CONFIG, HASH_BYTES, Attempt, Desired, Reported, Target, replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from servicekit.postgres import Connection

_LOCK = """
SELECT uid FROM agent_target WHERE tenant_id = $1 AND uid = ANY ($2::bytea[]) ORDER BY uid FOR UPDATE
"""

_LOAD = """
SELECT t.*, coalesce(s.name, '') AS assigned_name, a.config_hash AS attempt_hash, a.attempt AS attempt_number,
    a.name AS attempt_name, a.version AS attempt_version, a.status AS attempt_status, a.error AS attempt_error,
    a.cause AS attempt_cause, a.requested_by, a.confirmed, a.offered_at, a.applied_at
FROM agent_target t
LEFT JOIN attempt a ON a.tenant_id = t.tenant_id AND a.attempt_id = t.attempt_id
LEFT JOIN assignment s ON s.tenant_id = t.tenant_id AND s.uid = t.uid
WHERE t.tenant_id = $1 AND t.uid = ANY ($2::bytea[])
"""

# Every agent whose answer may change when this configuration does: it has it, is assigned to it, matches it now,
# or (for the fallback) has nothing.
_AFFECTED = """
SELECT t.uid FROM agent_target t
WHERE t.tenant_id = $1 AND (
    t.desired_name = $2
    OR ($3::jsonb <> '{}'::jsonb AND t.labels @> $3::jsonb)
    OR ($4 AND t.desired_name = '')
    OR EXISTS (SELECT 1 FROM assignment s WHERE s.tenant_id = t.tenant_id AND s.uid = t.uid AND s.name = $2))
ORDER BY t.uid
"""

_DESIRING = "SELECT uid FROM agent_target WHERE tenant_id = $1 AND desired_name = $2 AND connected ORDER BY uid"

_DUE = """
SELECT tenant_id, uid FROM agent_target WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT $1
"""

# Level-triggered: whatever was heard or lost, an agent that is there and does not run what it should is due,
# unless something is waited for already or a person is.
_LEVEL = f"""
UPDATE agent_target t SET due_at = clock_timestamp()
WHERE due_at IS NULL AND connected AND desired_name <> '' AND capabilities & {ACCEPTS_REMOTE_CONFIG} <> 0
  AND state IN ('pending', 'offered', 'applying', 'timed_out')
  AND NOT (state = 'offered' AND delivered_epoch = epoch)
  AND position(desired_hash IN failed_hashes) = 0
"""  # noqa: S608 - a number

# After an outage of the bus: what was recorded as offered may never have been heard; repeats begin anew.
_UNHEARD = """
UPDATE agent_target SET retry_at = NULL, offer_count = 0, due_at = clock_timestamp()
WHERE connected AND desired_name <> '' AND state IN ('pending', 'offered') AND delivered_epoch <> epoch
"""

_UNDESCRIBED = """
SELECT tenant_id, uid, epoch, gateway_id FROM agent_target
WHERE connected AND NOT fences ? 'description' ORDER BY tenant_id, uid LIMIT $1
"""

_SAVE_COLUMNS = {
    "tenant_id": "text",
    "uid": "bytea",
    "epoch": "bigint",
    "gateway_id": "text",
    "connected": "boolean",
    "capabilities": "bigint",
    "labels": "jsonb",
    "fences": "jsonb",
    "desired_name": "text",
    "desired_version": "bigint",
    "desired_hash": "bytea",
    "reason": "text",
    "generation": "bigint",
    "attempt_id": "bigint",
    "offered_hash": "bytea",
    "offer_count": "integer",
    "retry_at": "timestamptz",
    "delivered_epoch": "bigint",
    "waiting_since": "timestamptz",
    "probed": "boolean",
    "timeouts": "integer",
    "reported_hash": "bytea",
    "reported": "text",
    "reported_error": "text",
    "healthy": "boolean",
    "effective_hash": "bytea",
    "effective_holds": "boolean",
    "failed_hashes": "bytea",
    "stray_hashes": "bytea",
    "due_at": "timestamptz",
    "state": "text",
}
_NAMES = ", ".join(_SAVE_COLUMNS)
_SAVE = f"""
INSERT INTO agent_target ({_NAMES})
SELECT * FROM unnest({", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_SAVE_COLUMNS.values(), start=1))})
ON CONFLICT (tenant_id, uid) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _SAVE_COLUMNS if name not in ("tenant_id", "uid"))},
    updated_at = now()
"""  # noqa: S608 - constants only

_ASSIGN = """
INSERT INTO assignment (tenant_id, uid, name, author) SELECT $1, n.uid, $3, $4 FROM unnest($2::bytea[]) AS n (uid)
ON CONFLICT (tenant_id, uid) DO UPDATE SET name = excluded.name, author = excluded.author, created_at = now()
"""
_UNASSIGN = "DELETE FROM assignment WHERE tenant_id = $1 AND uid = $2"
_FORGET = "DELETE FROM agent_target WHERE tenant_id = $1 AND uid = $2 AND epoch <= $3"

_STATES = """
SELECT state, count(*) AS agents, count(*) FILTER (WHERE connected) AS connected
FROM agent_target WHERE tenant_id = $1 AND desired_name = $2 GROUP BY state
"""

_ALL_STATES = "SELECT state, count(*) AS agents FROM agent_target GROUP BY state"

_DRIFT = f"""
SELECT CASE WHEN age < interval '1 minute' THEN 'under_1m' WHEN age < interval '5 minutes' THEN 'under_5m'
            WHEN age < interval '1 hour' THEN 'under_1h' ELSE 'over_1h' END AS age, count(*) AS agents
FROM (SELECT clock_timestamp() - coalesce(a.created_at, t.updated_at) AS age
      FROM agent_target t LEFT JOIN attempt a ON a.tenant_id = t.tenant_id AND a.attempt_id = t.attempt_id
      WHERE t.connected AND t.capabilities & {ACCEPTS_REMOTE_CONFIG} <> 0 AND t.desired_name <> ''
        AND t.state NOT IN ('applied', 'none')) AS drifting
GROUP BY 1
"""  # noqa: S608 - a number

_ANNOUNCE = """
SELECT tenant_id, uid, desired_name, desired_hash, capabilities, failed_hashes, generation FROM agent_target
WHERE generation > $4 AND (tenant_id, uid) > ($1, $2) ORDER BY tenant_id, uid LIMIT $3
"""

# A generation is the moment of the change, in milliseconds.
_SINCE = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint"

_CLOCK = "SELECT clock_timestamp()"


async def now(connection: Connection) -> datetime:
    """Tell the database's time: the only clock that decides anything here."""
    moment: datetime = await connection.fetchval(_CLOCK)
    return moment


async def load(
    connection: Connection | asyncpg.Pool, tenant_id: str, uids: Sequence[bytes], *, lock: bool = False
) -> dict[bytes, Target]:
    """
    Load agents by uid; unknown ones are left out.

    Args:
        connection: With *lock*, inside a transaction.

        tenant_id: Whose agents.

        uids: 16 bytes each.

        lock: Keep others from changing them until the transaction ends. Locked first and read after, in
            order of uid, so that two who lock the same agents cannot stop each other.
    """
    wanted = list(uids)
    if lock:
        await connection.fetch(_LOCK, tenant_id, wanted)
    return {row["uid"]: _target(row) for row in await connection.fetch(_LOAD, tenant_id, wanted)}


async def save(
    connection: Connection, tenant_id: str, before: Mapping[bytes, Target], after: Sequence[Target]
) -> list[Target]:
    """
    Write agents that changed, and their attempts.

    Args:
        connection: Inside the transaction that locked *before*.

        tenant_id: Whose agents.

        before: As loaded; an agent that is not in it is new.

        after: As they should be.

    Returns:
        The same, with ids on new attempts and nothing closed left.
    """
    await _save_closed(connection, tenant_id, before, after)
    started = [(target.uid, target.attempt) for target in after if target.attempt is not None and not target.attempt.id]
    begun = await attempt_store.begin(connection, tenant_id, started) if started else {}
    saved = [
        replace(target, attempt=begun.get(target.uid, target.attempt), closed=())
        if target.closed or target.uid in begun
        else target
        for target in after
    ]
    changed = [target for target in saved if before.get(target.uid) != target]
    if changed:
        await connection.execute(_SAVE, *_columns(changed))
    return saved


async def _save_closed(
    connection: Connection, tenant_id: str, before: Mapping[bytes, Target], after: Sequence[Target]
) -> None:
    moved: list[Attempt] = []
    for target in after:
        old = before.get(target.uid)
        known = old.attempt if old is not None else None
        moved.extend(
            attempt
            for attempt in (*target.closed, target.attempt)
            if attempt is not None and attempt.id and attempt != known
        )
    if moved:
        await attempt_store.move(connection, tenant_id, moved)


async def affected_uids(
    connection: Connection, tenant_id: str, name: str, selector: Mapping[str, str], *, is_fallback: bool
) -> list[bytes]:
    """List every agent whose configuration may be another after *name* changed to this selector."""
    rows = await connection.fetch(_AFFECTED, tenant_id, name, dict(selector), is_fallback)
    return [row["uid"] for row in rows]


async def desiring_uids(connection: Connection, tenant_id: str, name: str) -> list[bytes]:
    """List the connected agents that should run *name*."""
    return [row["uid"] for row in await connection.fetch(_DESIRING, tenant_id, name)]


async def due(connection: Connection | asyncpg.Pool, limit: int) -> dict[str, list[bytes]]:
    """List agents whose time has come, longest waiting first, by tenant."""
    found: dict[str, list[bytes]] = {}
    for row in await connection.fetch(_DUE, limit):
        found.setdefault(row["tenant_id"], []).append(row["uid"])
    return found


async def mark_level(connection: Connection | asyncpg.Pool) -> int:
    """Make every agent due that does not run what it should while nothing is waited for; return how many."""
    return _count(await connection.execute(_LEVEL))


async def mark_unheard(connection: Connection | asyncpg.Pool) -> int:
    """Make every agent due whose offer may have been lost with the bus; return how many."""
    return _count(await connection.execute(_UNHEARD))


async def undescribed(connection: Connection | asyncpg.Pool, limit: int) -> dict[tuple[str, bytes], tuple[int, str]]:
    """Find connected agents whose description was never heard: (epoch, gateway) by (tenant, uid)."""
    rows = await connection.fetch(_UNDESCRIBED, limit)
    return {(row["tenant_id"], row["uid"]): (row["epoch"], row["gateway_id"]) for row in rows}


async def assign(connection: Connection, tenant_id: str, uids: Sequence[bytes], name: str, author: str) -> None:
    """Assign agents to a configuration by name."""
    await connection.execute(_ASSIGN, tenant_id, list(uids), name, author)


async def unassign(connection: Connection, tenant_id: str, uid: bytes) -> None:
    """Let selectors decide again."""
    await connection.execute(_UNASSIGN, tenant_id, uid)


async def forget(connection: Connection, tenant_id: str, uid: bytes, epoch: int) -> bool:
    """Forget a deleted agent, unless it connected again since; say whether it was forgotten."""
    forgotten = _count(await connection.execute(_FORGET, tenant_id, uid, epoch)) > 0
    if forgotten:
        await connection.execute(_UNASSIGN, tenant_id, uid)
    return forgotten


async def states(connection: Connection | asyncpg.Pool, tenant_id: str, name: str) -> tuple[dict[str, int], int]:
    """Count the agents that should run *name* by state, and how many of them are connected."""
    rows = await connection.fetch(_STATES, tenant_id, name)
    return {row["state"]: row["agents"] for row in rows}, sum(row["connected"] for row in rows)


async def all_states(connection: Connection | asyncpg.Pool) -> dict[str, int]:
    """Count all agents by state."""
    return {row["state"]: row["agents"] for row in await connection.fetch(_ALL_STATES)}


async def drift(connection: Connection | asyncpg.Pool) -> dict[str, int]:
    """Count connected agents that do not run what they should, by how long that has been so."""
    return {row["age"]: row["agents"] for row in await connection.fetch(_DRIFT)}


async def to_announce(
    connection: Connection | asyncpg.Pool, after: tuple[str, bytes], limit: int, *, recent_seconds: float = 0.0
) -> list[tuple[str, bytes, bytes, int]]:
    """
    List (tenant, uid, hash for the registry, generation) of agents the registry was ever to know of, in order.

    Args:
        connection: Where to read.

        after: (tenant, uid) of the last one of the page before.

        limit: Most per page.

        recent_seconds: Only those whose entry changed in so many seconds; 0 = all.
    """
    since = await connection.fetchval(_SINCE, int(recent_seconds * 1000)) if recent_seconds else 0
    rows = await connection.fetch(_ANNOUNCE, *after, limit, since)
    return [
        (
            row["tenant_id"],
            row["uid"],
            row["desired_hash"]
            if row["capabilities"] & ACCEPTS_REMOTE_CONFIG and row["desired_hash"] not in _hashes(row["failed_hashes"])
            else b"",
            row["generation"],
        )
        for row in rows
    ]


def _columns(targets: Sequence[Target]) -> list[list[object]]:
    rows = [
        (
            target.tenant_id,
            target.uid,
            target.epoch,
            target.gateway_id,
            target.connected,
            _signed(target.capabilities),
            dict(target.labels),
            target.fences,
            target.desired.name if target.desired else "",
            target.desired.version if target.desired else 0,
            target.desired.config_hash if target.desired else b"",
            target.reason.value,
            target.generation,
            target.attempt.id if target.attempt else None,
            target.offered_hash,
            target.offer_count,
            target.retry_at,
            target.delivered_epoch,
            target.waiting_since,
            target.probed,
            target.timeouts,
            target.reported_hash,
            target.reported.value,
            target.reported_error,
            target.healthy,
            target.effective_hash,
            target.effective_holds,
            b"".join(target.failed_hashes),
            b"".join(target.stray_hashes),
            target.due_at,
            target.state.value,
        )
        for target in targets
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _target(row: asyncpg.Record) -> Target:
    return Target(
        tenant_id=row["tenant_id"],
        uid=row["uid"],
        epoch=row["epoch"],
        gateway_id=row["gateway_id"],
        connected=row["connected"],
        capabilities=row["capabilities"] & 0xFFFF_FFFF_FFFF_FFFF,
        labels=row["labels"],
        fences={kind: (fence[0], fence[1]) for kind, fence in row["fences"].items()},
        assigned_name=row["assigned_name"],
        desired=Desired(row["desired_name"], row["desired_version"], row["desired_hash"])
        if row["desired_name"]
        else None,
        reason=Reason(row["reason"]),
        generation=row["generation"],
        attempt=_attempt(row) if row["attempt_status"] is not None else None,
        offered_hash=row["offered_hash"],
        offer_count=row["offer_count"],
        retry_at=row["retry_at"],
        delivered_epoch=row["delivered_epoch"],
        waiting_since=row["waiting_since"],
        probed=row["probed"],
        timeouts=row["timeouts"],
        reported_hash=row["reported_hash"],
        reported=Reported(row["reported"]),
        reported_error=row["reported_error"],
        healthy=row["healthy"],
        effective_hash=row["effective_hash"],
        effective_holds=row["effective_holds"],
        failed_hashes=_hashes(row["failed_hashes"]),
        stray_hashes=_hashes(row["stray_hashes"]),
        due_at=row["due_at"],
    )


def _attempt(row: asyncpg.Record) -> Attempt:
    return Attempt(
        config_hash=row["attempt_hash"],
        name=row["attempt_name"],
        version=row["attempt_version"],
        cause=Cause(row["attempt_cause"]),
        requested_by=row["requested_by"],
        status=AttemptStatus(row["attempt_status"]),
        error=row["attempt_error"],
        offered_at=row["offered_at"],
        applied_at=row["applied_at"],
        confirmed=row["confirmed"],
        id=row["attempt_id"],
        number=row["attempt_number"],
    )


def _hashes(packed: bytes) -> tuple[bytes, ...]:
    return tuple(packed[start : start + HASH_BYTES] for start in range(0, len(packed), HASH_BYTES))


def _signed(value: int) -> int:
    """A capability mask as PostgreSQL's signed bigint; unknown high bits must not refuse an agent."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])
