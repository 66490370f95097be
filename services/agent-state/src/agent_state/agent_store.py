"""
The agent row, its presence row and its tombstone: set-based writes guarded by fences in the SQL.

Lock order everywhere: advisory lock of the partition, agent rows by key, then everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from agent_state.agent import ConfigStatus, Health, Identity, config_status_of, health_of, identify
from agent_state.folding import NEVER
from contracts.subjects import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from agent_state.folding import AgentDelta, Key
    from servicekit.postgres import Connection as Db

PARTITION_LOCK = 0x0FAC75
"""Advisory lock class: facts of one partition and deletions within it exclude each other."""

_LOCK_PARTITION = "SELECT pg_advisory_xact_lock($1, $2)"
_TOMBSTONES = """
SELECT t.tenant_id, t.agent_uid, t.epoch
FROM agent_tombstone t JOIN unnest($1::text[], $2::bytea[]) AS i (tenant_id, agent_uid)
  ON t.tenant_id = i.tenant_id AND t.agent_uid = i.agent_uid
"""

_Register = tuple[str, tuple[str, ...]]
"""When the newcomer's values are taken, and which columns they are."""

_KINDS = {
    "tenant_id": "text",
    "agent_uid": "bytea",
    "transport": "smallint",
    "last_connected_at": "timestamptz",
    "last_disconnected_at": "timestamptz",
    "remote_config_hash": "bytea",
    "stamped_labels": "jsonb",
    "withheld": "boolean",
}
_NUMBERS = ("capabilities", "agent_sequence_num")

_ALWAYS: tuple[_Register, ...] = (
    (
        "(excluded.epoch, excluded.sequence) > (a.epoch, a.sequence)",
        ("epoch", "sequence", "agent_sequence_num", "gateway_id"),
    ),
    ("excluded.closed_epoch > a.closed_epoch", ("closed_epoch",)),
    (
        "excluded.closed_epoch > a.closed_epoch AND excluded.closed_epoch >= a.lost_epoch",
        ("last_disconnected_at", "disconnect_reason"),
    ),
    (
        "(excluded.epoch, excluded.connected_sequence) > (a.epoch, a.connected_sequence)",
        ("connected_sequence", "transport", "remote_address"),
    ),
    (
        """excluded.connected_sequence > 0
        AND (excluded.epoch, excluded.connected_sequence) > (a.epoch, a.connected_sequence)""",
        ("credential_id", "stamped_labels", "withheld"),
    ),
    (
        """excluded.epoch > a.epoch OR (excluded.epoch = a.epoch AND excluded.connected_sequence > 0
        AND (a.connected_sequence = 0 OR excluded.last_connected_at < a.last_connected_at))""",
        ("last_connected_at",),
    ),
)
_SOMETIMES: dict[str, _Register] = {
    "capabilities": (
        """(excluded.capabilities_epoch, excluded.capabilities_sequence)
        > (a.capabilities_epoch, a.capabilities_sequence)""",
        ("capabilities_epoch", "capabilities_sequence", "capabilities"),
    ),
    "description": (
        "(excluded.described_epoch, excluded.described_sequence) > (a.described_epoch, a.described_sequence)",
        ("described_epoch", "described_sequence", "name", "version", "hostname", "os_type", "architecture"),
    ),
    "health": (
        "(excluded.health_epoch, excluded.health_sequence) > (a.health_epoch, a.health_sequence)",
        ("health_epoch", "health_sequence", "health_state", "health_error", "health_status"),
    ),
    "config_status": (
        "(excluded.config_epoch, excluded.config_sequence) > (a.config_epoch, a.config_sequence)",
        ("config_epoch", "config_sequence", "config_state", "config_error", "remote_config_hash"),
    ),
}
"""Registers by attribute of AgentDelta. A batch in which none of its agents said a thing does not mention it: a
storm of reconnects writes half the columns."""


@cache
def _merge_statement(kinds: tuple[str, ...]) -> str:
    """Write the upsert for batches in which *kinds* of _SOMETIMES occur; nothing in it comes from outside."""
    registers = (*_ALWAYS, *(_SOMETIMES[kind] for kind in kinds))
    columns = ["tenant_id", "agent_uid", *(name for _, names in registers for name in names)]
    names = ", ".join(columns)
    arrays = ", ".join(f"${index}::{_type_of(name)}[]" for index, name in enumerate(columns, start=1))
    sets = ",\n  ".join(
        f"{name} = CASE WHEN {guard} THEN excluded.{name} ELSE a.{name} END"
        for guard, taken in registers
        for name in taken
    )
    newer = "\n  OR ".join(f"({guard})" for guard, _ in registers)
    return f"""
INSERT INTO agent AS a ({names})
SELECT {names} FROM unnest({arrays}) AS i ({names})
ORDER BY tenant_id, agent_uid
ON CONFLICT (tenant_id, agent_uid) DO UPDATE SET
  {sets},
  updated_at = now()
WHERE {newer}
RETURNING new.tenant_id, new.agent_uid,
  old.epoch AS old_epoch, old.connected_sequence AS old_connected_sequence,
  old.last_connected_at AS old_connected_at, old.link AS old_link, old.status AS old_status,
  old.health_state AS old_health_state, old.health_error AS old_health_error,
  old.health_status AS old_health_status, old.stamped_labels AS old_stamped_labels, new.stamped_labels,
  new.epoch, new.sequence, new.last_connected_at, new.last_disconnected_at, new.disconnect_reason,
  new.link, new.status, new.transport, new.gateway_id,
  new.health_state, new.health_error, new.health_status
"""  # noqa: S608 - built from the constants above


def _type_of(column: str) -> str:
    """Tell a column's type: numbers by their name, text unless listed."""
    if column.endswith(("epoch", "sequence")) or column in _NUMBERS:
        return "bigint"
    return _KINDS.get(column, "text")


_ENTER = """
INSERT INTO agent_presence AS p (tenant_id, agent_uid, epoch, gateway_id, last_seen_at)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::text[], $5::timestamptz[])
ON CONFLICT (tenant_id, agent_uid) DO UPDATE
SET epoch = excluded.epoch, gateway_id = excluded.gateway_id,
    last_seen_at = greatest(p.last_seen_at, excluded.last_seen_at)
WHERE p.epoch < excluded.epoch
"""

_DELETE = """
DELETE FROM agent WHERE tenant_id = $1 AND agent_uid = $2
RETURNING epoch, sequence, gateway_id, status, link
"""
_BURY = """
INSERT INTO agent_tombstone AS t (tenant_id, agent_uid, epoch, gateway_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, agent_uid) DO UPDATE
SET epoch = greatest(t.epoch, excluded.epoch), gateway_id = excluded.gateway_id, deleted_at = now()
"""
_SIDE_TABLES = (
    "agent_presence",
    "agent_description",
    "agent_health",
    "agent_components",
    "agent_custom_capabilities",
    "agent_package_statuses",
    "agent_connection_settings_status",
    "agent_connection_settings",
    "effective_config",
    "agent_connection",
)

_NOT_CLOSED: tuple[Any, ...] = (None, "")
_NO_IDENTITY = Identity("", "", "", "", "", {}, 0)
_NO_HEALTH = Health("unknown", "", "")
_NO_CONFIG = ConfigStatus("unset", "", b"")


@dataclass(frozen=True, slots=True)
class Before:
    """An agent's row as it was before a batch, as far as consequences need it."""

    epoch: int
    connected_sequence: int
    connected_at: datetime
    link: str
    status: str
    health: Health
    stamped: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class After:
    """An agent's row as a batch left it."""

    tenant_id: str
    uid: bytes
    epoch: int
    sequence: int
    connected_at: datetime
    disconnected_at: datetime | None
    reason: str
    link: str
    status: str
    transport: int
    gateway_id: str
    health: Health
    stamped: dict[str, str] | None = None
    """Labels its enrolment stamps on it; None = none."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch did to one agent; before is None for one never seen."""

    before: Before | None
    after: After


@dataclass(frozen=True, slots=True)
class Deleted:
    """An agent that was forgotten, and where its connection may still be open."""

    epoch: int
    sequence: int
    gateway_id: str
    status: str
    link: str


class AgentStore:
    """Writes agents. Every method runs inside the caller's transaction."""

    async def begin(self, connection: Db, keys: Iterable[Key]) -> tuple[datetime, dict[Key, int]]:
        """
        Enter the partitions of *keys* alone; return database time and the tombstones among them.

        Holding the partition keeps a deletion from falling between the look at the tombstones and the write.
        """
        wanted = list(keys)
        for partition in sorted({partition_of(uid) for _, uid in wanted}):
            await connection.execute(_LOCK_PARTITION, PARTITION_LOCK, partition)
        now: datetime = await connection.fetchval("SELECT now()")
        rows = await connection.fetch(_TOMBSTONES, [tenant for tenant, _ in wanted], [uid for _, uid in wanted])
        return now, {(row["tenant_id"], row["agent_uid"]): row["epoch"] for row in rows}

    async def merge(
        self,
        connection: Db,
        deltas: Sequence[AgentDelta],
        identities: dict[Key, Identity],
    ) -> list[Change]:
        """
        Merge *deltas* into the agent rows; agents for whom nothing was new are not in the answer.

        Args:
            connection: Inside a transaction that began with begin().

            deltas: At most one per agent, sorted by key.

            identities: What identify() read from the descriptions among them.
        """
        if not deltas:
            return []
        kinds = tuple(kind for kind in _SOMETIMES if any(getattr(delta, f"{kind}_fence") != NEVER for delta in deltas))
        records = [_record_of(delta, identities.get(delta.key, _NO_IDENTITY), kinds) for delta in deltas]
        rows = await connection.fetch(_merge_statement(kinds), *map(list, zip(*records, strict=True)))
        return [_change_of(row) for row in rows]

    async def enter(self, connection: Db, entries: Sequence[tuple[str, bytes, int, str, datetime]]) -> None:
        """Note (tenant, uid, epoch, gateway, last seen) of agents that began a new connection."""
        if entries:
            await connection.execute(_ENTER, *map(list, zip(*entries, strict=True)))

    async def delete(self, connection: Db, tenant_id: str, uid: bytes) -> Deleted | None:
        """Remove everything about an agent and bury its epoch; None when there is no such agent."""
        row = await connection.fetchrow(_DELETE, tenant_id, uid)
        if row is None:
            return None
        for table in _SIDE_TABLES:
            await connection.execute(
                f"DELETE FROM {table} WHERE tenant_id = $1 AND agent_uid = $2",  # noqa: S608 - a constant name
                tenant_id,
                uid,
            )
        await connection.execute(_BURY, tenant_id, uid, row["epoch"], row["gateway_id"])
        return Deleted(row["epoch"], row["sequence"], row["gateway_id"], row["status"], row["link"])


def identities_of(deltas: Iterable[AgentDelta]) -> dict[Key, Identity]:
    """Read every description of a batch once."""
    return {delta.key: identify(delta.description) for delta in deltas if delta.description is not None}


def _record_of(delta: AgentDelta, identity: Identity, kinds: tuple[str, ...]) -> tuple[Any, ...]:
    """Lay a delta out in the order of the columns of _merge_statement."""
    newest = delta.newest
    closed = delta.connections.get(delta.closed_epoch)
    values: list[Any] = [
        delta.tenant_id,
        delta.uid,
        *delta.fence,
        delta.agent_sequence_num,
        delta.gateway_id,
        delta.closed_epoch,
        *(_NOT_CLOSED if closed is None else (closed.closed_at, closed.reason)),
        newest.connected_sequence,
        newest.transport,
        newest.remote_address,
        newest.credential_id,
        newest.stamped,
        newest.withheld,
        newest.opened_at,
    ]
    for kind in kinds:
        values += getattr(delta, f"{kind}_fence")
        match kind:
            case "capabilities":
                values.append(delta.capabilities)
            case "description":
                values += (identity.name, identity.version, identity.hostname, identity.os_type, identity.architecture)
            case "health":
                health = _NO_HEALTH if delta.health is None else health_of(delta.health)
                values += (health.state, health.error, health.status)
            case _:
                config = _NO_CONFIG if delta.config_status is None else config_status_of(delta.config_status)
                values += (config.state, config.error, config.config_hash)
    return tuple(values)


def _change_of(row: asyncpg.Record) -> Change:
    before = None
    if row["old_epoch"] is not None:
        before = Before(
            row["old_epoch"],
            row["old_connected_sequence"],
            row["old_connected_at"],
            row["old_link"],
            row["old_status"],
            Health(row["old_health_state"], row["old_health_error"], row["old_health_status"]),
            row["old_stamped_labels"],
        )
    after = After(
        row["tenant_id"],
        row["agent_uid"],
        row["epoch"],
        row["sequence"],
        row["last_connected_at"],
        row["last_disconnected_at"],
        row["disconnect_reason"],
        row["link"],
        row["status"],
        row["transport"],
        row["gateway_id"],
        Health(row["health_state"], row["health_error"], row["health_status"]),
        row["stamped_labels"],
    )
    return Change(before, after)
