from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state import metrics
from agent_state.effective_config_store import LARGE_BYTES, EffectiveConfigStore
from opamp.v1 import opamp_pb2
from world.facts import batch, connected, effective_config, uid_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier


async def test_many_agents_with_one_configuration_store_one_body(pool: asyncpg.Pool, apply: Applier) -> None:
    """A body is kept, and searched for secrets, once; each agent refers to it."""
    searched = metrics.CONFIGS_REDACTED._value.get()
    body = b"exporters: {otlp: {token: hush}}\n"
    for number in range(1, 51):
        await apply(batch(connected(uid_of(number), number), effective_config(uid_of(number), number, 2, body)))

    assert await pool.fetchval("SELECT count(*) FROM effective_config") == 50
    kept = await pool.fetch("SELECT body FROM effective_config_body")
    assert len(kept) == 1
    assert b"hush" not in kept[0]["body"]
    assert metrics.CONFIGS_REDACTED._value.get() - searched <= 2


async def test_late_configuration_does_not_replace_a_newer(pool: asyncpg.Pool, apply: Applier) -> None:
    """Of two the one said later stands, whichever comes first."""
    uid = uid_of(1)
    await apply(batch(connected(uid, 5), effective_config(uid, 5, 4, b"new: 1")))
    await apply(batch(effective_config(uid, 5, 3, b"old: 1")))

    stored = await pool.fetchval("SELECT body FROM effective_config JOIN effective_config_body USING (body_hash)")
    assert b"new" in stored


async def test_huge_files_are_noted_not_kept(pool: asyncpg.Pool, apply: Applier) -> None:
    """Too large a file leaves its size, the rest stays."""
    apply.consumer._effective_configs = EffectiveConfigStore(1000)
    uid = uid_of(1)
    await apply(batch(connected(uid, 5), effective_config(uid, 5, 2, b"#" * 2000)))

    stored = opamp_pb2.EffectiveConfig.FromString(await pool.fetchval("SELECT body FROM effective_config_body"))
    assert stored.config_map.config_map["config.yaml"].body == b"[LEFT OUT: 2000 bytes]"


async def test_long_texts_are_redacted_too(pool: asyncpg.Pool, apply: Applier) -> None:
    """The way beside the loop gives the same."""
    uid = uid_of(1)
    body = b"token: hush\n" + b"# filler\n" * LARGE_BYTES
    await apply(batch(connected(uid, 5), effective_config(uid, 5, 2, body)))

    assert b"hush" not in await pool.fetchval("SELECT body FROM effective_config_body")
