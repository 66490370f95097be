"""The whole gateway on real NATS and Redis, with agent-state played by the test."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from gatewaylab.speech import CAPABILITIES, OTHER, UID, answer, full, message
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate

from contracts import registry as names
from contracts import streams, subjects
from fleet.events.v1 import facts_pb2, offers_pb2
from opamp.v1 import opamp_pb2 as opamp
from world.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gatewaylab.stage import Running, World

TOKEN = "oet_1_secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FIRST = ("connected", "described", "health_reported", "effective_config_reported", "remote_config_status_reported")
HASH = hashlib.sha256(b"content").digest()
CONFIG = opamp.AgentRemoteConfig(config_hash=HASH)


@asynccontextmanager
async def agent(running: Running) -> AsyncIterator[ClientConnection]:
    """Connect a WebSocket."""
    async with connect(running.url, additional_headers=BEARER, compression=None, ping_interval=None) as socket:
        yield socket


async def say(socket: ClientConnection, said: opamp.AgentToServer) -> opamp.ServerToAgent:
    """Say something and read the answer."""
    await socket.send(b"\x00" + said.SerializeToString())
    return await hear(socket)


async def hear(socket: ClientConnection) -> opamp.ServerToAgent:
    """Read one message."""
    payload = await asyncio.wait_for(socket.recv(), 30)
    assert isinstance(payload, bytes)
    return answer(payload[1:])


async def poll(http: httpx.AsyncClient, running: Running, said: opamp.AgentToServer) -> opamp.ServerToAgent:
    """Poll once."""
    headers = {**BEARER, "Content-Type": "application/x-protobuf"}
    response = await http.post(running.http_url, content=said.SerializeToString(), headers=headers)
    assert response.status_code == 200
    return answer(response.content)


def config_offer(uid: bytes = UID, content: bytes = b"") -> offers_pb2.Offer:
    """Write an offer of CONFIG."""
    offer = offers_pb2.Offer(
        offer_id="o1",
        tenant_id="default",
        kind=facts_pb2.OFFER_KIND_REMOTE_CONFIG,
        content_hash=HASH,
        content=content,
    )
    offer.targets.add(instance_uid=uid)
    return offer


async def entry(world: World, uid: bytes = UID) -> dict[bytes, bytes]:
    """Read an agent's registry entry."""
    async with Redis.from_url(world.redis.url) as redis:
        return cast("dict[bytes, bytes]", await redis.hgetall(names.entry_key("default", uid)))


async def write_entry(world: World, **fields: bytes | int) -> None:
    """Write fields of the agent's registry entry, as config-service does."""
    async with Redis.from_url(world.redis.url) as redis:
        await redis.hset(names.entry_key("default", UID), mapping=fields)  # type: ignore[arg-type]


async def test_agent_speaks_and_its_facts_are_stored(world: World) -> None:
    """Connect, status, heartbeat, goodbye: facts fenced and in order, heartbeats only in presence."""
    async with world.gateway() as running:
        async with agent(running) as socket:
            assert (await say(socket, full())).capabilities
            found = await world.facts(UID, *FIRST)
            await say(socket, message(sequence_num=1))
            await wait_until(lambda: any(beat.heard and beat.heard[0].uids == UID for beat in world.state.beats))
            assert {fact.epoch for fact in found} == {found[0].epoch}
            assert found[0].connected.gateway_id == running.gateway_id
            assert found[0].connected.credential_id == "1"
        await world.facts(UID, *FIRST, "disconnected")


async def test_wrong_token_is_refused_on_both_transports(world: World) -> None:
    """401 before anything else."""
    async with world.gateway() as running, httpx.AsyncClient(timeout=60) as http:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(running.url, additional_headers={"Authorization": "Bearer wrong"}):
                pass
        response = await http.post(running.http_url, headers={"Content-Type": "application/x-protobuf"})

        assert (caught.value.response.status_code, response.status_code) == (401, 401)


async def test_reconnect_with_unchanged_status_is_one_fact(world: World) -> None:
    """Through another gateway: what was published once is known to all."""
    async with world.gateway() as first, world.gateway() as second:
        async with agent(first) as socket:
            await say(socket, full())
            await world.facts(UID, *FIRST)
        await world.facts(UID, *FIRST, "disconnected")

        async def known() -> bool:
            found = await entry(world)
            return b"d:health" in found and names.GATEWAY.encode() not in found

        await wait_until(known)
        async with agent(second) as socket:
            assert (await say(socket, full(sequence_num=1))).flags == 0
            await world.facts(UID, *FIRST, "disconnected", "connected")
            assert (await say(socket, message(sequence_num=2))).flags == 0


async def test_offer_reaches_its_agent_by_hash_and_inline(world: World) -> None:
    """From the object store or from the offer itself; delivery is a fact."""
    async with world.gateway() as running, agent(running) as socket:
        await say(socket, full())
        await world.facts(UID, *FIRST)
        assert (await world.offer(running, config_offer())).content_missing
        await world.bus.put_object(subjects.CONTENT_BUCKET, HASH.hex(), CONFIG.SerializeToString())

        reply = await world.offer(running, config_offer())

        assert (reply.accepted, reply.gateway_id) == (1, running.gateway_id)
        assert (await hear(socket)).remote_config.config_hash == HASH
        found = await world.facts(UID, *FIRST, "offer_delivered")
        assert found[-1].offer_delivered.offer_id == "o1"
        assert (await world.offer(running, config_offer(OTHER))).unknown_uids == OTHER


async def test_offer_to_all_is_heard(world: World) -> None:
    """When nobody knows which gateway holds the agent."""
    async with world.gateway() as running, agent(running) as socket:
        await say(socket, full())
        await world.bus.publish(
            subjects.OFFER_ALL, config_offer(content=CONFIG.SerializeToString()).SerializeToString()
        )

        assert (await hear(socket)).remote_config.config_hash == HASH


async def test_desired_config_is_in_the_first_answer(world: World) -> None:
    """config-service wrote its hash into the registry; the content comes from the store."""
    await write_entry(world, desired=HASH, desired_version=1)
    await world.bus.put_object(subjects.CONTENT_BUCKET, HASH.hex(), CONFIG.SerializeToString())
    async with world.gateway() as running, httpx.AsyncClient(timeout=60) as http:
        async with agent(running) as socket:
            assert (await say(socket, full())).remote_config.config_hash == HASH
            await world.facts(UID, *FIRST, "offer_delivered")
        await world.facts(UID, *FIRST, "offer_delivered", "disconnected")

        assert (await poll(http, running, full(sequence_num=1))).remote_config.config_hash == HASH


async def test_polling_agent_is_known_served_and_lost(world: World) -> None:
    """A session over many connections; offers in its answers; silence ends it."""
    async with world.gateway(POLL_SILENCE_SECONDS="5") as running:
        for number, said in enumerate((full(), message(sequence_num=1), message(sequence_num=2))):
            async with httpx.AsyncClient(timeout=60) as http:
                told = await poll(http, running, said)
                assert told.HasField("remote_config") == (number == 2)
            if number == 1:
                await world.offer(running, config_offer(content=CONFIG.SerializeToString()))

        found = await world.facts(UID, *FIRST, "offer_delivered", "disconnected")
        assert found[-1].disconnected.reason == "poll silence"


async def test_polls_may_move_between_gateways(world: World) -> None:
    """One epoch, growing sequences, one Connected, no question about lost messages, no false goodbye."""
    async with (
        world.gateway(POLL_SILENCE_SECONDS="10") as first,
        world.gateway() as second,
        httpx.AsyncClient(timeout=60) as http,
    ):
        await poll(http, first, full())
        await world.facts(UID, *FIRST)
        for number in range(1, 9):
            said = message(sequence_num=number)
            said.health.status = str(number)

            async def written(expected: bytes = str(number - 1).encode()) -> bool:
                return (await entry(world)).get(b"seq") == expected

            await wait_until(written)
            assert (await poll(http, (first, second)[number % 2], said)).flags == 0

        found = await world.facts(UID, *FIRST, *["health_reported"] * 8)
        assert len({fact.epoch for fact in found}) == 1
        fences = [fact.sequence for fact in found]
        assert fences == sorted(set(fences))


async def test_gateway_that_lost_a_poller_says_so_and_the_other_brings_the_change(world: World) -> None:
    """An offer to the first finds out by a refused write; the second reads by itself what is wanted."""
    content = CONFIG.SerializeToString()
    await world.bus.put_object(subjects.CONTENT_BUCKET, HASH.hex(), content)
    async with world.gateway() as first, world.gateway() as second, httpx.AsyncClient(timeout=60) as http:
        await poll(http, first, full())
        await world.facts(UID, *FIRST)

        async def claimed() -> bool:
            return (await entry(world)).get(b"gateway") == first.gateway_id.encode()

        async def moved() -> bool:
            return (await entry(world)).get(b"turn") == b"1"

        async def unknown() -> bool:
            return (await world.offer(first, config_offer(content=content))).unknown_uids == UID

        await wait_until(claimed)
        await poll(http, second, message(sequence_num=1))
        await wait_until(moved)
        await wait_until(unknown)
        await write_entry(world, desired=HASH, desired_version=1)
        numbers = iter(range(2, 1000))

        async def brought() -> bool:
            told = await poll(http, second, message(sequence_num=next(numbers)))
            assert told.flags == 0
            return told.remote_config.config_hash == HASH

        await wait_until(brought)
        await world.facts(UID, *FIRST, "offer_delivered")


async def test_agents_are_answered_while_nats_is_away(world: World) -> None:
    """Facts wait and arrive in order afterwards; nobody is dropped."""
    async with world.gateway() as running, agent(running) as socket:
        await say(socket, full())
        await world.facts(UID, *FIRST)
        world.nats.kill()
        for number in range(1, 6):
            said = message(sequence_num=number)
            said.health.status = str(number)
            await say(socket, said)
        world.nats.start()

        await wait_until(lambda: world.state.of(UID, "health_reported")[-1].health.status == "5", 60)
        fences = [fact.sequence for fact in world.state.facts if fact.instance_uid == UID]
        assert sorted(fences) == fences


async def test_agents_are_answered_while_agent_state_is_away(world: World) -> None:
    """New connections too, once their token is known; their facts come with their epochs."""
    async with world.gateway() as running, agent(running) as first:
        await say(first, full(OTHER))
        await world.facts(OTHER, *FIRST)
        world.state.away = True
        async with agent(running) as socket:
            await say(socket, full())
            async with agent(running) as brief:
                await say(brief, full(b"z" * 16))
            world.state.away = False
            await world.facts(UID, *FIRST)
            assert world.state.kinds(b"z" * 16) == []


async def test_agents_are_served_while_redis_is_away(world: World) -> None:
    """Every Redis error is a cache miss."""
    async with world.gateway() as running, httpx.AsyncClient(timeout=60) as http:
        world.redis.kill()
        async with agent(running) as socket:
            await say(socket, full())
            assert (await say(socket, message(sequence_num=1))).flags == 0
            await world.facts(UID, *FIRST)
        await world.facts(UID, *FIRST, "disconnected")
        await poll(http, running, full(OTHER))
        await world.facts(OTHER, *FIRST)


async def test_emptied_registry_is_written_again(world: World) -> None:
    """By itself, from the live sessions."""
    async with world.gateway() as running, agent(running) as socket:
        await say(socket, full())
        await world.facts(UID, *FIRST)

        async def known() -> bool:
            found = await entry(world)
            return found.get(b"gateway") == running.gateway_id.encode() and b"d:health" in found

        await wait_until(known)
        async with Redis.from_url(world.redis.url) as redis:
            await redis.flushall()
        await wait_until(known)
        async with Redis.from_url(world.redis.url) as redis:
            await redis.delete(names.entry_key("default", UID))
        await world.bus.publish(subjects.RESYNC, b"")
        await wait_until(known)


async def test_lost_stream_is_made_again_and_filled(world: World) -> None:
    """Facts nobody consumed may be gone with it, so agents are asked for everything."""
    async with world.gateway() as running, agent(running) as socket:
        await say(socket, full())
        await world.facts(UID, *FIRST)
        await world.bus.js.delete_stream(streams.FACTS.name)
        world.nats.kill()
        world.nats.start()

        told = await hear(socket)
        assert told.flags == 1
        await say(socket, full(sequence_num=1))
        await wait_until(lambda: world.state.kinds(UID).count("described") == 2, 60)
        assert world.state.kinds(UID).count("connected") == 2


async def test_agent_that_moved_leaves_its_dead_socket_behind(world: World) -> None:
    """The old gateway pings, hears nothing, and closes; a living holder makes the newcomer a clone."""
    async with world.gateway(CLONE_SECONDS="3") as first, world.gateway(CLONE_SECONDS="3") as second:
        async with agent(first) as living:
            await say(living, full())
            await world.facts(UID, *FIRST)

            async def claimed() -> bool:
                return (await entry(world)).get(b"gateway") == first.gateway_id.encode()

            await wait_until(claimed)
            reading = asyncio.ensure_future(living.recv())
            async with agent(second) as clone:
                told = await say(clone, full())
                assert len(told.agent_identification.new_instance_uid) == 16
            living.pong = _no_pong  # type: ignore[method-assign, assignment]
            living.protocol.receive_data = lambda data: None  # type: ignore[method-assign]  # noqa: ARG005
            async with agent(second) as moved:
                told = await say(moved, full(sequence_num=1))
                assert not told.HasField("agent_identification")
                await wait_until(
                    lambda: [gone.reason for gone in world.state.of(UID, "disconnected")][:1] == ["replaced"]
                )
            reading.cancel()
            living.transport.abort()


async def _no_pong(_: bytes) -> None: ...


async def test_drain_closes_with_1001_and_says_goodbye(world: World) -> None:
    """Disconnected facts are stored, the lease ends, the last beat says that the gateway leaves."""
    async with world.gateway() as running:
        socket = await connect(running.url, additional_headers=BEARER, compression=None)
        await say(socket, full())
        await world.facts(UID, *FIRST)
    with pytest.raises(ConnectionClosed) as caught:
        await asyncio.wait_for(socket.recv(), 30)

    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001
    found = await world.facts(UID, *FIRST, "disconnected")
    assert found[-1].disconnected.reason == "drain"
    await wait_until(lambda: world.state.beats[-1].leaving)
    async with Redis.from_url(world.redis.url) as redis:
        assert not await redis.exists(names.lease_key(running.gateway_id))


async def test_storm_takes_few_questions(world: World) -> None:
    """Two hundred agents at once: every one known, epochs in a handful of requests."""
    uids = [bytes([number]) * 16 for number in range(200)]
    async with world.gateway() as running:
        sockets = await asyncio.gather(
            *(connect(running.url, additional_headers=BEARER, compression=None) for _ in uids)
        )
        await asyncio.gather(*(say(socket, full(uid)) for socket, uid in zip(sockets, uids, strict=True)))
        await wait_until(lambda: all(world.state.kinds(uid) == list(FIRST) for uid in uids), 60)
        assert len(world.state.allocations) < 60
        epochs = {fact.epoch for fact in world.state.facts}
        assert len(epochs) == 200
        await asyncio.gather(*(socket.close() for socket in sockets))
        assert CAPABILITIES


async def test_client_that_compresses_is_served(world: World) -> None:
    """A library's permessage-deflate, both ways, with whatever window it asks for."""
    content = opamp.AgentRemoteConfig(config_hash=HASH)
    content.config.config_map["config.yaml"].body = b"receivers: {}\n" * 1000
    for server_bits in (None, 9):
        factory = ClientPerMessageDeflateFactory(server_max_window_bits=server_bits)
        async with (
            world.gateway() as running,
            connect(
                running.url,
                additional_headers=BEARER,
                compression=None,
                extensions=[factory],
                ping_interval=None,
            ) as socket,
        ):
            assert [type(one) for one in socket.protocol.extensions] == [PerMessageDeflate]
            assert (await say(socket, full())).capabilities
            assert (await say(socket, message(sequence_num=1))).flags == 0
            await world.offer(running, config_offer(content=content.SerializeToString()))
            assert (await hear(socket)).remote_config == content


async def test_compression_can_be_declined(world: World) -> None:
    """By a setting; the client goes on without."""
    async with (
        world.gateway(COMPRESSION="false") as running,
        connect(running.url, additional_headers=BEARER, ping_interval=None) as socket,
    ):
        assert socket.protocol.extensions == []
        assert (await say(socket, full())).capabilities
