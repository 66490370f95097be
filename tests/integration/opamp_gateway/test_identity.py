"""Who agents are, on real NATS: certificates and tokens at the door, revocation, admission, custom messages."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from gatewaylab.authority import Authority, pem, save
from gatewaylab.speech import CAPABILITIES, OTHER, UID, answer, full, message
from gatewaylab.stage import TOKEN
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from contracts import subjects
from contracts.ids import format_uid
from devstack.ports import free_port
from fleet.api.v1 import identity_pb2 as identity
from fleet.events.v1 import custom_pb2, facts_pb2, identity_pb2, offers_pb2
from opamp.v1 import opamp_pb2 as opamp
from world.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gatewaylab.stage import Running, World

    from servicekit.bus import BusMessage

BEARER = {"Authorization": f"Bearer {TOKEN}"}
TAKES = CAPABILITIES | opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
PROTOBUF = {"Content-Type": "application/x-protobuf"}


async def say(socket: ClientConnection, said: opamp.AgentToServer) -> opamp.ServerToAgent:
    """Say something and read the answer."""
    await socket.send(b"\x00" + said.SerializeToString())
    return await hear(socket)


async def hear(socket: ClientConnection) -> opamp.ServerToAgent:
    """Read one message."""
    payload = await asyncio.wait_for(socket.recv(), 30)
    assert isinstance(payload, bytes)
    return answer(payload[1:])


@asynccontextmanager
async def tls_gateway(world: World, folder: Path, door: Authority, **settings: str) -> AsyncIterator[int]:
    """Run a gateway with TLS in a process of its own, on the loop it uses in production."""
    port, log = free_port(), folder / "gateway.log"
    certificate, key = door.door(folder)
    environment = {
        "NATS_URL": world.nats.url,
        "REDIS_URL": world.redis.url,
        "PORT": str(port),
        "TLS_CERTIFICATE_FILE": str(certificate),
        "TLS_KEY_FILE": str(key),
        "DRAIN_GRACE_SECONDS": "1",
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 - its start blocks nobody
            [sys.executable, "-m", "opamp_gateway"],
            env={f"OPAMP_GATEWAY_{name}": value for name, value in environment.items()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await wait_until(lambda: b"service_started" in log.read_bytes(), 60)
        yield port
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
        assert b"Traceback" not in log.read_bytes()
    finally:
        process.kill()
        process.wait()


def client_context(door: Authority, folder: Path, authority: Authority | None = None) -> ssl.SSLContext:
    """Trust the door; show a certificate of *authority* that names UID."""
    context = ssl.create_default_context(cadata=door.pem)
    if authority is not None:
        files = save(*authority.agent(UID), folder, "agent")
        context.load_cert_chain(*map(str, files))
    return context


async def test_agents_with_certificates_are_let_in_over_tls(world: World, tmp_path: Path) -> None:
    """Both transports on one port; the platform's authority is fetched, a stranger's certificate is nothing."""
    door, authority, stranger = Authority("door authority"), Authority("platform"), Authority("stranger")
    world.state.authority = authority.pem
    agent, key = authority.agent(UID)
    world.state.verdicts[agent.fingerprint(SHA256())] = identity.Verdict(
        tenant_id="default", credential_id="c-1", bound_uid=UID, cache_seconds=30, approval="approved"
    )
    own = ssl.create_default_context(cadata=door.pem)
    own.load_cert_chain(*map(str, save(agent, key, tmp_path, "own")))
    async with tls_gateway(world, tmp_path, door) as port:
        url = f"wss://127.0.0.1:{port}/v1/opamp"
        async with connect(url, ssl=own, compression=None) as socket:
            told = await say(socket, full())
            assert told.capabilities & opamp.ServerCapabilities_AcceptsConnectionSettingsRequest
            assert (await say(socket, message(sequence_num=1))).flags == 0
        async with httpx.AsyncClient(verify=own, timeout=60) as http:
            polled = await http.post(
                url.replace("wss", "https"), content=full(sequence_num=2).SerializeToString(), headers=PROTOBUF
            )
            other = await http.post(
                url.replace("wss", "https"), content=full(OTHER).SerializeToString(), headers=PROTOBUF
            )
        assert (polled.status_code, other.status_code) == (200, 401)
        assert other.text == "This credential belongs to another agent."
        with pytest.raises((OSError, ConnectionClosed, InvalidHandshake)):
            async with connect(url, ssl=client_context(door, tmp_path, stranger)) as socket:
                await say(socket, full())
        with pytest.raises(InvalidStatus) as caught:
            async with connect(url, ssl=client_context(door, tmp_path)):
                pass
        assert caught.value.response.status_code == 401
        async with connect(url, ssl=client_context(door, tmp_path), additional_headers=BEARER) as socket:
            assert (await say(socket, full(OTHER))).capabilities
    shown = next(proof for proof in world.state.proofs if proof.certificate_sha256)
    assert (shown.certificate_uid, shown.outside_ca, shown.remote_ip) == (UID, False, "127.0.0.1")


async def test_certificate_forwarded_by_a_trusted_proxy_counts(world: World) -> None:
    """From the proxy's network only; from elsewhere the header is air."""
    authority = Authority()
    world.state.authority = authority.pem
    agent, _ = authority.agent(UID)
    verdict = identity.Verdict(tenant_id="default", credential_id="c-1", bound_uid=UID, cache_seconds=30)
    world.state.verdicts[agent.fingerprint(SHA256())] = verdict
    forwarded = {"X-Client-Cert": quote(pem(agent))}
    settings = {"CLIENT_CERTIFICATE_HEADER": "X-Client-Cert"}
    async with (
        world.gateway(**settings, CERTIFICATE_PROXIES="127.0.0.0/8") as believing,
        world.gateway(**settings, CERTIFICATE_PROXIES="10.0.0.0/8", TRUSTED_PROXIES="127.0.0.0/8") as other,
        httpx.AsyncClient(timeout=60) as http,
    ):
        body = full().SerializeToString()
        statuses = [
            (await http.post(running.http_url, content=body, headers={**PROTOBUF, **forwarded})).status_code
            for running in (believing, other)
        ]
    assert statuses == [200, 401]


async def test_refusal_is_said_in_the_401(world: World) -> None:
    """The sentence of agent-state, on both transports; no 101."""
    world.state.verdicts.clear()
    async with world.gateway() as running, httpx.AsyncClient(timeout=60) as http:
        with pytest.raises(InvalidStatus) as caught:
            async with connect(running.url, additional_headers=BEARER):
                pass
        polled = await http.post(running.http_url, content=full().SerializeToString(), headers={**BEARER, **PROTOBUF})
    assert caught.value.response.status_code == polled.status_code == 401
    assert caught.value.response.body == polled.content == b"this token is not known"
    assert polled.headers["WWW-Authenticate"] == "Bearer"
    assert {proof.instance_uid for proof in world.state.proofs} == {b"", UID}


async def test_revocation_closes_at_once_and_lets_nobody_in_again(world: World) -> None:
    """Close frame with the reason; the remembered verdict is worth nothing any more."""
    async with world.gateway() as running:
        async with connect(running.url, additional_headers=BEARER, ping_interval=None) as socket:
            await say(socket, full())
            world.state.verdicts.clear()
            change = identity_pb2.IdentityChanged(tenant_id="default", credential_ids=["1"], close=True)
            await world.state.change_identity(change)
            with pytest.raises(ConnectionClosed) as caught:
                await hear(socket)
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "unauthorised")
        with pytest.raises(InvalidStatus):
            async with connect(running.url, additional_headers=BEARER):
                pass


async def test_admission_settings_and_labels_reach_agent_and_bus(world: World) -> None:
    """Offer in the first answer over both transports; labels in the fact."""
    settings = opamp.ConnectionSettingsOffers(hash=b"s" * 32)
    settings.opamp.destination_endpoint = "wss://x/v1/opamp"
    for verdict in world.state.verdicts.values():
        verdict.needs_admission = True
    world.state.admission = identity.AdmitAgentReply(
        approval="approved",
        labels={"group": "edge"},
        connection_settings=settings.SerializeToString(),
        connection_settings_hash=settings.hash,
    )
    async with world.gateway() as running, httpx.AsyncClient(timeout=60) as http:
        first, second = full(), full(OTHER)
        first.capabilities = second.capabilities = TAKES
        async with connect(running.url, additional_headers=BEARER, ping_interval=None) as socket:
            told = await say(socket, first)
            polled = await http.post(
                running.http_url, content=second.SerializeToString(), headers={**BEARER, **PROTOBUF}
            )
            await wait_until(lambda: len(world.state.of(UID, "connected")) == 1)
        assert told.connection_settings.hash == answer(polled.content).connection_settings.hash == b"s" * 32
        assert dict(world.state.of(UID, "connected")[0].labels) == {"group": "edge"}
        await wait_until(lambda: bool(world.state.of(UID, "offer_delivered")))
    assert {request.instance_uid for request in world.state.admitted} == {UID, OTHER}


async def test_custom_message_is_heard_on_the_bus_and_one_is_delivered(world: World) -> None:
    """Both ways: at once on core NATS and stored as a fact; back as an offer to an agent that announced it."""
    heard: list[custom_pb2.CustomMessageHeard] = []

    async def on_heard(said: BusMessage) -> None:
        heard.append(custom_pb2.CustomMessageHeard.FromString(said.payload))

    await world.bus.subscribe(subjects.custom("default", UID), on_heard)
    await world.bus.nc.flush()
    async with world.gateway(CUSTOM_CAPABILITIES="com.example.echo") as running:
        async with connect(running.url, additional_headers=BEARER, ping_interval=None) as socket:
            first = full()
            first.custom_capabilities.capabilities.append("com.example.echo")
            told = await say(socket, first)
            assert list(told.custom_capabilities.capabilities) == ["com.example.echo"]
            words = message(sequence_num=1)
            words.custom_message.CopyFrom(
                opamp.CustomMessage(capability="com.example.echo", type="ping", data=b"\x00\xff")
            )
            await say(socket, words)
            await wait_until(lambda: bool(heard))
            await wait_until(lambda: bool(world.state.of(UID, "custom_message_received")))

            replies = [await world.offer(running, custom_offer(name)) for name in ("com.example.echo", "com.example.x")]
            answered = await hear(socket)

    assert (heard[0].message.type, heard[0].message.data, heard[0].instance_uid) == ("ping", b"\x00\xff", UID)
    assert [(reply.accepted, reply.incapable_uids) for reply in replies] == [(1, b""), (0, UID)]
    assert answered.custom_message.data == b"\x01"


def custom_offer(capability: str) -> offers_pb2.Offer:
    """Offer a custom message."""
    content = opamp.CustomMessage(capability=capability, type="pong", data=b"\x01").SerializeToString()
    offer = offers_pb2.Offer(
        offer_id="o", tenant_id="default", kind=facts_pb2.OFFER_KIND_CUSTOM_MESSAGE, content=content
    )
    offer.targets.add(instance_uid=UID)
    return offer


async def test_stated_uid_is_part_of_the_proof(world: World) -> None:
    """A WebSocket client that names itself in the head is decided about by name."""
    headers = {**BEARER, "OpAMP-Instance-UID": format_uid(UID)}
    async with world.gateway() as running:
        async with connect(running.url, additional_headers=headers):
            pass
    assert world.state.proofs[0].instance_uid == UID


async def test_two_clones_that_knock_at_two_gateways_at_once_end_as_two(world: World) -> None:
    """Neither saw the other in the registry; the one that finds out gets a uid of its own."""
    async with world.gateway() as first, world.gateway() as second:

        async def clone(running: Running) -> bytes:
            async with connect(running.url, additional_headers=BEARER, ping_interval=None) as socket:
                told = await say(socket, full())
                while not told.HasField("agent_identification"):
                    told = await hear(socket)
                return told.agent_identification.new_instance_uid

        racing = [asyncio.ensure_future(clone(running)) for running in (first, second)]
        done, left = await asyncio.wait(racing, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    assert [len(task.result()) for task in done] == [16]
