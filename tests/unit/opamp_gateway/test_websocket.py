"""One WebSocket: every message answered, every rule of the transport kept."""

from __future__ import annotations

import asyncio

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import CAPABILITIES, OTHER, UID, full, masked, message, said
from gatewaylab.transport import FakeTransport

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts, frames
from opamp_gateway.limits import Limits
from opamp_gateway.offers import REMOTE_CONFIG, REPORT_FULL_STATE, Offering
from opamp_gateway.websocket import WebSocket


def opened(lab: Lab) -> tuple[WebSocket, FakeTransport]:
    """Open a socket whose agent has introduced itself."""
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number()
    transport.take()
    return socket, transport


def close_code(transport: FakeTransport) -> int:
    """Read the code of the Close frame among what was written."""
    return next(int.from_bytes(payload[:2]) for opcode, payload in transport.frames() if opcode == frames.CLOSE)


def ask_for_uid(socket: WebSocket, transport: FakeTransport, uid: bytes = UID) -> bytes:
    """Let the agent ask for a uid; return what it is given."""
    request = message(uid, 1)
    request.flags = opamp.AgentToServerFlags_RequestInstanceUid
    socket.data_received(said(request))
    return transport.answers()[-1].agent_identification.new_instance_uid


def last_reason(lab: Lab) -> str:
    """Read the reason of the last Disconnected fact."""
    body = [fact.body for fact in lab.facts() if fact.kind == facts.DISCONNECTED][-1]
    return facts_pb2.Disconnected.FromString(body).reason


def config(content: bytes = b"", name: bytes = b"h" * 32, offer_id: str = "o") -> Offering:
    """Make a config offer."""
    return Offering(REMOTE_CONFIG, name, content, offer_id)


async def test_first_message_opens_a_session() -> None:
    """It is answered with capabilities, owned here, and becomes facts once it has its epoch."""
    lab = Lab()
    socket, transport = lab.open()

    socket.data_received(said(full()))

    assert transport.answers()[0].capabilities
    assert lab.gateway.connections.get("default", UID) is socket
    assert lab.facts() == []
    lab.number()
    assert lab.kinds()[0] == facts.CONNECTED
    assert lab.book.claimed == [socket.session]


async def test_heartbeat_is_acknowledged_on_the_fast_path() -> None:
    """Counted, noted for presence, and no fact."""
    lab = Lab()
    socket, transport = opened(lab)
    before = len(lab.facts())

    socket.data_received(said(message(sequence_num=1)))

    assert transport.frames() == [(2, b"\x00\x0a\x10" + UID)]
    assert lab.gateway.tally.heartbeats == 1
    assert lab.gateway.presence.heard == [socket]
    assert len(lab.facts()) == before


async def test_heartbeat_answers_a_ping() -> None:
    """Also on the fast path: a peer that speaks is not dropped for a pong that is late."""
    lab = Lab()
    socket, _ = opened(lab)
    socket.ping()
    assert socket.pinged_at

    socket.data_received(said(message(sequence_num=1)))

    assert socket.pinged_at == 0.0
    assert lab.gateway.tally.heartbeats == 1


async def test_heartbeat_in_pieces_is_answered_alike() -> None:
    """The slow road says the same."""
    lab = Lab()
    socket, transport = opened(lab)
    data = said(message(sequence_num=1))

    socket.data_received(data[:5])
    socket.data_received(data[5:])
    socket.data_received(said(message(sequence_num=2)))

    assert transport.frames() == [(2, b"\x00\x0a\x10" + UID)] * 2


async def test_several_messages_in_one_read_are_each_answered() -> None:
    """The agent need not wait for answers."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(b"".join(said(message(sequence_num=number)) for number in (1, 2, 3)))

    assert len(transport.answers()) == 3


async def test_messages_before_the_first_answer_wait_in_order() -> None:
    """While the registry is asked, nothing is lost and nothing is answered out of turn."""
    lab = Lab()
    lab.book.hold = True
    socket, transport = lab.open()

    socket.data_received(said(full()) + said(message(sequence_num=1)))
    socket.data_received(said(message(sequence_num=2)))
    assert transport.answers() == []
    lab.book.let_go()

    assert [bool(one.capabilities) for one in transport.answers()] == [True, False, False]
    assert socket.session is not None
    assert socket.session.sequence_num == 2


async def test_too_many_messages_before_the_first_answer_are_refused() -> None:
    """An agent that does not wait at all is told to come back later."""
    lab = Lab(Limits(message_burst=1000))
    lab.book.hold = True
    socket, transport = lab.open()

    for number in range(70):
        socket.data_received(said(message(sequence_num=number)))

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable
    assert socket.gone


async def test_messages_that_wait_are_bounded_in_bytes() -> None:
    """As many as fit in one message of the largest size."""
    lab = Lab(Limits(max_message_bytes=5000))
    lab.book.hold = True
    socket, _ = lab.open()
    socket.data_received(said(full()))

    socket.data_received(masked(2, b"x" * 3000))
    assert (socket.gone, lab.gateway.unfinished.total) == (False, 3000)
    socket.data_received(masked(2, b"x" * 3000))

    assert (socket.gone, lab.gateway.unfinished.total) == (True, 0)


async def test_unfinished_messages_have_one_budget() -> None:
    """Over it, whoever holds most is told to try again later; the others go on."""
    lab = Lab(Limits(max_unfinished_bytes=10_000))
    small, transport = opened(lab)
    large, large_transport = lab.open()
    small.data_received(masked(2, b"\x00" + full(sequence_num=1).SerializeToString())[:50])
    large.data_received(masked(2, b"x" * 9000, final=False))
    assert lab.gateway.unfinished.total > 9000

    another, _ = lab.open()
    another.data_received(masked(2, b"x" * 5000)[:-1])

    assert (large.gone, small.gone, another.gone) == (True, False, False)
    assert close_code(large_transport) == 1013
    small.data_received(masked(2, b"\x00" + full(sequence_num=1).SerializeToString())[50:])
    assert len(transport.answers()) == 1
    another.connection_lost(None)
    assert lab.gateway.unfinished.total == 0


@pytest.mark.parametrize("farewell", [masked(8, b"\x03\xe8"), masked(1, b"text")])
async def test_socket_that_ends_holds_nothing(farewell: bytes) -> None:
    """However it ends, what it had begun is freed."""
    lab = Lab()
    lab.book.hold = True
    socket, _ = lab.open()
    socket.data_received(said(full()) + said(message(sequence_num=1)))
    assert lab.gateway.unfinished.total > 0

    socket.data_received(farewell)

    assert (socket.gone, lab.gateway.unfinished.total) == (True, 0)


@pytest.mark.parametrize(
    "payload", [b"", b"\x01" + full().SerializeToString(), b"\x80" * 11, b"\x00\xff\xff", b"\x00", b"\x00\x0a\x03abc"]
)
async def test_bad_message_is_answered_and_the_connection_survives(payload: bytes) -> None:
    """Missing or reserved header, no protobuf, a uid of the wrong length."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(masked(2, payload))
    socket.data_received(said(message(sequence_num=1)))

    first, second = transport.answers()
    assert first.error_response.type == opamp.ServerErrorResponseType_BadRequest
    assert not second.HasField("error_response")


async def test_wrong_uid_is_echoed() -> None:
    """The answer bears what was received."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(masked(2, b"\x00\x0a\x03abc"))

    assert transport.answers()[0].instance_uid == b"abc"


async def test_too_many_bad_messages_close_the_connection() -> None:
    """Patience has a limit."""
    lab = Lab(Limits(max_bad_messages=2))
    socket, transport = opened(lab)

    socket.data_received(masked(2, b"") * 3)

    assert close_code(transport) == frames.POLICY
    assert last_reason(lab) == "protocol error"


async def test_headerless_message_of_an_old_agent_is_taken() -> None:
    """A protobuf message cannot begin with the header byte, so the two cannot be mixed up."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(masked(2, message(sequence_num=1).SerializeToString()))

    assert not transport.answers()[0].HasField("error_response")


async def test_non_minimal_header_is_taken() -> None:
    """80 00 is zero as well."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(masked(2, b"\x80\x00" + message(sequence_num=1).SerializeToString()))

    assert not transport.answers()[0].HasField("error_response")


async def test_text_is_not_spoken_here() -> None:
    """A text message closes with 1003."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(masked(1, b"hello"))

    assert close_code(transport) == frames.UNSUPPORTED


async def test_violation_closes_with_its_code() -> None:
    """Too big a message is 1009; what was complete before it was handled."""
    lab = Lab(Limits(max_message_bytes=2000))
    socket, transport = opened(lab)

    socket.data_received(said(message(sequence_num=1)) + masked(2, b"x" * 3000))

    written = transport.frames()
    assert [opcode for opcode, _ in written] == [2, 8]
    assert written[1][1][:2] == (frames.TOO_BIG).to_bytes(2)


async def test_ping_is_answered_with_its_payload() -> None:
    """At any time."""
    lab = Lab()
    socket, transport = lab.open()

    socket.data_received(masked(9, b"are you there"))

    assert transport.frames() == [(frames.PONG, b"are you there")]


async def test_close_of_the_peer_is_answered_and_ends_the_session() -> None:
    """Its code comes back, and the reason is that it closed."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(masked(8, (1000).to_bytes(2) + b"bye"))
    socket.connection_lost(None)

    assert transport.frames() == [(frames.CLOSE, (1000).to_bytes(2))]
    assert transport.is_closing()
    assert last_reason(lab) == "connection closed"
    assert lab.gateway.sockets == set()


async def test_lost_connection_ends_the_session() -> None:
    """Without a goodbye the reason says so; the registry is told."""
    lab = Lab()
    socket, _ = opened(lab)
    session = socket.session

    socket.connection_lost(OSError())

    assert last_reason(lab) == "connection lost"
    assert lab.gateway.connections.get("default", UID) is None
    assert lab.book.released == [session]


async def test_connection_lost_before_its_epoch_leaves_no_trace() -> None:
    """Neither facts nor an entry in the registry."""
    lab = Lab()
    socket, _ = lab.open()
    socket.data_received(said(full()))

    socket.connection_lost(None)

    assert lab.facts() == []
    assert lab.book.released == []


async def test_goodbye_is_answered_and_ends_the_session_once() -> None:
    """The close that follows adds nothing; a message after it opens a new session."""
    lab = Lab()
    socket, transport = opened(lab)
    goodbye = message(sequence_num=1)
    goodbye.agent_disconnect.SetInParent()

    socket.data_received(said(goodbye))
    assert len(transport.answers()) == 1
    assert last_reason(lab) == "agent disconnect"
    socket.data_received(said(full(sequence_num=2)))
    assert socket.session is not None
    socket.connection_lost(None)

    assert lab.kinds().count(facts.DISCONNECTED) == 1


async def test_first_message_that_is_a_goodbye_opens_nothing() -> None:
    """It is answered, nobody was here."""
    lab = Lab()
    socket, transport = lab.open()
    goodbye = full()
    goodbye.agent_disconnect.SetInParent()

    socket.data_received(said(goodbye))

    assert len(transport.answers()) == 1
    assert len(lab.gateway.connections) == 0
    assert lab.publisher.waiting == 0


async def test_request_for_a_uid_is_granted() -> None:
    """A new UUID version 7 in an envelope that bears the temporary one; nobody is connected yet."""
    lab = Lab()
    socket, transport = lab.open()
    asking = full()
    asking.flags = opamp.AgentToServerFlags_RequestInstanceUid

    socket.data_received(said(asking))

    told = transport.answers()[0]
    assert told.instance_uid == UID
    assert told.agent_identification.new_instance_uid[6] >> 4 == 7
    assert socket.session is None


async def test_agent_may_take_another_uid_on_its_socket() -> None:
    """The old one is not kept as a second live agent."""
    lab = Lab()
    socket, transport = opened(lab)
    new = ask_for_uid(socket, transport)

    socket.data_received(said(full(new, 2)))
    lab.number(2)

    assert transport.answers()[0].instance_uid == new
    assert lab.gateway.connections.get("default", UID) is None
    assert lab.gateway.connections.get("default", new) is socket
    assert last_reason(lab) == "replaced"


async def test_uid_changed_over_and_over_closes_the_socket() -> None:
    """One socket is one agent."""
    lab = Lab(Limits(max_uid_changes=2))
    socket, transport = opened(lab)

    uid = UID
    for _ in range(3):
        uid = ask_for_uid(socket, transport, uid)
        socket.data_received(said(full(uid)))

    assert close_code(transport) == frames.POLICY


async def test_uid_change_while_messages_wait_keeps_their_order() -> None:
    """Messages behind the change wait for it."""
    lab = Lab()
    lab.book.hold = True
    socket, transport = lab.open()
    socket.data_received(said(full()) + said(full(OTHER)) + said(message(OTHER, 1)))

    lab.book.let_go()
    assert [one.instance_uid for one in transport.answers()] == [UID]
    lab.book.let_go()

    assert [one.instance_uid for one in transport.answers()] == [OTHER, OTHER]


async def test_flood_is_answered_unavailable_and_closed() -> None:
    """Ten a second, fifty at once; time earns new credit."""
    lab = Lab(Limits(message_burst=5, messages_per_second=10))
    socket, transport = opened(lab)
    for number in range(1, 5):
        socket.data_received(said(message(sequence_num=number)))
    await lab.clock.advance(0.2)
    socket.data_received(said(message(sequence_num=5)))
    socket.data_received(said(message(sequence_num=6)))
    assert len(transport.answers()) == 6

    socket.data_received(said(message(sequence_num=7)))

    written = transport.frames()
    refused = opamp.ServerToAgent.FromString(written[0][1][1:]).error_response
    assert refused.type == opamp.ServerErrorResponseType_Unavailable
    assert refused.retry_info.retry_after_nanoseconds == 30_000_000_000
    assert written[1][0] == frames.CLOSE


async def test_offer_is_delivered_at_once_and_told() -> None:
    """The agent gets it with its own uid; the fact names hash and offer."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.deliver(config())

    assert transport.answers()[0].HasField("remote_config")
    delivered = facts_pb2.OfferDelivered.FromString(lab.facts()[-1].body)
    assert (delivered.content_hash, delivered.offer_id) == (b"h" * 32, "o")


async def test_same_config_a_moment_later_is_told_but_not_sent() -> None:
    """A configuration arrives once; whoever offered it again learns that it did."""
    lab = Lab()
    socket, transport = opened(lab)
    socket.deliver(config())
    transport.take()

    socket.deliver(config(offer_id="again"))
    assert transport.written == b""
    assert facts_pb2.OfferDelivered.FromString(lab.facts()[-1].body).offer_id == "again"
    await lab.clock.advance(60)
    socket.deliver(config(offer_id="later"))

    assert len(transport.answers()) == 1


async def test_full_state_is_asked_for_and_everything_published_again() -> None:
    """The digests are forgotten; this is no delivery to tell of."""
    lab = Lab()
    socket, transport = opened(lab)
    before = len(lab.facts())

    socket.deliver(Offering(REPORT_FULL_STATE, b"", b"", "o"))
    socket.data_received(said(full(sequence_num=1)))

    assert transport.answers()[0].flags == 1
    assert len(lab.facts()) == before + 4


async def test_offer_that_is_too_large_is_not_sent() -> None:
    """The limit holds in both directions."""
    lab = Lab(Limits(max_outgoing_bytes=1024))
    socket, transport = lab.open()
    socket.data_received(said(message()))
    transport.take()

    socket.deliver(config(b"x" * 2000))

    assert transport.written == b""


async def test_slow_reader_gets_the_newest_when_it_reads_again() -> None:
    """Nothing is written to it meanwhile, and nothing is read from it."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.pause_writing()
    socket.pause_writing()
    assert not transport.is_reading()
    socket.deliver(config(b"\x12\x01a", b"a" * 32))
    socket.deliver(config(b"\x12\x01b", b"b" * 32))
    assert transport.written == b""
    socket.resume_writing()
    socket.resume_writing()

    assert [one.remote_config.config_hash for one in transport.answers()] == [b"b"]
    assert transport.is_reading()
    assert lab.gateway.slow == {}


async def test_close_waits_for_the_peer_a_moment() -> None:
    """The peer's Close ends it; nothing it says before counts."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.end("drain")
    socket.end("drain")
    socket.data_received(said(message(sequence_num=1)))
    assert [opcode for opcode, _ in transport.frames()] == [8]
    assert socket in lab.gateway.closing
    assert not transport.is_closing()
    socket.data_received(masked(8, (1001).to_bytes(2)))
    assert transport.is_closing()
    socket.connection_lost(None)

    assert lab.gateway.closing == {}
    assert last_reason(lab) == "drain"


async def test_closing_socket_takes_no_offers_and_resumes_nothing() -> None:
    """It is as good as gone."""
    lab = Lab()
    socket, transport = opened(lab)
    socket.pause_writing()
    socket.end("deleted")
    transport.take()

    socket.deliver(config())
    socket.resume_writing()

    assert transport.written == b""
    assert not transport.is_reading()


async def test_answers_when_the_peer_pongs() -> None:
    """A sign of life within the time is yes; silence, an end, or a closed socket is no."""
    lab = Lab()
    alive, transport = opened(lab)
    asking = asyncio.ensure_future(alive.answers(5))
    await asyncio.sleep(0)
    assert transport.frames() == [(frames.PING, b"")]
    alive.data_received(masked(10, b""))
    assert await asking

    assert not await alive.answers(0.01)
    asking = asyncio.ensure_future(alive.answers(5))
    await asyncio.sleep(0)
    alive.connection_lost(None)
    assert not await asking
    assert not await alive.answers(5)


async def test_abort_ends_the_session_with_its_reason() -> None:
    """Dropped without a word."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.abort("slow reader")

    assert transport.aborted
    assert last_reason(lab) == "slow reader"


async def test_capabilities_change_is_followed() -> None:
    """A heartbeat with new capabilities is news, the next one with them is none."""
    lab = Lab()
    socket, _ = opened(lab)
    before = len(lab.facts())

    socket.data_received(said(message(sequence_num=1, capabilities=CAPABILITIES | 0x2000)))
    socket.data_received(said(message(sequence_num=2, capabilities=CAPABILITIES | 0x2000)))

    assert len(lab.facts()) == before + 1
    assert lab.gateway.tally.heartbeats == 1


async def test_half_closed_peer_is_closed() -> None:
    """End of file ends the connection."""
    socket, _ = opened(Lab())

    assert socket.eof_received() is False
