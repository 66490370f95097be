"""First messages: clones, come-backs, what is remembered, what the first answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from gatewaylab.fakes import FakeBook, Lab
from gatewaylab.speech import CAPABILITIES, UID, full, masked, message, said
from gatewaylab.transport import FakeTransport

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts
from opamp_gateway.compiled import form
from opamp_gateway.errands import Errands
from opamp_gateway.limits import Limits
from opamp_gateway.poll import Poll
from opamp_gateway.session import HTTP, WEBSOCKET, Memory, Session
from opamp_gateway.websocket import WebSocket

HASH = b"d" * 32
CONFIG = opamp.AgentRemoteConfig(config_hash=HASH).SerializeToString()


def opened(lab: Lab) -> tuple[WebSocket, FakeTransport]:
    """Open a socket whose agent has introduced itself."""
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number()
    transport.take()
    return socket, transport


async def test_clone_of_a_live_agent_gets_a_uid_of_its_own() -> None:
    """The holder answers a ping, so the newcomer is somebody else."""
    lab = Lab()
    first, first_transport = opened(lab)
    second, transport = lab.open()

    second.data_received(said(full()))
    await asyncio.sleep(0)
    assert transport.answers() == []
    first.data_received(masked(10, b""))
    await lab.idle()

    told = transport.answers()[0]
    assert (told.instance_uid, len(told.agent_identification.new_instance_uid)) == (UID, 16)
    assert lab.gateway.connections.get("default", UID) is first
    assert not first_transport.closed
    new = full(told.agent_identification.new_instance_uid, 1)
    second.data_received(said(new))
    assert lab.gateway.connections.get("default", new.instance_uid) is second


async def test_agent_that_comes_back_replaces_its_dead_connection() -> None:
    """A holder that gives no sign of life is closed, and the newcomer is the agent."""
    lab = Lab(Limits(clone_seconds=0.01))
    _, first_transport = opened(lab)
    second, transport = lab.open()

    second.data_received(said(full()))
    await lab.idle()

    assert not transport.answers()[0].HasField("agent_identification")
    assert lab.gateway.connections.get("default", UID) is second
    assert first_transport.frames()[-1][0] == 8


async def test_newcomer_that_left_while_the_holder_was_asked_is_forgotten() -> None:
    """Nothing is written to a closed socket."""
    lab = Lab(Limits(clone_seconds=0.01))
    opened(lab)
    second, transport = lab.open()
    second.data_received(said(full()))
    second.connection_lost(None)
    await lab.idle()

    assert transport.written == b""
    assert lab.gateway.connections.get("default", UID) is None


async def test_clone_that_left_is_not_named() -> None:
    """The same when the holder lives."""
    lab = Lab()
    first, _ = opened(lab)
    second, transport = lab.open()
    second.data_received(said(full()))
    await asyncio.sleep(0)
    second.connection_lost(None)
    first.data_received(masked(10, b""))
    await lab.idle()

    assert transport.written == b""


async def test_socket_takes_over_from_polls() -> None:
    """Polls cannot be asked whether they live."""
    lab = Lab()
    poll = Poll(lab.gateway)
    poll.session = Session(lab.gateway.rules, "default", UID, HTTP)
    lab.gateway.connections.put(poll)
    second, transport = lab.open()

    second.data_received(said(full()))
    await lab.idle()

    assert len(transport.answers()) == 1
    assert lab.gateway.connections.get("default", UID) is second


async def test_too_many_contests_are_put_off() -> None:
    """The newcomer is told to come back."""
    lab = Lab()
    opened(lab)
    lab.gateway.errands = Errands(limit=0)
    second, transport = lab.open()

    second.data_received(said(full()))

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable


@pytest.mark.parametrize("alive", [True, False])
async def test_holder_elsewhere_is_asked(alive: bool) -> None:
    """Another gateway says whether its agent lives; if so the newcomer is a clone."""
    lab = Lab()
    asked: list[tuple[Any, ...]] = []

    async def rival(*question: Any) -> bool:
        asked.append(question)
        return alive

    lab.gateway.rival = rival
    lab.book.memories[UID] = Memory(gateway_id="gw-other", epoch=5, transport=WEBSOCKET, sequence_num=0)
    socket, transport = lab.open()

    socket.data_received(said(full()))
    await lab.idle()

    assert asked == [("gw-other", "default", UID, 5)]
    assert transport.answers()[0].HasField("agent_identification") == alive
    assert (socket.session is None) == alive


async def test_two_newcomers_at_once_meet() -> None:
    """Whoever was looked up second finds the first."""
    lab = Lab(Limits(clone_seconds=0.01))
    lab.book.hold = True
    first, _ = lab.open()
    second, transport = lab.open()
    first.data_received(said(full()))
    second.data_received(said(full()))

    lab.book.let_go()
    await lab.idle()
    lab.book.let_go()

    assert len(transport.answers()) == 1
    assert lab.gateway.connections.get("default", UID) is second
    assert first.gone


async def test_memory_spares_the_agent_a_full_report() -> None:
    """What another gateway published is not published again."""
    lab = Lab()
    known, _ = opened(lab)
    assert known.session is not None
    digests = known.session.digests
    lab2 = Lab()
    lab2.book.memories[UID] = Memory(sequence_num=6, digests=digests, capabilities=CAPABILITIES)
    socket, transport = lab2.open()

    socket.data_received(said(message(sequence_num=7)))
    lab2.number(2)

    assert transport.answers()[0].flags == 0
    assert lab2.kinds() == [facts.CONNECTED]


async def test_unreachable_registry_is_a_miss() -> None:
    """The agent is served and asked for what is not known."""
    lab = Lab()
    lab.book.memories[UID] = None
    socket, transport = lab.open()

    socket.data_received(said(message(sequence_num=7)))

    assert transport.answers()[0].flags == 1
    assert socket.session is not None


async def test_desired_config_is_in_the_first_answer() -> None:
    """And told as delivered, without an offer's id."""
    lab = Lab()
    lab.book.memories[UID] = Memory(desired=HASH)
    lab.gateway.content.keep(HASH, CONFIG)
    socket, transport = lab.open()

    socket.data_received(said(full()))
    lab.number()

    told = transport.answers()
    assert len(told) == 1
    assert told[0].remote_config.config_hash == HASH
    assert told[0].capabilities
    delivered = facts_pb2.OfferDelivered.FromString(lab.facts()[-1].body)
    assert (delivered.content_hash, delivered.offer_id) == (HASH, "")


async def test_desired_config_is_fetched_for_the_first_answer() -> None:
    """The answer waits a little for it."""
    lab = Lab()
    lab.book.memories[UID] = Memory(desired=HASH)

    async def fetch(_: bytes) -> bytes | None:
        await asyncio.sleep(0)
        return CONFIG

    lab.gateway.content._fetch = fetch
    socket, transport = lab.open()
    socket.data_received(said(full()) + said(message(sequence_num=1)))
    await lab.idle()

    assert [one.HasField("remote_config") for one in transport.answers()] == [True, False]


@pytest.mark.parametrize("slow", [True, False])
async def test_config_that_is_not_to_be_had_does_not_hold_the_answer(slow: bool) -> None:
    """Slow or missing: the agent is answered without it."""
    lab = Lab(Limits(content_seconds=0.01))
    lab.book.memories[UID] = Memory(desired=HASH)

    async def fetch(_: bytes) -> bytes | None:
        if slow:
            await asyncio.sleep(10)
        return None

    lab.gateway.content._fetch = fetch
    socket, transport = lab.open()
    socket.data_received(said(full()))
    await lab.idle()

    assert not transport.answers()[0].HasField("remote_config")
    assert socket.session is not None


async def test_agent_that_left_while_its_config_was_fetched_is_forgotten() -> None:
    """No session is opened for a closed socket."""
    lab = Lab()
    lab.book.memories[UID] = Memory(desired=HASH)
    socket, transport = lab.open()
    socket.data_received(said(full()))
    socket.connection_lost(None)
    await lab.idle()

    assert transport.written == b""
    assert len(lab.gateway.connections) == 0


async def test_nothing_is_waited_for_when_too_much_is_under_way() -> None:
    """The agent is answered at once: without its config, and without asking another gateway."""
    lab = Lab()
    lab.gateway.errands = Errands(limit=0)
    lab.book.memories[UID] = Memory("gw-other", 5, WEBSOCKET, desired=HASH)
    socket, transport = lab.open()

    socket.data_received(said(full()))

    assert not transport.answers()[0].HasField("remote_config")
    assert socket.session is not None


async def test_config_too_large_for_an_answer_is_left_out() -> None:
    """The limit of outgoing messages holds for the first answer too."""
    lab = Lab(Limits(max_outgoing_bytes=1024))
    lab.book.memories[UID] = Memory(desired=HASH)
    lab.gateway.content.keep(HASH, CONFIG + b"\x1a\x00" * 1000)
    socket, transport = lab.open()

    socket.data_received(said(full()))

    assert not transport.answers()[0].HasField("remote_config")


async def test_somebody_quicker_while_the_config_was_fetched_is_replaced() -> None:
    """Both waited for the same content; the later one holds the agent."""
    lab = Lab()
    lab.book.memories[UID] = Memory(desired=HASH)
    first, _ = lab.open()
    second, _ = lab.open()
    first.data_received(said(full()))
    second.data_received(said(full()))
    await lab.idle()

    assert lab.gateway.connections.get("default", UID) is second
    assert first.gone


@pytest.mark.skipif(form().compiled, reason="compiled code does not look its own methods up")
async def test_first_message_that_cannot_be_handled_costs_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is logged; the socket is closed, a poll is answered, and nothing reaches whoever looked it up."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Session, "receive", fail)
    lab = Lab()
    lab.book.hold = True
    socket, transport = lab.open()
    socket.data_received(said(full()) + said(message(sequence_num=1)))

    lab.book.let_go()

    assert socket.gone
    assert [opcode for opcode, _ in transport.frames()] == [8]
    assert len(lab.gateway.connections) == 0


class LateBook(FakeBook):
    """A registry other gateways write into; the entry comes with the third look."""

    shared = True

    def __init__(self, memory: Memory | None) -> None:
        super().__init__()
        self.memory = memory
        self.looks = 0

    def look_up(self, tenant_id: str, uid: bytes, done: Callable[[Memory | None], None]) -> None:
        """Tell what is known by now."""
        self.looks += 1
        self.memories[uid] = self.memory if self.looks > 2 else Memory()
        super().look_up(tenant_id, uid, done)


async def look_on(lab: Lab) -> None:
    """Let the time pass that looks again take."""
    for _ in range(12):
        await lab.clock.advance(0.4)
    await lab.idle()


def late(memory: Memory | None) -> tuple[Lab, LateBook]:
    """Make a gateway whose registry is late."""
    lab = Lab()
    book = LateBook(memory)
    lab.book = lab.gateway.registry = book
    return lab, book


async def test_agent_that_is_quicker_than_the_registry_is_not_asked_for_everything() -> None:
    """Another gateway has just heard it: what it knows is on its way."""
    lab, book = late(Memory(sequence_num=4, capabilities=CAPABILITIES, digests=b"d" * 64))
    socket, transport = lab.open()

    socket.data_received(said(message(sequence_num=5)))
    await look_on(lab)

    assert (transport.answers()[0].flags, book.looks) == (0, 3)


async def test_agent_nobody_knows_is_asked_in_the_end() -> None:
    """Patience is short."""
    lab, book = late(Memory())
    socket, transport = lab.open()

    socket.data_received(said(message(sequence_num=5)))
    await look_on(lab)

    assert transport.answers()[0].flags == 1
    assert book.looks == 6


@pytest.mark.parametrize("first", [full(sequence_num=5), message(sequence_num=0)])
async def test_complete_or_very_first_messages_wait_for_nobody(first: opamp.AgentToServer) -> None:
    """Nothing could come that they need."""
    lab, book = late(Memory())
    socket, transport = lab.open()

    socket.data_received(said(first))

    assert len(transport.answers()) == 1
    assert book.looks == 1


async def test_agent_of_a_gateway_that_died_does_not_wait_long() -> None:
    """How far it counted there is not written any more."""
    lab, book = late(Memory("gw-test", 1, WEBSOCKET, 0, 1, CAPABILITIES, b"d" * 64))
    socket, transport = lab.open()

    socket.data_received(said(message(sequence_num=9)))
    await look_on(lab)

    assert transport.answers()[0].flags == 1
    assert book.looks == 4


async def test_look_again_ends_when_the_registry_is_away() -> None:
    """Then nothing is known, and the agent is asked."""
    lab, _ = late(None)
    socket, transport = lab.open()

    socket.data_received(said(message(sequence_num=5)))
    await look_on(lab)

    assert transport.answers()[0].flags == 1
