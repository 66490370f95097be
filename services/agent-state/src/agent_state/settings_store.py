"""Where agents stand with their connection settings, in the database: the only place with SQL about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from agent_state.agent import MAX_ERROR_CHARACTERS, clean, from_signed, to_signed
from agent_state.settings_composer import TAKES_SETTINGS, Taker
from agent_state.settings_reconcile import REPORTED_OF, Reported, Situation, Standing, State
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from agent_state.folding import Key
    from fleet.events.v1 import facts_pb2 as facts
    from servicekit.postgres import Connection as Db

MAX_HASH_BYTES = 64

_DESCRIPTION = "ARRAY[coalesce(d.epoch, 0), coalesce(d.sequence, 0)]"
_STATUS = "ARRAY[coalesce(t.epoch, 0), coalesce(t.sequence, 0)]"
_REPORTS = """
LEFT JOIN agent_description d ON d.tenant_id = a.tenant_id AND d.agent_uid = a.agent_uid
LEFT JOIN agent_connection_settings_status t ON t.tenant_id = a.tenant_id AND t.agent_uid = a.agent_uid
"""
# An agent's credential is told only over a connection that came by what the agent belongs to (or by an open gateway).
_AGENTS = f"""
SELECT a.agent_uid, a.epoch, a.link = 'connected' AS connected, a.capabilities, a.transport, a.credential_id,
  a.withheld, coalesce(p.gateway_id, a.gateway_id) AS gateway_id, d.labels, a.stamped_labels,
  {_DESCRIPTION} AS description, {_STATUS} AS status, t.report,
  (left(a.credential_id, 1) IN ('', 'k', 'x') OR EXISTS (SELECT FROM enrolment e WHERE e.tenant_id = a.tenant_id
    AND e.agent_uid = a.agent_uid AND e.token_id = a.credential_id))
  AND EXISTS (SELECT FROM agent_credential c WHERE c.tenant_id = a.tenant_id AND c.agent_uid = a.agent_uid
    AND c.state IN ('candidate', 'current')) AS has_credential
FROM agent a
LEFT JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid
{_REPORTS}
WHERE a.tenant_id = $1 AND a.agent_uid = ANY ($2::bytea[])
"""  # noqa: S608 - constants
_KNOWN = "SELECT agent_uid FROM agent_connection_settings WHERE tenant_id = $1 AND agent_uid = ANY ($2::bytea[])"
_BEGIN = """
INSERT INTO agent_connection_settings (tenant_id, agent_uid)
SELECT $1, i.agent_uid FROM unnest($2::bytea[]) AS i (agent_uid) ORDER BY i.agent_uid
ON CONFLICT (tenant_id, agent_uid) DO NOTHING
"""
_LOAD = "SELECT * FROM agent_connection_settings WHERE tenant_id = $1 AND agent_uid = ANY ($2::bytea[])"
_LOCK = f"{_LOAD} ORDER BY agent_uid FOR UPDATE"

_SAVED = {
    "desired_hash": "bytea",
    "fault": "text",
    "retries": "integer",
    "offered_hash": "bytea",
    "offered_at": "timestamptz",
    "offer_count": "integer",
    "delivered_hash": "bytea",
    "delivered_at": "timestamptz",
    "delivered_epoch": "bigint",
    "silences": "integer",
    "reported_hash": "bytea",
    "reported_error": "text",
    "state": "text",
    "seen_epoch": "bigint",
    "due_at": "timestamptz",
}
_ARRAYS = ("policies", "seen_description", "seen_status")
"""Written as JSON text: arrays within an array would have to be of one length."""

_COLUMNS = {
    "tenant_id": "text",
    "agent_uid": "bytea",
    **_SAVED,
    "seen_generation": "bigint",
    "seen_capabilities": "bigint",
    **dict.fromkeys(_ARRAYS, "text"),
}


def _assignment(name: str) -> str:
    if name not in _ARRAYS:
        return f"{name} = i.{name}"
    kind = "text" if name == "policies" else "bigint"
    return f"{name} = ARRAY(SELECT jsonb_array_elements_text(i.{name}::jsonb)::{kind})"


_SAVE = f"""
UPDATE agent_connection_settings s
SET {", ".join(_assignment(name) for name in _COLUMNS if name not in ("tenant_id", "agent_uid"))}, updated_at = now()
FROM unnest({", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_COLUMNS.values(), start=1))})
  AS i ({", ".join(_COLUMNS)})
WHERE s.tenant_id = i.tenant_id AND s.agent_uid = i.agent_uid
"""  # noqa: S608 - constants
_MARK = """
INSERT INTO agent_connection_settings AS s (tenant_id, agent_uid, due_at)
SELECT $1, i.agent_uid, now() FROM unnest($2::bytea[]) AS i (agent_uid) ORDER BY i.agent_uid
ON CONFLICT (tenant_id, agent_uid) DO UPDATE SET due_at = now(), seen_generation = NULL
"""
# Rows are locked in the order in which decisions lock them, so that neither waits for the other for ever.
_DELIVERED = """
WITH held AS (
  SELECT s.tenant_id, s.agent_uid, i.hash, i.epoch, i.nano
  FROM agent_connection_settings s
  JOIN unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::double precision[])
    AS i (tenant_id, agent_uid, hash, epoch, nano) ON s.tenant_id = i.tenant_id AND s.agent_uid = i.agent_uid
  WHERE s.delivered_epoch <= i.epoch
  ORDER BY s.tenant_id, s.agent_uid FOR UPDATE OF s
)
UPDATE agent_connection_settings s
SET delivered_hash = held.hash, delivered_epoch = held.epoch, due_at = now(),
    delivered_at = least(now(), to_timestamp(held.nano / 1e9))
FROM held WHERE s.tenant_id = held.tenant_id AND s.agent_uid = held.agent_uid
"""
_DUE = """
SELECT tenant_id, agent_uid FROM agent_connection_settings WHERE due_at <= now() ORDER BY due_at LIMIT $1
"""
# Level-triggered: whatever was heard or lost, an agent whose last decision was based on something else is due. In a
# tenant without policies only those are looked at that were once meant to have something.
_STALE = f"""
SELECT a.agent_uid FROM agent a
LEFT JOIN agent_connection_settings s ON s.tenant_id = a.tenant_id AND s.agent_uid = a.agent_uid
{_REPORTS}
WHERE a.tenant_id = $1 AND a.agent_uid > $2 AND a.link = 'connected'
  AND (s.agent_uid IS NOT NULL OR ($4 AND a.capabilities & {TAKES_SETTINGS} <> 0))
  AND (s.agent_uid IS NULL OR s.seen_generation IS DISTINCT FROM $3 OR s.seen_epoch <> a.epoch
    OR s.seen_capabilities <> a.capabilities OR s.seen_description <> {_DESCRIPTION} OR s.seen_status <> {_STATUS})
ORDER BY a.agent_uid LIMIT $5
"""  # noqa: S608 - constants
# Hops from tenant to tenant along the key; DISTINCT would read every row.
_TENANTS = """
WITH RECURSIVE found (tenant_id) AS (
  (SELECT tenant_id FROM agent_connection_settings ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT s.tenant_id FROM agent_connection_settings s WHERE s.tenant_id > found.tenant_id
    ORDER BY s.tenant_id LIMIT 1) FROM found WHERE found.tenant_id IS NOT NULL
)
SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL
"""
# After an outage of the bus: what was recorded as offered may never have been heard.
_UNHEARD = """
WITH held AS (
  SELECT tenant_id, agent_uid FROM agent_connection_settings
  WHERE state IN ('pending', 'offered', 'timed_out') AND desired_hash <> '' AND offer_count > 0
    AND NOT (delivered_hash = desired_hash AND delivered_epoch = seen_epoch)
  ORDER BY tenant_id, agent_uid FOR UPDATE
)
UPDATE agent_connection_settings s SET offer_count = 0, due_at = now()
FROM held WHERE s.tenant_id = held.tenant_id AND s.agent_uid = held.agent_uid
"""
_COUNT = "SELECT state, count(*) AS agents FROM agent_connection_settings WHERE desired_hash <> '' GROUP BY state"


@dataclass(frozen=True, slots=True)
class Seen:
    """An agent as it is now, and what the decision about it is based on."""

    uid: bytes
    gateway_id: str
    situation: Situation
    taker: Taker
    has_credential: bool
    description: Sequence[int]
    status: Sequence[int]


class SettingsStore:
    """Writes and reads standings. Methods taking a connection run inside the caller's transaction."""

    async def agents(self, connection: Db | asyncpg.Pool, tenant_id: str, uids: Sequence[bytes]) -> list[Seen]:
        """Look at agents; those that are not known are left out."""
        return [_seen(row) for row in await connection.fetch(_AGENTS, tenant_id, list(uids))]

    async def known(self, connection: Db | asyncpg.Pool, tenant_id: str, uids: Sequence[bytes]) -> list[bytes]:
        """Tell which of these agents something was meant for at some time."""
        return [row["agent_uid"] for row in await connection.fetch(_KNOWN, tenant_id, list(uids))]

    async def load(self, connection: Db | asyncpg.Pool, tenant_id: str, uid: bytes) -> Standing | None:
        """Return where one agent stands; None = nothing was ever meant for it."""
        row = await connection.fetchrow(_LOAD, tenant_id, [uid])
        return None if row is None else _standing(row)

    async def due_times(
        self, connection: Db | asyncpg.Pool, tenant_id: str, uids: Sequence[bytes]
    ) -> dict[bytes, datetime | None]:
        """Tell when these agents are due for another look, where they have a row."""
        return {row["agent_uid"]: row["due_at"] for row in await connection.fetch(_LOAD, tenant_id, list(uids))}

    async def lock(self, connection: Db, tenant_id: str, uids: Sequence[bytes]) -> dict[bytes, Standing]:
        """Return where these agents stand, each with a row from now on, and keep others from changing it."""
        await connection.execute(_BEGIN, tenant_id, list(uids))
        return {row["agent_uid"]: _standing(row) for row in await connection.fetch(_LOCK, tenant_id, list(uids))}

    async def save(
        self, connection: Db, generation: int | None, decided: Sequence[tuple[Standing, Seen | None]]
    ) -> None:
        """
        Write decisions.

        Args:
            connection: Inside the transaction that locked them.

            generation: Of the policies they are based on; None = they must be made again.

            decided: Without an agent the decision must be made again as well.
        """
        if decided:
            rows = [_row(standing, seen, generation) for standing, seen in decided]
            await connection.execute(_SAVE, *map(list, zip(*rows, strict=True)))

    async def mark_due(self, connection: Db, tenant_id: str, uids: Sequence[bytes]) -> None:
        """Let what is meant for these agents be decided anew: a credential of theirs has changed."""
        await connection.execute(_MARK, tenant_id, list(uids))

    async def note_delivered(self, connection: Db, deliveries: Iterable[facts.Fact]) -> None:
        """Take what gateways say they delivered; of one agent the last counts."""
        newest: dict[Key, facts.Fact] = {}
        for fact in sorted(deliveries, key=lambda fact: (fact.epoch, fact.sequence)):
            newest[fact.tenant_id, fact.instance_uid] = fact
        if newest:
            rows = [
                (*key, fact.offer_delivered.content_hash[:MAX_HASH_BYTES], fact.epoch, float(fact.time_unix_nano))
                for key, fact in sorted(newest.items())
            ]
            await connection.execute(_DELIVERED, *map(list, zip(*rows, strict=True)))

    async def due(self, pool: asyncpg.Pool, limit: int) -> dict[str, list[bytes]]:
        """Tell whose time has come, by tenant."""
        found: dict[str, list[bytes]] = {}
        for row in await pool.fetch(_DUE, limit):
            found.setdefault(row["tenant_id"], []).append(row["agent_uid"])
        return found

    async def stale(
        self, pool: asyncpg.Pool, tenant_id: str, after: bytes, generation: int, limit: int, *, has_policies: bool
    ) -> list[bytes]:
        """Tell the next agents, by uid, whose last decision is based on what is no longer so."""
        rows = await pool.fetch(_STALE, tenant_id, after, generation, has_policies, limit)
        return [row["agent_uid"] for row in rows]

    async def tenants(self, pool: asyncpg.Pool) -> set[str]:
        """Tell the tenants with agents something was ever meant for."""
        return {row["tenant_id"] for row in await pool.fetch(_TENANTS)}

    async def mark_unheard(self, pool: asyncpg.Pool) -> None:
        """Let everything that was offered and not delivered be offered again."""
        await pool.execute(_UNHEARD)

    async def count(self, pool: asyncpg.Pool) -> Mapping[str, int]:
        """Count agents something is meant for by where they stand."""
        return {row["state"]: row["agents"] for row in await pool.fetch(_COUNT)}


def _seen(row: asyncpg.Record) -> Seen:
    status = _report(row["report"])
    return Seen(
        uid=row["agent_uid"],
        gateway_id=row["gateway_id"],
        situation=Situation(
            epoch=row["epoch"],
            connected=row["connected"],
            withheld=row["withheld"],
            capabilities=from_signed(row["capabilities"]),
            reported_hash=status.last_connection_settings_hash[:MAX_HASH_BYTES],
            reported=REPORTED_OF.get(status.status, Reported.UNSET),
            reported_error=clean(status.error_message, MAX_ERROR_CHARACTERS),
        ),
        taker=Taker(
            capabilities=from_signed(row["capabilities"]),
            transport=row["transport"],
            labels={**(row["labels"] or {}), **(row["stamped_labels"] or {})},
            credential_id=row["credential_id"],
        ),
        has_credential=row["has_credential"],
        description=row["description"],
        status=row["status"],
    )


def _report(raw: bytes | None) -> opamp.ConnectionSettingsStatus:
    try:
        return opamp.ConnectionSettingsStatus.FromString(raw or b"")
    except DecodeError:
        return opamp.ConnectionSettingsStatus()


def _standing(row: asyncpg.Record) -> Standing:
    values: dict[str, Any] = {name: row[name] for name in _SAVED}
    values["state"] = State(row["state"])
    return Standing(row["tenant_id"], row["agent_uid"], policies=tuple(row["policies"]), **values)


def _row(standing: Standing, seen: Seen | None, generation: int | None) -> list[Any]:
    values: list[Any] = [standing.tenant_id, standing.uid]
    values += [getattr(standing, name) for name in _SAVED if name != "state"]
    values.insert(2 + list(_SAVED).index("state"), standing.state.value)
    values.append(generation if seen is not None else None)
    values.append(to_signed(seen.situation.capabilities) if seen is not None else 0)
    arrays = (standing.policies, *((seen.description, seen.status) if seen is not None else ((), ())))
    return [*values, *(json.dumps(list(array)) for array in arrays)]
