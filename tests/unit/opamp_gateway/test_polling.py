"""Plain HTTP: one POST, one answer, a session that outlives its connections."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web
from gatewaylab.fakes import Lab
from gatewaylab.speech import CAPABILITIES, OTHER, UID, answer, full, masked, message, said
from multidict import CIMultiDict

from contracts.ids import format_uid
from fleet.api.v1 import identity_pb2 as identity
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers, facts
from opamp_gateway.bodies import TooLarge, inflate, takes_gzip
from opamp_gateway.compiled import form
from opamp_gateway.credentials import Credential, Proof
from opamp_gateway.errands import Errands
from opamp_gateway.errors import BadMessage
from opamp_gateway.identity_desk import IdentityDesk
from opamp_gateway.limits import Limits
from opamp_gateway.offers import COMMAND, REMOTE_CONFIG, REPORT_FULL_STATE, Offering
from opamp_gateway.poll import Poll
from opamp_gateway.polling import MEDIA_TYPE, Polling
from opamp_gateway.session import HTTP, Memory, Session, Step
from opamp_gateway.shelf import Verdict
from servicekit.errors import Invalid, Unauthenticated, Unavailable
from world.eventually import wait_until


class Client:
    """Posts to a gateway of fakes."""

    def __init__(self, lab: Lab, url: str, http: aiohttp.ClientSession) -> None:
        self.lab = lab
        self.url = url
        self.http = http

    async def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Post bytes; underscores in header names become hyphens."""
        all_headers = {"Content-Type": MEDIA_TYPE, "Accept-Encoding": "identity"}
        all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url, data=body, headers=all_headers) as response:
            return response.status, dict(response.headers), await response.read()

    async def say(self, said_: opamp.AgentToServer) -> opamp.ServerToAgent:
        """Post a message and read the answer, which must be a good one."""
        status, headers, body = await self.post(said_.SerializeToString())
        assert (status, headers["Content-Type"]) == (200, MEDIA_TYPE)
        return answer(body)


@asynccontextmanager
async def client(lab: Lab) -> AsyncIterator[Client]:
    """Serve polling by aiohttp's own server, as the door does."""
    server = web.Server(Polling(lab.gateway).handle, auto_decompress=False, access_log=None)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Content-Type"]) as http:
        yield Client(lab, f"http://127.0.0.1:{port}/v1/opamp", http)
    await runner.cleanup()


def poll_of(lab: Lab) -> Poll:
    """Find the polling session of the agent."""
    holder = lab.gateway.connections.get("default", UID)
    assert isinstance(holder, Poll)
    return holder


async def test_post_is_answered_with_one_message() -> None:
    """Bare protobuf both ways; the session is HTTP and becomes facts."""
    async with client(Lab()) as agent:
        first = await agent.say(full())
        agent.lab.number()
        second = await agent.say(message(sequence_num=1))

        assert (first.instance_uid, bool(first.capabilities)) == (UID, True)
        assert (second.instance_uid, second.capabilities, second.flags) == (UID, 0, 0)
        connected = facts_pb2.Connected.FromString(agent.lab.facts()[0].body)
        assert connected.transport == facts_pb2.TRANSPORT_HTTP
        assert agent.lab.kinds().count(facts.CONNECTED) == 1
        assert agent.lab.gateway.tally.heartbeats == 1
        assert agent.lab.book.noted == [poll_of(agent.lab).session]


@pytest.mark.parametrize("accept", ["gzip", "gzip;q=0.5", "*", "deflate, gzip"])
async def test_gzip_is_spoken_both_ways(accept: str) -> None:
    """A packed body is unpacked; the answer is packed when the agent takes that."""
    async with client(Lab()) as agent:
        packed = gzip.compress(full().SerializeToString())
        status, headers, body = await agent.post(packed, Content_Encoding="gzip", Accept_Encoding=accept)

        assert (status, headers["Content-Encoding"]) == (200, "gzip")
        assert answer(gzip.decompress(body)).instance_uid == UID


@pytest.mark.parametrize("accept", ["identity", "gzip;q=0", "deflate", "*;q=0", "gzip;q=x", ""])
def test_answer_is_plain_unless_gzip_is_asked_for(accept: str) -> None:
    """Some agents fail on any Content-Encoding they did not ask for."""
    assert not takes_gzip(accept)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "application/json"}, 415),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Encoding": "br"}, 415),
        ({"Content_Encoding": "gzip, gzip"}, 415),
        ({"Content_Encoding": "gzip"}, 400),
    ],
)
async def test_wrong_request_is_refused(headers: dict[str, str], status: int) -> None:
    """Media types, codings nobody named, and gzip that is none."""
    async with client(Lab()) as agent:
        assert (await agent.post(b"not gzip", **headers))[0] == status


async def test_other_methods_and_paths_are_refused() -> None:
    """405 names what is allowed; another path is 404."""
    async with client(Lab()) as agent:
        async with agent.http.get(agent.url) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, POST")
        agent.url += "/other"
        assert (await agent.post(b""))[0] == 404


async def test_several_codings_in_several_headers_are_refused() -> None:
    """Two Content-Encoding lines are two codings."""
    async with client(Lab()) as agent:
        headers = [("Content-Type", MEDIA_TYPE), ("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")]
        async with agent.http.post(agent.url, data=b"", headers=headers) as response:
            assert response.status == 415


async def test_body_over_the_limit_is_413() -> None:
    """As received, as announced, and unpacked."""
    async with client(Lab(Limits(max_body_bytes=2000))) as agent:

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b"x" * 100

        bomb = gzip.compress(b"\0" * 1_000_000)
        assert len(bomb) < 2000
        assert (await agent.post(b"x" * 2001))[0] == 413
        assert (await agent.post(bomb, Content_Encoding="gzip"))[0] == 413
        async with agent.http.post(agent.url, data=chunks(), headers={"Content-Type": MEDIA_TYPE}) as response:
            assert response.status == 413


async def test_body_that_trickles_is_408() -> None:
    """A slow body does not hold the gateway."""
    async with client(Lab(Limits(handshake_seconds=0.05))) as agent:

        async def trickle() -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.sleep(5)

        async with agent.http.post(agent.url, data=trickle(), headers={"Content-Type": MEDIA_TYPE}) as response:
            assert response.status == 408


async def test_malformed_chunks_are_400() -> None:
    """What cannot be read as HTTP is the peer's mistake, not an error of ours."""
    async with client(Lab()) as agent:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(agent.url.split(":")[2].split("/")[0]))
        head = f"POST /v1/opamp HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"zz\r\n")

        assert b" 400 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()


@pytest.mark.parametrize("body", [b"\xff\xff", b"", opamp.AgentToServer(instance_uid=b"x").SerializeToString()])
async def test_bad_message_is_200_with_the_error_inside(body: bytes) -> None:
    """What an agent can read, it is told in the body."""
    async with client(Lab()) as agent:
        status, _, reply = await agent.post(body)

        assert status == 200
        assert answer(reply).error_response.type == opamp.ServerErrorResponseType_BadRequest


async def test_uid_header_decides_nothing() -> None:
    """It is for those who route by it; the body says who speaks."""
    async with client(Lab()) as agent:
        body = full().SerializeToString()
        good = await agent.post(body, OpAMP_Instance_UID=format_uid(UID))
        bad = await agent.post(body, OpAMP_Instance_UID=format_uid(OTHER))

        assert not answer(good[2]).HasField("error_response")
        assert not answer(bad[2]).HasField("error_response")
        assert answer(bad[2]).instance_uid == UID


async def test_token_is_needed() -> None:
    """401 without or with a bad one, 503 when nobody can say."""

    async def authenticate(proofs: Sequence[Proof]) -> list[Verdict]:
        if away:
            raise Unavailable("away")
        return [
            Verdict(Credential("acme", "t"), cache_seconds=1)
            if proof.token_hash == good
            else Verdict(refusal="nobody's")
            for proof in proofs
        ]

    good, away = hashlib.sha256(b"good").digest(), False
    lab = Lab()
    lab.gateway.tokens = IdentityDesk(authenticate, lab.clock, good_seconds=1, bad_seconds=1)
    async with client(lab) as agent:
        body = full().SerializeToString()
        assert (await agent.post(body))[0] == 401
        assert (await agent.post(body, Authorization="Bearer bad"))[0] == 401
        assert (await agent.post(body, Authorization="Bearer good"))[0] == 200
        assert lab.gateway.connections.get("acme", UID) is not None
        away = True
        status, headers, _ = await agent.post(body, Authorization="Bearer other")
        assert (status, "Retry-After" in headers) == (503, True)


async def test_crowd_is_told_when_to_come_back_twice() -> None:
    """503 with Retry-After, and retry_info in the body; whoever is in stays in."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.gateway.admission.draining = True
        status, headers, body = await agent.post(full(OTHER).SerializeToString())
        told = answer(body).error_response

        assert status == 503
        assert told.type == opamp.ServerErrorResponseType_Unavailable
        assert told.retry_info.retry_after_nanoseconds == int(headers["Retry-After"]) * 1_000_000_000
        assert (await agent.say(message(sequence_num=1))).instance_uid == UID
        headers = (await agent.post(message(sequence_num=2).SerializeToString()))[1]
        assert (headers["Connection"], headers["Server"]) == ("close", "opamp-gateway")


async def test_flood_of_one_agent_is_429() -> None:
    """Its own credit, nobody else's."""
    async with client(Lab(Limits(message_burst=2, messages_per_second=1))) as agent:
        await agent.say(full())
        for number in (1, 2):
            await agent.say(message(sequence_num=number))
        status, headers, _ = await agent.post(message(sequence_num=3).SerializeToString())
        assert (status, headers["Retry-After"]) == (429, "30")

        await agent.say(full(OTHER))
        await agent.lab.clock.advance(5)
        await agent.say(message(sequence_num=3))


async def test_offers_wait_for_the_next_poll() -> None:
    """Kinds that go together go in one answer; each delivery is told."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number()
        poll = poll_of(agent.lab)
        config = opamp.AgentRemoteConfig(config_hash=b"h" * 32).SerializeToString()
        poll.deliver(Offering(REMOTE_CONFIG, b"h" * 32, config, "o1"))
        poll.deliver(Offering(REPORT_FULL_STATE, b"", b"", "o2"))

        told = await agent.say(message(sequence_num=1))

        assert (told.remote_config.config_hash, told.flags) == (b"h" * 32, 1)
        assert agent.lab.kinds()[-1] == facts.OFFER_DELIVERED
        assert agent.lab.kinds().count(facts.OFFER_DELIVERED) == 1
        assert (await agent.say(message(sequence_num=2))).SerializeToString() == b"\x0a\x10" + UID


async def test_command_goes_in_an_answer_of_its_own() -> None:
    """What else there is waits for the poll after it."""
    async with client(Lab()) as agent:
        said = full()
        said.capabilities |= opamp.AgentCapabilities_AcceptsRestartCommand
        await agent.say(said)
        poll = poll_of(agent.lab)
        poll.deliver(Offering(REMOTE_CONFIG, b"h", b"", "o1"))
        poll.deliver(Offering(COMMAND, b"", b"", "o2"))

        first = await agent.say(message(sequence_num=1, capabilities=0))
        second = await agent.say(message(sequence_num=2, capabilities=0))

        assert (first.HasField("command"), first.HasField("remote_config")) == (True, False)
        assert (second.HasField("command"), second.HasField("remote_config")) == (False, True)


async def test_offer_too_large_for_an_answer_is_left_out() -> None:
    """The limit is on the answer as a whole."""
    async with client(Lab(Limits(max_answer_bytes=1024))) as agent:
        await agent.say(message())
        poll_of(agent.lab).deliver(Offering(REMOTE_CONFIG, b"h", b"\x1a\x00" * 1000, "o1"))

        assert not (await agent.say(message(sequence_num=1))).HasField("remote_config")


async def test_same_config_a_moment_later_is_not_sent_again() -> None:
    """As on a WebSocket."""
    async with client(Lab()) as agent:
        await agent.say(full())
        poll = poll_of(agent.lab)
        poll.deliver(Offering(REMOTE_CONFIG, b"h", b"", "o1"))
        await agent.say(message(sequence_num=1))
        poll.deliver(Offering(REMOTE_CONFIG, b"h", b"", "o2"))

        assert not (await agent.say(message(sequence_num=2))).HasField("remote_config")


async def test_goodbye_ends_the_session() -> None:
    """A goodbye over HTTP counts, too; offers to nobody are dropped."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number()
        poll = poll_of(agent.lab)
        goodbye = message(sequence_num=1)
        goodbye.agent_disconnect.SetInParent()
        await agent.say(goodbye)

        assert agent.lab.gateway.connections.get("default", UID) is None
        assert agent.lab.kinds()[-1] == facts.DISCONNECTED
        poll.deliver(Offering(REMOTE_CONFIG, b"h", b"", "o2"))
        poll.end("again")
        assert agent.lab.kinds()[-1] == facts.DISCONNECTED
        assert poll.answer(Step(UID), b"x" * 3) == answers.acknowledge(UID) + b"x" * 3


async def test_uid_is_granted_over_http_as_well() -> None:
    """In the answer of the very poll that asks."""
    async with client(Lab()) as agent:
        asking = message()
        asking.flags = opamp.AgentToServerFlags_RequestInstanceUid

        assert len((await agent.say(asking)).agent_identification.new_instance_uid) == 16


async def test_poll_of_a_live_sockets_agent_is_a_clone() -> None:
    """The socket answers a ping: whoever polls with its uid gets another one."""
    lab = Lab()
    socket, transport = lab.open()
    socket.data_received(said(full()))
    async with client(lab) as agent:
        transport.take()
        polling = asyncio.ensure_future(agent.say(full()))
        await wait_until(lambda: transport.written)
        assert transport.frames() == [(9, b"")]
        socket.data_received(masked(10, b""))

        assert (await polling).HasField("agent_identification")


async def test_session_another_gateway_served_meanwhile_is_adopted() -> None:
    """A gap shows it: same epoch, next turn, no second Connected, nothing asked again."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        mine = poll_of(agent.lab).session
        assert mine is not None
        agent.lab.book.memories[UID] = Memory("gw-other", 5, HTTP, 1, 3, mine.capabilities, mine.digests)

        told = await agent.say(message(sequence_num=4))

        adopted = poll_of(agent.lab).session
        assert adopted is not None
        assert (adopted.epoch, adopted.turn, told.flags) == (5, 2, 0)
        assert agent.lab.kinds().count(facts.CONNECTED) == 1
        assert facts.DISCONNECTED not in agent.lab.kinds()


async def test_stale_turn_ends_with_the_registrys_refusal() -> None:
    """An answer was lost and the same bytes came here: the expected number hides that another turn began."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        stale = poll_of(agent.lab).session
        assert stale is not None
        agent.lab.book.memories[UID] = Memory("gw-other", 5, HTTP, 1, 1, stale.capabilities, stale.digests)
        await agent.say(message(sequence_num=1))

        agent.lab.gateway.superseded("default", UID, stale.epoch, stale.turn, claim=True)
        await agent.say(message(sequence_num=2))

        adopted = poll_of(agent.lab).session
        assert adopted is not None
        assert (adopted.epoch, adopted.turn) == (5, 2)


def wants(lab: Lab, desired: bytes, turn: int = 0) -> None:
    """Let the registry say that the agent should run *desired*; its content is on the shelf."""
    lab.book.memories[UID] = Memory("gw-test", 5, HTTP, turn, 1, desired=desired)
    content = opamp.AgentRemoteConfig(config_hash=desired).SerializeToString()
    lab.gateway.content.keep(desired, content)


async def test_config_wanted_meanwhile_goes_with_a_poll() -> None:
    """Whoever offers it may not know that the agent polls here; told once, and only some seconds after a look."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        wants(agent.lab, b"h" * 32)
        assert not (await agent.say(message(sequence_num=1))).HasField("remote_config")
        await agent.lab.clock.advance(4)

        assert (await agent.say(message(sequence_num=2))).remote_config.config_hash == b"h" * 32
        assert agent.lab.kinds()[-1] == facts.OFFER_DELIVERED
        for number in (3, 4):
            await agent.lab.clock.advance(40)
            assert not (await agent.say(message(sequence_num=number))).HasField("remote_config")


async def test_wanted_config_the_agent_has_is_not_offered() -> None:
    """Nor one that was just delivered as an offer."""
    async with client(Lab()) as agent:
        said_ = full()
        said_.remote_config_status.last_remote_config_hash = b"h" * 32
        await agent.say(said_)
        agent.lab.number(5)
        wants(agent.lab, b"h" * 32)
        await agent.lab.clock.advance(4)
        assert not (await agent.say(message(sequence_num=1))).HasField("remote_config")

        wants(agent.lab, b"i" * 32)
        poll_of(agent.lab).deliver(Offering(REMOTE_CONFIG, b"i" * 32, b"", "o1"))
        await agent.lab.clock.advance(4)
        assert (await agent.say(message(sequence_num=2))).HasField("remote_config")
        assert agent.lab.kinds().count(facts.OFFER_DELIVERED) == 1


async def test_wanted_config_without_content_is_looked_for_again() -> None:
    """A shelf that is empty now may be filled by the next poll."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        agent.lab.book.memories[UID] = Memory("gw-test", 5, HTTP, 0, 1, desired=b"h" * 32)
        await agent.lab.clock.advance(4)
        assert not (await agent.say(message(sequence_num=1))).HasField("remote_config")

        wants(agent.lab, b"h" * 32)
        await agent.lab.clock.advance(4)
        assert (await agent.say(message(sequence_num=2))).HasField("remote_config")


async def test_poll_notices_by_itself_that_it_was_superseded() -> None:
    """The expected number hides it, the look of every few seconds does not."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        wants(agent.lab, b"", turn=1)
        await agent.lab.clock.advance(4)
        await agent.say(message(sequence_num=1))

        adopted = poll_of(agent.lab).session
        assert adopted is not None
        assert (adopted.epoch, adopted.turn) == (5, 2)


async def test_registry_that_is_away_does_not_stop_a_plain_poll() -> None:
    """Only after a gap somebody must say who served it meanwhile."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        agent.lab.book.memories[UID] = None
        await agent.lab.clock.advance(4)

        assert (await agent.say(message(sequence_num=1))).flags == 0
        assert agent.lab.gateway.epochs.take() == []


async def test_offer_to_a_poller_asks_the_registry_whether_it_is_still_ours() -> None:
    """The write is refused if not, the session ends, and the next offer is told that the uid is unknown."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        poll = poll_of(agent.lab)
        poll.deliver(Offering(REMOTE_CONFIG, b"h" * 32, b"", "o1"))

        assert agent.lab.book.noted == [poll.session]


@pytest.mark.skipif(form().compiled, reason="compiled code does not look its own methods up")
async def test_first_poll_that_cannot_be_handled_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not left to wait for its deadline."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Session, "receive", fail)
    async with client(Lab()) as agent:
        told = (await agent.say(full())).error_response

        assert told.type == opamp.ServerErrorResponseType_Unavailable


async def test_plain_gap_asks_for_full_state() -> None:
    """Nobody else served it: messages were lost."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        agent.lab.book.memories[UID] = Memory("gw-test", 5, HTTP, 0, 0)

        assert (await agent.say(message(sequence_num=4))).flags == 1
        assert agent.lab.gateway.epochs.take() == []


async def test_gap_while_the_registry_is_away_starts_a_new_epoch() -> None:
    """Nobody can say who served it meanwhile, so the fence must rise."""
    async with client(Lab()) as agent:
        await agent.say(full())
        agent.lab.number(5)
        agent.lab.book.memories[UID] = None

        assert (await agent.say(message(sequence_num=4))).flags == 1
        assert len(agent.lab.gateway.epochs.take()) == 1


async def test_first_poll_that_takes_too_long_is_put_off() -> None:
    """The agent is told to come back; no session is left behind."""
    lab = Lab(Limits(handshake_seconds=0.05))
    lab.book.hold = True
    async with client(lab) as agent:
        status, headers, _ = await agent.post(full().SerializeToString())
        lab.book.let_go()

        assert (status, headers["Retry-After"]) == (503, "30")
        assert len(lab.gateway.connections) == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", gzip.compress(b"x")[:-4], gzip.compress(b"x") + b"y", zlib.compress(b"x")],
    ids=["empty", "garbage", "cut", "trailing", "zlib"],
)
def test_broken_gzip_is_a_bad_message(data: bytes) -> None:
    """Cut short, followed by something, or not gzip."""
    with pytest.raises(BadMessage):
        inflate(data, 100)


def test_bomb_is_stopped_at_the_limit() -> None:
    """Never more than the limit is unpacked."""
    with pytest.raises(TooLarge):
        inflate(gzip.compress(b"\0" * 10_000_000), 1000)
    assert inflate(gzip.compress(b"x" * 1000), 1000) == b"x" * 1000


async def test_polling_agent_cannot_be_asked_for_a_sign_of_life() -> None:
    """There is nothing to ping."""
    assert not await Poll(Lab().gateway).answers(1)


def knowing(lab: Lab, *credentials: Credential) -> None:
    """Let agent-state know these credentials, whose tokens are their ids."""
    by_hash = {hashlib.sha256(one.credential_id.encode()).digest(): one for one in credentials}

    async def authenticate(proofs: Sequence[Proof]) -> list[Verdict]:
        return [
            Verdict(by_hash[proof.token_hash], cache_seconds=60)
            if proof.token_hash in by_hash
            else Verdict(refusal="unknown")
            for proof in proofs
        ]

    lab.gateway.tokens = IdentityDesk(authenticate, lab.clock, good_seconds=60, bad_seconds=5)


async def test_other_credential_is_a_connection_of_its_own() -> None:
    """Everybody learns which one is used now; the session here, or what another gateway left, is not gone on with."""
    lab = Lab()
    knowing(lab, Credential("default", "token"), Credential("default", "own", bound_uid=UID))
    async with client(lab) as agent:
        await agent.post(full().SerializeToString(), Authorization="Bearer token")
        lab.number(5)
        lab.book.memories[UID] = Memory("gw-test", 5, HTTP, 0, 0, credential_id="token")

        status, _, _ = await agent.post(full().SerializeToString(), Authorization="Bearer own")
        lab.number(6)

        assert status == 200
        assert [lab.kinds().count(kind) for kind in (facts.CONNECTED, facts.DISCONNECTED)] == [2, 1]
        session = poll_of(lab).session
        assert session is not None
        assert (session.epoch, session.turn, session.credential_id) == (6, 0, "own")


async def test_body_names_whom_the_credential_is_compared_with() -> None:
    """401 with the sentence for another agent's uid, whatever the head says."""
    lab = Lab()
    knowing(lab, Credential("default", "own", bound_uid=UID))
    async with client(lab) as agent:
        mine = await agent.post(full().SerializeToString(), Authorization="Bearer own")
        other = await agent.post(
            full(OTHER).SerializeToString(), Authorization="Bearer own", OpAMP_Instance_UID=format_uid(UID)
        )

        assert (mine[0], other[0]) == (200, 401)
        assert other[2] == b"this credential belongs to another agent"


async def test_agent_renamed_elsewhere_is_polled_for_by_its_old_credential() -> None:
    """agent-state knows which uid it had; of one that it does not know it says no, and nobody waits for a no."""
    lab = Lab()
    knowing(lab, Credential("default", "own", bound_uid=UID))
    known = {OTHER}
    asked: list[identity.AdmitAgentRequest] = []

    async def admit(request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        asked.append(request)
        if request.instance_uid not in known:
            raise Unauthenticated("another agent's")
        return identity.AdmitAgentReply(approval="approved")

    lab.gateway.admit = admit
    async with client(lab) as agent:
        for number in range(2):
            heir = await agent.post(full(OTHER, sequence_num=number).SerializeToString(), Authorization="Bearer own")
            assert heir[0] == 200
        for _ in range(2):
            stranger = await agent.post(full(b"s" * 16).SerializeToString(), Authorization="Bearer own")
            assert (stranger[0], stranger[2]) == (401, b"another agent's")

        assert [request.renamed_elsewhere for request in asked] == [True, False, True]
        anew = full(OTHER)
        anew.instance_uid = b"n" * 16
        anew.flags = opamp.AgentToServerFlags_RequestInstanceUid
        assert (await agent.post(anew.SerializeToString(), Authorization="Bearer own"))[0] == 401


async def test_poll_that_a_change_has_overtaken_is_asked_about() -> None:
    """The verdict was good when the head was read; the agent was revoked before its body was."""
    lab = Lab()
    asked: list[bytes] = []

    async def admit(request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        asked.append(request.instance_uid)
        raise Unauthenticated("this agent was revoked")

    async def authenticate(proofs: Sequence[Proof]) -> list[Verdict]:
        lab.gateway.changes.note("default", [UID])
        return [Verdict(Credential("default", "t-1"), cache_seconds=60)] * len(proofs)

    lab.gateway.admit = admit
    lab.gateway.tokens = IdentityDesk(authenticate, lab.clock, good_seconds=60, bad_seconds=5)
    async with client(lab) as agent:
        status, _, text = await agent.post(full().SerializeToString(), Authorization="Bearer x")

    assert (status, text, asked) == (401, b"this agent was revoked", [UID])


@pytest.mark.parametrize("name", ["Authorization", "Secret-Key", "OpAMP-Instance-UID", "X-Client-Cert"])
async def test_what_says_who_polls_may_come_once(name: str) -> None:
    """As with an upgrade: of two, nobody can tell which was meant."""
    lab = Lab(Limits(certificate_header="x-client-cert"))
    headers = CIMultiDict({"Content-Type": MEDIA_TYPE, name: "a"})
    async with client(lab) as agent:
        async with agent.http.post(agent.url, data=full().SerializeToString(), headers=headers) as response:
            assert response.status == 200
        headers.add(name, "b")
        async with agent.http.post(agent.url, data=full().SerializeToString(), headers=headers) as response:
            assert (response.status, await response.text()) == (400, f"the header {name.lower()} may come once")


async def test_every_hop_a_poll_went_is_seen() -> None:
    """A proxy may add its hop on a line of its own; what the sender wrote above it is not believed."""
    lab = Lab(Limits(trusted_proxies=(ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))))
    headers = CIMultiDict({"Content-Type": MEDIA_TYPE, "X-Forwarded-For": "192.0.2.1, 198.51.100.7"})
    headers.add("X-Forwarded-For", "10.0.0.1")
    async with client(lab) as agent:
        await agent.http.post(agent.url, data=full().SerializeToString(), headers=headers)

    session = poll_of(lab).session
    assert session is not None
    assert session.remote_address == "198.51.100.7"


async def test_bodies_under_way_share_one_budget() -> None:
    """Many large bodies at once are not all taken in."""
    async with client(Lab(Limits(max_unfinished_bytes=1000))) as agent:
        status, headers, _ = await agent.post(b"x" * 2000)

        assert (status, "Retry-After" in headers) == (503, True)
        assert agent.lab.gateway.tally.body_bytes == 0


async def test_answer_over_the_limit_is_not_sent() -> None:
    """500 and a record: half an answer is no answer."""
    async with client(Lab(Limits(max_answer_bytes=10))) as agent:
        assert (await agent.post(full().SerializeToString()))[0] == 500


@pytest.mark.parametrize("first", [True, False])
async def test_certificate_comes_with_the_answer_to_a_poll(*, first: bool) -> None:
    """With the first and with any later one; what else waits goes along, unless the answer is an error."""
    takes = CAPABILITIES | opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    offers = opamp.ConnectionSettingsOffers(hash=b"c" * 32)
    offers.opamp.certificate.cert = b"-----BEGIN"
    refuse = False

    async def certify(_: identity.RequestCertificateRequest) -> identity.RequestCertificateReply:
        if refuse:
            raise Invalid("the key is too small")
        return identity.RequestCertificateReply(
            connection_settings=offers.SerializeToString(), connection_settings_hash=offers.hash
        )

    lab = Lab()
    lab.gateway.certify = certify
    async with client(lab) as agent:
        said = full()
        said.capabilities = takes
        if not first:
            await agent.say(said)
            said = message(sequence_num=1, capabilities=takes)
            poll_of(lab).deliver(Offering(REMOTE_CONFIG, b"h", b"", "o1"))
        said.connection_settings_request.opamp.certificate_request.csr = b"-----BEGIN"

        told = await agent.say(said)
        refuse = True
        again = message(sequence_num=said.sequence_num + 1, capabilities=takes)
        again.connection_settings_request.opamp.certificate_request.csr = b"-----BEGIN"
        refused = await agent.say(again)

        assert told.connection_settings.opamp.certificate.cert == b"-----BEGIN"
        assert told.HasField("remote_config") is not first
        assert refused.error_response.error_message == "the key is too small"
        assert not refused.HasField("connection_settings")


async def test_certificate_for_a_first_poll_is_put_off_when_too_much_is_asked() -> None:
    """Unavailable in the body."""
    lab = Lab()

    async def certify(_: identity.RequestCertificateRequest) -> identity.RequestCertificateReply:
        raise AssertionError

    lab.gateway.certify = certify
    lab.gateway.errands = Errands(limit=0)
    async with client(lab) as agent:
        said = full()
        said.connection_settings_request.opamp.certificate_request.csr = b"-----BEGIN"

        assert (await agent.say(said)).error_response.type == opamp.ServerErrorResponseType_Unavailable
