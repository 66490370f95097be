"""
What agents run, kept once per distinct text: 100,000 agents with one configuration store one body.

Secrets are taken out before a body is hashed and kept, once per distinct text; a small memory of texts already
seen makes the usual case one look-up.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from agent_state import metrics
from agent_state.redaction import redact
from opamp.v1 import opamp_pb2 as opamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_state.folding import AgentDelta
    from servicekit.postgres import Connection as Db

BODIES_LOCK = 0x0B0D1E5
"""Advisory lock: collecting garbage (alone) and referring to bodies (together) exclude each other."""

SEEN_TEXTS = 20_000
GC_BATCH = 5_000
MAX_FILES = 100
LARGE_BYTES = 32_768
_LEFT_OUT = "[LEFT OUT: {} bytes]"

_SHARE = "SELECT pg_advisory_xact_lock_shared($1)"
_ALONE = "SELECT pg_advisory_xact_lock($1)"
_KNOWN = """
SELECT b.tenant_id, b.body_hash FROM effective_config_body b
JOIN unnest($1::text[], $2::bytea[]) AS i (tenant_id, body_hash)
  ON b.tenant_id = i.tenant_id AND b.body_hash = i.body_hash
"""
_KEEP = """
INSERT INTO effective_config_body (tenant_id, body_hash, body)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[]) ON CONFLICT DO NOTHING
"""
_REFER = """
INSERT INTO effective_config AS t (tenant_id, agent_uid, epoch, sequence, body_hash)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[])
ON CONFLICT (tenant_id, agent_uid) DO UPDATE
SET epoch = excluded.epoch, sequence = excluded.sequence, body_hash = excluded.body_hash, reported_at = now()
WHERE (excluded.epoch, excluded.sequence) > (t.epoch, t.sequence)
"""
_COLLECT = """
DELETE FROM effective_config_body b
WHERE (b.tenant_id, b.body_hash) IN (
  SELECT tenant_id, body_hash FROM effective_config_body o
  WHERE created_at < now() - interval '10 minutes' AND NOT EXISTS (
    SELECT FROM effective_config e WHERE e.tenant_id = o.tenant_id AND e.body_hash = o.body_hash
  ) LIMIT $1
)
"""


class EffectiveConfigStore:
    """
    Writes effective configurations. Methods run inside the caller's transaction.

    Args:
        max_bytes: Larger files are replaced by a note of their size.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()

    async def record(self, connection: Db, deltas: Sequence[AgentDelta]) -> None:
        """Keep the newest effective configuration of each agent."""
        references: list[tuple[str, bytes, int, int, bytes]] = []
        sources: dict[tuple[str, bytes], opamp.EffectiveConfig] = {}
        for delta in deltas:
            if delta.effective_config is None:
                continue
            body_hash = await self._hash_of(delta.effective_config)
            references.append((*delta.key, *delta.effective_config_fence, body_hash))
            sources.setdefault((delta.tenant_id, body_hash), delta.effective_config)
        if not references:
            return
        await connection.execute(_SHARE, BODIES_LOCK)
        await self._keep_new(connection, sources)
        await connection.execute(_REFER, *map(list, zip(*references, strict=True)))

    async def collect_garbage(self, connection: Db) -> int:
        """Remove bodies no agent runs any more, at most GC_BATCH; return how many."""
        await connection.execute(_ALONE, BODIES_LOCK)
        done = await connection.execute(_COLLECT, GC_BATCH)
        return int(done.rsplit(" ", 1)[1])

    async def _keep_new(self, connection: Db, sources: dict[tuple[str, bytes], opamp.EffectiveConfig]) -> None:
        wanted = sorted(sources)
        rows = await connection.fetch(_KNOWN, *map(list, zip(*wanted, strict=True)))
        known = {(row["tenant_id"], row["body_hash"]) for row in rows}
        new = [
            (tenant, body_hash, self._clean(sources[tenant, body_hash]).SerializeToString(deterministic=True))
            for tenant, body_hash in wanted
            if (tenant, body_hash) not in known
        ]
        if new:
            await connection.execute(_KEEP, *map(list, zip(*new, strict=True)))

    async def _hash_of(self, config: opamp.EffectiveConfig) -> bytes:
        """Hash of the text without secrets; remembered by the hash of the text with them."""
        raw = hashlib.sha256(config.SerializeToString(deterministic=True)).digest()
        known = self._seen.get(raw)
        if known is None:
            # A long text takes a moment; heartbeats must not wait for it.
            large = config.ByteSize() > LARGE_BYTES
            cleaned = await asyncio.to_thread(self._clean, config) if large else self._clean(config)
            known = hashlib.sha256(cleaned.SerializeToString(deterministic=True)).digest()
            self._seen[raw] = known
            if len(self._seen) > SEEN_TEXTS:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(raw)
        return known

    def _clean(self, config: opamp.EffectiveConfig) -> opamp.EffectiveConfig:
        metrics.CONFIGS_REDACTED.inc()
        cleaned = opamp.EffectiveConfig()
        room = self._max_bytes
        for name in sorted(config.config_map.config_map)[:MAX_FILES]:
            file = config.config_map.config_map[name]
            kept = cleaned.config_map.config_map[name]
            kept.content_type = file.content_type
            if len(file.body) > room:
                kept.body = _LEFT_OUT.format(len(file.body)).encode()
                continue
            room -= len(file.body)
            kept.body = redact(file.body)
        return cleaned
