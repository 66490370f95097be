"""
Component lists, kept once for the fleet: agents with the same list name the same hash, and at first only that.

The hash is the agent's own word and means nothing here but "the same list". A message with a hash and no list does not
say that there is none; it says that the list is known, or to be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_state import metrics
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    import asyncpg

    from agent_state.folding import AgentDelta, Key
    from servicekit.postgres import Connection as Db

MAX_HASH_BYTES = 128
"""An agent with a longer hash keeps its list for itself."""

REPORTS_COMPONENTS = int(opamp.AgentCapabilities_ReportsAvailableComponents)

_KEEP = """
INSERT INTO component_list AS l (tenant_id, components_hash, body)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[])
ON CONFLICT (tenant_id, components_hash) DO UPDATE SET body = excluded.body, reported_at = now()
WHERE l.body <> excluded.body
"""
_REFER = """
INSERT INTO agent_components AS c (tenant_id, agent_uid, epoch, sequence, report, components_hash)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
ON CONFLICT (tenant_id, agent_uid) DO UPDATE
SET epoch = excluded.epoch, sequence = excluded.sequence, report = excluded.report,
    components_hash = excluded.components_hash, reported_at = now()
WHERE (excluded.epoch, excluded.sequence) > (c.epoch, c.sequence)
"""
_MISSING = f"""
SELECT i.tenant_id, i.components_hash, i.agent_uid, a.epoch, coalesce(p.gateway_id, a.gateway_id) AS gateway_id
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS i (tenant_id, components_hash, agent_uid)
JOIN agent a ON a.tenant_id = i.tenant_id AND a.agent_uid = i.agent_uid
LEFT JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid
WHERE a.link = 'connected' AND a.capabilities & {REPORTS_COMPONENTS} <> 0
  AND NOT EXISTS (SELECT FROM component_list l
    WHERE l.tenant_id = i.tenant_id AND l.components_hash = i.components_hash)
"""  # noqa: S608 - a number
# One agent is enough, and another one each time: the first may never answer.
_ANY_MISSING = f"""
SELECT DISTINCT ON (c.tenant_id, c.components_hash)
  c.tenant_id, c.components_hash, c.agent_uid, a.epoch, coalesce(p.gateway_id, a.gateway_id) AS gateway_id
FROM agent_components c
JOIN agent a ON a.tenant_id = c.tenant_id AND a.agent_uid = c.agent_uid
LEFT JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid
WHERE c.components_hash <> '' AND a.link = 'connected' AND a.capabilities & {REPORTS_COMPONENTS} <> 0
  AND NOT EXISTS (SELECT FROM component_list l
    WHERE l.tenant_id = c.tenant_id AND l.components_hash = c.components_hash)
ORDER BY c.tenant_id, c.components_hash, random() LIMIT $1
"""  # noqa: S608 - a number
_COLLECT = """
DELETE FROM component_list l WHERE l.reported_at < now() - interval '1 day'
  AND NOT EXISTS (SELECT FROM agent_components c
    WHERE c.tenant_id = l.tenant_id AND c.components_hash = l.components_hash)
"""


@dataclass(frozen=True, slots=True)
class Mention:
    """An agent that named a hash without the list."""

    tenant_id: str
    components_hash: bytes
    uid: bytes


@dataclass(frozen=True, slots=True)
class Missing:
    """A list nobody told yet, and a connected agent that could."""

    mention: Mention
    epoch: int
    gateway_id: str


class ComponentStore:
    """
    Writes and reads component lists.

    Args:
        max_bytes: Larger lists are left out and counted.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    async def record(self, connection: Db, deltas: Sequence[AgentDelta]) -> list[Mention]:
        """
        Keep what agents said of their components, in the caller's transaction.

        Returns:
            Who named a hash only; the list behind it may be known.
        """
        lists: dict[tuple[str, bytes], bytes] = {}
        references: list[tuple[str, bytes, int, int, bytes, bytes]] = []
        mentions: list[Mention] = []
        for delta in deltas:
            said = delta.components
            if said is None or not (said.hash or said.components):
                continue
            components_hash = said.hash if len(said.hash) <= MAX_HASH_BYTES else b""
            report = said.SerializeToString(deterministic=True)
            if len(report) > self._max_bytes:
                metrics.REPORTS_REFUSED.labels("components").inc()
                continue
            if components_hash and said.components:
                lists[delta.tenant_id, components_hash] = report
            if components_hash:
                report = opamp.AvailableComponents(hash=components_hash).SerializeToString()
            if components_hash and not said.components:
                mentions.append(Mention(delta.tenant_id, components_hash, delta.uid))
            references.append((*delta.key, *delta.components_fence, report, components_hash))
        if lists:
            rows = [(*key, body) for key, body in sorted(lists.items())]
            await connection.execute(_KEEP, *map(list, zip(*rows, strict=True)))
        if references:
            await connection.execute(_REFER, *map(list, zip(*references, strict=True)))
        return mentions

    async def missing(self, pool: asyncpg.Pool, mentions: Iterable[Mention]) -> list[Missing]:
        """Tell which of these lists are not known, as far as their agents can still be asked."""
        rows = [(mention.tenant_id, mention.components_hash, mention.uid) for mention in mentions]
        if not rows:
            return []
        found = await pool.fetch(_MISSING, *map(list, zip(*rows, strict=True)))
        return [_missing(row) for row in found]

    async def any_missing(self, pool: asyncpg.Pool, limit: int) -> list[Missing]:
        """Tell lists that are not known, each with one agent to ask."""
        return [_missing(row) for row in await pool.fetch(_ANY_MISSING, limit)]

    async def collect_garbage(self, pool: asyncpg.Pool) -> None:
        """Remove lists no agent refers to any more."""
        await pool.execute(_COLLECT)


def key_of(missing: Missing) -> Key:
    """Name a list: tenant and hash."""
    return missing.mention.tenant_id, missing.mention.components_hash


def _missing(row: asyncpg.Record) -> Missing:
    mention = Mention(row["tenant_id"], row["components_hash"], row["agent_uid"])
    return Missing(mention, row["epoch"], row["gateway_id"])
