from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state import metrics
from agent_state.agent_query import AgentQuery
from agent_state.component_store import REPORTS_COMPONENTS, ComponentStore, Mention
from agent_state.views import agent_of
from fleet.events.v1 import facts_pb2 as facts
from opamp.v1 import opamp_pb2 as opamp
from world.facts import batch, connected, fact, uid_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

UID, OTHER = uid_of(1), uid_of(2)
STORE = ComponentStore(1 << 20)


def says(uid: bytes, sequence: int, *names: str, components_hash: bytes = b"h", epoch: int = 5) -> facts.Fact:
    """An agent lists its components, or only their hash."""
    said = opamp.AvailableComponents(
        hash=components_hash, components={name: opamp.ComponentDetails() for name in names}
    )
    return fact(uid, epoch, sequence, components_reported=facts.ComponentsReported(components=said))


def arrives(uid: bytes, epoch: int = 5) -> facts.Fact:
    """An agent comes that can tell its components."""
    said = connected(uid, epoch)
    said.connected.capabilities = REPORTS_COMPONENTS
    return said


async def shown(pool: asyncpg.Pool, uid: bytes) -> list[str]:
    """List the components one agent is shown with."""
    row = await AgentQuery(pool).get("default", uid)
    assert row is not None
    return sorted(agent_of(row, whole=True).components.components)


async def test_one_list_is_kept_for_the_fleet(pool: asyncpg.Pool, apply: Applier) -> None:
    """What one agent told is shown for every agent that names its hash, and is there once (S-190)."""
    await apply(batch(arrives(UID), arrives(OTHER), says(UID, 2, "receiver", "exporter"), says(OTHER, 2)))

    assert await shown(pool, UID) == await shown(pool, OTHER) == ["exporter", "receiver"]
    assert await pool.fetchval("SELECT count(*) FROM component_list") == 1


async def test_hash_alone_never_erases_the_list(pool: asyncpg.Pool, apply: Applier) -> None:
    """An agent that repeats only its hash keeps the components it listed (S-191)."""
    await apply(batch(arrives(UID), says(UID, 2, "receiver")))
    await apply(batch(says(UID, 3)))

    assert await shown(pool, UID) == ["receiver"]


async def test_another_hash_is_another_list(pool: asyncpg.Pool, apply: Applier) -> None:
    """What was told under the former hash is not shown any more; a late word changes nothing."""
    await apply(batch(arrives(UID), says(UID, 2, "receiver")))
    await apply(batch(says(UID, 4, components_hash=b"i")))
    await apply(batch(says(UID, 3, "receiver")))
    assert await shown(pool, UID) == []

    await apply(batch(says(UID, 5, "exporter", components_hash=b"i")))
    assert await shown(pool, UID) == ["exporter"]


async def test_newest_list_of_a_hash_stands(pool: asyncpg.Pool, apply: Applier) -> None:
    """An operator who has an agent list its components again sees what it says now."""
    await apply(batch(arrives(UID), says(UID, 2, "receiver")))
    await apply(batch(says(UID, 3, "receiver", "processor")))

    assert await shown(pool, UID) == ["processor", "receiver"]


async def test_any_hash_is_taken_as_it_is(pool: asyncpg.Pool, apply: Applier) -> None:
    """Its form is the agent's choice (S-192); without a usable one the list is its own."""
    await apply(
        batch(
            arrives(UID),
            arrives(OTHER),
            arrives(uid_of(3)),
            says(UID, 2, "a", components_hash=b"\x00"),
            says(OTHER, 2, "b", components_hash=b""),
            says(uid_of(3), 2, "c", components_hash=b"x" * 500),
        )
    )

    assert [await shown(pool, uid) for uid in (UID, OTHER, uid_of(3))] == [["a"], ["b"], ["c"]]
    assert await pool.fetchval("SELECT count(*) FROM component_list") == 1


async def test_word_without_hash_and_list_says_nothing(pool: asyncpg.Pool, apply: Applier) -> None:
    """It is not even noted."""
    await apply(batch(arrives(UID), says(UID, 2, components_hash=b"")))

    assert await pool.fetchval("SELECT count(*) FROM agent_components") == 0


async def test_lists_nest(pool: asyncpg.Pool, apply: Applier) -> None:
    """Components of components are kept as told (S-193)."""
    said = opamp.AvailableComponents(hash=b"h")
    said.components["receivers"].sub_component_map["otlp"].sub_component_map["grpc"].SetInParent()
    await apply(batch(arrives(UID), fact(UID, 5, 2, components_reported=facts.ComponentsReported(components=said))))

    row = await AgentQuery(pool).get("default", UID)
    assert row is not None
    assert agent_of(row, whole=True).components == said


async def test_list_that_is_too_large_is_counted_not_kept(pool: asyncpg.Pool, apply: Applier) -> None:
    """One agent cannot fill the disk with its components."""
    refused = metrics.REPORTS_REFUSED.labels("components")._value.get()
    apply.consumer._components = ComponentStore(64)

    await apply(batch(arrives(UID), says(UID, 2, "x" * 100)))

    assert await pool.fetchval("SELECT count(*) FROM agent_components") == 0
    assert metrics.REPORTS_REFUSED.labels("components")._value.get() == refused + 1


async def test_who_named_an_unknown_hash_is_known(pool: asyncpg.Pool, apply: Applier) -> None:
    """By the mention itself, and by looking at the table; one agent per list."""
    await apply(batch(arrives(UID), arrives(OTHER), says(UID, 2), says(OTHER, 2), says(OTHER, 3, components_hash=b"i")))
    mentions = [Mention("default", b"h", UID), Mention("default", b"i", OTHER)]
    assert apply.mentions == mentions

    missing = await STORE.missing(pool, mentions)
    assert [(one.mention, one.epoch, one.gateway_id) for one in missing] == [(said, 5, "gw-1") for said in mentions]
    assert sorted(one.mention.components_hash for one in await STORE.any_missing(pool, 10)) == [b"h", b"i"]

    await apply(batch(says(UID, 4, "a")))
    assert [one.mention.components_hash for one in await STORE.missing(pool, mentions)] == [b"i"]
    assert await STORE.missing(pool, []) == []


async def test_agents_that_cannot_tell_are_not_asked(pool: asyncpg.Pool, apply: Applier) -> None:
    """The flag goes to agents with the capability only (A-32)."""
    await apply(batch(connected(UID, 5), says(UID, 2)))

    assert await STORE.missing(pool, [Mention("default", b"h", UID)]) == []
    assert await STORE.any_missing(pool, 10) == []


async def test_lists_nobody_names_are_removed(pool: asyncpg.Pool, apply: Applier) -> None:
    """After a day, so that an upgrade of the fleet does not ask for the same list twice."""
    await apply(batch(arrives(UID), says(UID, 2, "a"), says(UID, 3, "b", components_hash=b"i")))
    await STORE.collect_garbage(pool)
    assert await pool.fetchval("SELECT count(*) FROM component_list") == 1

    await pool.execute("INSERT INTO component_list (tenant_id, components_hash, body) VALUES ('default', 'old', '')")
    await STORE.collect_garbage(pool)
    assert await pool.fetchval("SELECT count(*) FROM component_list") == 2
    await pool.execute("UPDATE component_list SET reported_at = now() - interval '2 days'")
    await STORE.collect_garbage(pool)

    assert await pool.fetchval("SELECT array_agg(components_hash) FROM component_list") == [b"i"]
