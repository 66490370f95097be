"""Agents and what they should run, in the database: the only place with SQL about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config_service import attempt_store
from config_service.attempt import AttemptStatus, Cause
from config_service.selector import Reason
from config_service.target import ACCEPTS_REMOTE_CONFIG, HASH_BYTES, Attempt, Desired, Reported, Target, replace
from servicekit import bulk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from servicekit.postgres import Connection

_LOCK = """
SELECT uid FROM agent_target WHERE tenant_id = $1 AND uid = ANY ($2::bytea[]) ORDER BY uid FOR UPDATE
"""

# OFFSET 0 keeps it a look-up by key for each agent: joined, the whole ledger would be read for a handful of agents.
_LOAD = """
SELECT t.*, coalesce(s.name, '') AS assigned_name, a.config_hash AS attempt_hash, a.attempt AS attempt_number,
    a.name AS attempt_name, a.version AS attempt_version, a.status AS attempt_status, a.error AS attempt_error,
    a.cause AS attempt_cause, a.requested_by, a.confirmed, a.offered_at, a.applied_at
FROM agent_target t
LEFT JOIN LATERAL (
    SELECT * FROM attempt WHERE attempt.tenant_id = t.tenant_id AND attempt.attempt_id = t.attempt_id OFFSET 0
) a ON true
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

_DERIVED = ""

_COLUMNS: dict[str, tuple[str, str, Callable[[Target], object]]] = {
    "tenant_id": ("text", "tenant_id", lambda target: target.tenant_id),
    "uid": ("bytea", "uid", lambda target: target.uid),
    "epoch": ("bigint", "epoch", lambda target: target.epoch),
    "gateway_id": ("text", "gateway_id", lambda target: target.gateway_id),
    "connected": ("boolean", "connected", lambda target: target.connected),
    "capabilities": ("bigint", "capabilities", lambda target: _signed(target.capabilities)),
    "labels": ("jsonb", "labels", lambda target: dict(target.labels)),
    "fences": ("jsonb", "fences", lambda target: target.fences),
    "desired_name": ("text", "desired", lambda target: target.desired.name if target.desired else ""),
    "desired_version": ("bigint", "desired", lambda target: target.desired.version if target.desired else 0),
    "desired_hash": ("bytea", "desired", lambda target: target.desired.config_hash if target.desired else b""),
    "reason": ("text", "reason", lambda target: target.reason.value),
    "generation": ("bigint", "generation", lambda target: target.generation),
    "attempt_id": ("bigint", "attempt", lambda target: target.attempt.id if target.attempt else None),
    "offered_hash": ("bytea", "offered_hash", lambda target: target.offered_hash),
    "offer_count": ("integer", "offer_count", lambda target: target.offer_count),
    "retry_at": ("timestamptz", "retry_at", lambda target: target.retry_at),
    "delivered_epoch": ("bigint", "delivered_epoch", lambda target: target.delivered_epoch),
    "waiting_since": ("timestamptz", "waiting_since", lambda target: target.waiting_since),
    "probed": ("boolean", "probed", lambda target: target.probed),
    "timeouts": ("integer", "timeouts", lambda target: target.timeouts),
    "reported_hash": ("bytea", "reported_hash", lambda target: target.reported_hash),
    "reported": ("text", "reported", lambda target: target.reported.value),
    "reported_error": ("text", "reported_error", lambda target: target.reported_error),
    "healthy": ("boolean", "healthy", lambda target: target.healthy),
    "effective_hash": ("bytea", "effective_hash", lambda target: target.effective_hash),
    "effective_holds": ("boolean", "effective_holds", lambda target: target.effective_holds),
    "failed_hashes": ("bytea", "failed_hashes", lambda target: b"".join(target.failed_hashes)),
    "stray_hashes": ("bytea", "stray_hashes", lambda target: b"".join(target.stray_hashes)),
    "stamped_labels": ("jsonb", "stamped_labels", lambda target: dict(target.stamped_labels)),
    "withheld": ("boolean", "withheld", lambda target: target.withheld),
    "due_at": ("timestamptz", "due_at", lambda target: target.due_at),
    "state": ("text", _DERIVED, lambda target: target.state.value),
}
"""Column to its type, the field it is made of, and its value."""

_KEY = ("tenant_id", "uid")
_FIELDS = frozenset(of for _, of, _ in _COLUMNS.values()) - {*_KEY, _DERIVED}

_ADD = f"""
INSERT INTO agent_target ({", ".join(_COLUMNS)}) SELECT {", ".join(f"n.{name}" for name in _COLUMNS)} FROM {{rows}} AS n
ON CONFLICT (tenant_id, uid) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)},
    updated_at = now()
"""  # noqa: S608 - constants only

# The uids are said twice so that the index leads to them, however many there are.
_UPDATE = """
UPDATE agent_target t SET {assignments}, updated_at = now() FROM {rows} AS n
WHERE t.tenant_id = n.tenant_id AND t.uid = n.uid AND t.uid = ANY ($1::bytea[])
"""

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
SELECT tenant_id, uid, desired_name, desired_hash, capabilities, failed_hashes, withheld, generation FROM agent_target
WHERE generation > $4 AND (tenant_id, uid) > ($1, $2) ORDER BY tenant_id, uid LIMIT $3
"""

# A generation is the moment of the change, in milliseconds.
_SINCE = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint"

_CLOCK = "SELECT clock_timestamp()"

# By the thousand: calling an enum, or a constructor of forty fields, costs several times as much.
_BLANK = Target("", b"")
_BLANK_ATTEMPT = Attempt(b"", "", 0, Cause.CHANGE)
_REASONS = {reason.value: reason for reason in Reason}
_REPORTED = {reported.value: reported for reported in Reported}
_CAUSES = {cause.value: cause for cause in Cause}
_STATUSES = {status.value: status for status in AttemptStatus}


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
    new = [target for target in saved if target.uid not in before]
    if new:
        table = _rows(new, _COLUMNS)
        await connection.execute(_ADD.format(rows=table.sql), *table.arguments)
    changed = [target for target in saved if target.uid in before and before[target.uid] != target]
    if changed:
        fields = _changed_fields(before, changed)
        names = [name for name, (_, of, _) in _COLUMNS.items() if of in fields or of == _DERIVED]
        table = _rows(changed, (*_KEY, *names))
        assignments = ", ".join(f"{name} = n.{name}" for name in names)
        await connection.execute(_UPDATE.format(assignments=assignments, rows=table.sql), *table.arguments)
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
            if row["capabilities"] & ACCEPTS_REMOTE_CONFIG
            and not row["withheld"]
            and row["desired_hash"] not in _hashes(row["failed_hashes"])
            else b"",
            row["generation"],
        )
        for row in rows
    ]


def _changed_fields(before: Mapping[bytes, Target], changed: Sequence[Target]) -> set[str]:
    """Name the fields in which any of these agents is another than before: only they are written."""
    found: set[str] = set()
    rest = set(_FIELDS)
    for target in changed:
        old, new = vars(before[target.uid]), vars(target)
        different = [name for name in rest if old[name] is not new[name] and old[name] != new[name]]
        if different:
            found.update(different)
            rest.difference_update(different)
    return found


def _rows(targets: Sequence[Target], names: Iterable[str]) -> bulk.Rows:
    return bulk.rows(
        "uid",
        {
            name: bulk.Column(kind, [read(target) for target in targets])
            for name in names
            for kind, _, read in (_COLUMNS[name],)
        },
    )


def _target(row: asyncpg.Record) -> Target:
    return replace(
        _BLANK,
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
        reason=_REASONS[row["reason"]],
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
        reported=_REPORTED[row["reported"]],
        reported_error=row["reported_error"],
        healthy=row["healthy"],
        effective_hash=row["effective_hash"],
        effective_holds=row["effective_holds"],
        failed_hashes=_hashes(row["failed_hashes"]),
        stray_hashes=_hashes(row["stray_hashes"]),
        stamped_labels=row["stamped_labels"],
        withheld=row["withheld"],
        due_at=row["due_at"],
    )


def _attempt(row: asyncpg.Record) -> Attempt:
    return replace(
        _BLANK_ATTEMPT,
        config_hash=row["attempt_hash"],
        name=row["attempt_name"],
        version=row["attempt_version"],
        cause=_CAUSES[row["attempt_cause"]],
        requested_by=row["requested_by"],
        status=_STATUSES[row["attempt_status"]],
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
