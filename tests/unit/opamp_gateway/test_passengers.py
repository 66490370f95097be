"""Several agents on one WebSocket: state, answers, offers and goodbyes are each agent's own."""

from __future__ import annotations

from gatewaylab.fakes import Lab
from gatewaylab.speech import OTHER, UID, full, message, said
from gatewaylab.transport import FakeTransport

from fleet.events.v1 import facts_pb2, presence_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts
from opamp_gateway.credentials import Credential
from opamp_gateway.limits import Limits
from opamp_gateway.offers import REMOTE_CONFIG, Offering
from opamp_gateway.presence import Presence
from opamp_gateway.websocket import WebSocket

THIRD = b"t" * 16


def shared(lab: Lab, *uids: bytes) -> tuple[WebSocket, FakeTransport]:
    """Open a socket that carries these agents."""
    socket, transport = lab.open()
    for uid in uids:
        socket.data_received(said(full(uid)))
    lab.number()
    transport.take()
    return socket, transport


def goodbye(uid: bytes, sequence_num: int = 1) -> bytes:
    """Say goodbye."""
    words = message(uid, sequence_num)
    words.agent_disconnect.SetInParent()
    return said(words)


async def test_each_agent_is_followed_by_its_own_uid() -> None:
    """Six rounds in turns: no flags, no capabilities after the first answer."""
    lab = Lab()
    socket, transport = shared(lab, UID, OTHER, THIRD)

    for number in range(1, 7):
        for uid in (UID, OTHER, THIRD):
            socket.data_received(said(message(uid, number)))

    told = transport.answers()
    assert [one.instance_uid for one in told] == [UID, OTHER, THIRD] * 6
    assert {(one.flags, one.capabilities) for one in told} == {(0, 0)}
    assert len(lab.gateway.connections) == 3


async def test_offer_reaches_the_agent_it_is_for() -> None:
    """Keyed by uid, not by connection."""
    lab = Lab()
    _, transport = shared(lab, UID, OTHER)
    holder = lab.gateway.connections.get("default", OTHER)
    assert holder is not None

    assert holder.deliver(Offering(REMOTE_CONFIG, b"h", b"", "o"))

    assert [told.instance_uid for told in transport.answers()] == [OTHER]


async def test_goodbye_of_one_disturbs_nobody_else() -> None:
    """Whichever of them it is; the socket stays open."""
    lab = Lab()
    socket, transport = shared(lab, UID, OTHER)
    socket.data_received(goodbye(UID))
    socket.data_received(said(message(OTHER, 1)))
    assert [(told.instance_uid, told.flags) for told in transport.answers()] == [(UID, 0), (OTHER, 0)]
    assert lab.gateway.connections.get("default", UID) is None

    socket.data_received(said(full(UID)))
    socket.data_received(goodbye(OTHER, 2))
    socket.data_received(said(message(UID, 1)))

    assert [(told.instance_uid, told.flags) for told in transport.answers()] == [(UID, 0), (OTHER, 0), (UID, 0)]
    assert not transport.closed


async def test_end_of_the_socket_is_the_end_of_all() -> None:
    """Each session with a last fact of its own."""
    lab = Lab()
    socket, _ = shared(lab, UID, OTHER)
    socket.connection_lost(None)

    assert len(lab.gateway.connections) == 0
    assert lab.kinds().count(facts.DISCONNECTED) == 2


async def test_one_agent_can_be_ended_without_the_others() -> None:
    """Deleted or barred: its session ends, the socket carries the rest."""
    lab = Lab()
    socket, transport = shared(lab, UID, OTHER)
    for uid in (OTHER, UID):
        holder = lab.gateway.connections.get("default", uid)
        assert holder is not None
        holder.end("deleted")
        if uid == OTHER:
            assert not socket.gone
    assert socket.gone
    assert transport.frames()[-1][0] == 8


async def test_everybody_on_a_live_socket_is_alive() -> None:
    """One sign of life counts for all who share it."""
    lab = Lab()
    beats: list[bytes] = []

    async def say(beat: bytes) -> None:
        beats.append(beat)

    lab.gateway.presence = Presence(say, "gw", lab.clock)
    socket, _ = shared(lab, UID, OTHER)
    await lab.gateway.presence.beat(1)
    beats.clear()

    socket.data_received(said(message(UID, 1)))
    await lab.gateway.presence.beat(1)

    (beat,) = (presence_pb2.Presence.FromString(said) for said in beats)
    assert beat.heard[0].uids == UID + OTHER


async def test_agents_per_socket_are_bounded() -> None:
    """One more is told to come later; the others go on."""
    lab = Lab(Limits(max_agents_per_socket=2))
    socket, transport = shared(lab, UID, OTHER)

    socket.data_received(said(full(THIRD)))
    socket.data_received(said(message(OTHER, 1)))

    refused, served = transport.answers()
    assert refused.error_response.type == opamp.ServerErrorResponseType_Unavailable
    assert refused.error_response.retry_info.retry_after_nanoseconds >= 30_000_000_000
    assert (served.instance_uid, served.flags) == (OTHER, 0)


async def test_agents_of_one_socket_share_a_larger_allowance() -> None:
    """Each has its rate, however they are carried."""
    lab = Lab(Limits(message_burst=5, messages_per_second=1))
    socket, transport = shared(lab, UID, OTHER)
    await lab.clock.advance(5)

    for number in range(1, 6):
        for uid in (UID, OTHER):
            socket.data_received(said(message(uid, number)))

    assert len(transport.answers()) == 10
    assert not socket.gone


async def test_bound_credential_carries_one_agent_only() -> None:
    """A second uid is a breach."""
    lab = Lab()
    socket, transport = lab.open(Credential("default", "c", bound_uid=UID))
    socket.data_received(said(full(UID)))
    transport.take()

    socket.data_received(said(full(OTHER)))

    assert socket.gone
    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_BadRequest
    assert lab.gateway.connections.get("default", OTHER) is None


async def test_offers_wait_while_the_socket_is_not_read() -> None:
    """Each agent's own mailbox; the newest of a kind is delivered when it reads again."""
    lab = Lab()
    socket, transport = shared(lab, UID, OTHER)
    holder = lab.gateway.connections.get("default", OTHER)
    assert holder is not None
    socket.pause_writing()
    holder.deliver(Offering(REMOTE_CONFIG, b"old", b"", "o1"))
    holder.deliver(Offering(REMOTE_CONFIG, b"new", b"", "o2"))
    assert transport.written == b""

    socket.resume_writing()

    assert [told.instance_uid for told in transport.answers()] == [OTHER]
    delivered = [fact.body for fact in lab.facts() if fact.kind == facts.OFFER_DELIVERED]
    assert [facts_pb2.OfferDelivered.FromString(body).content_hash for body in delivered] == [b"new"]


async def test_clone_on_a_shared_socket_gets_a_uid_of_its_own() -> None:
    """Its holder lives on another socket."""
    lab = Lab(Limits(clone_seconds=5))
    first, first_transport = shared(lab, THIRD)
    socket, transport = shared(lab, UID)

    socket.data_received(said(full(THIRD)))
    await lab.pong(first, first_transport)

    told = transport.answers()[0]
    assert told.instance_uid == THIRD
    assert len(told.agent_identification.new_instance_uid) == 16
    assert lab.gateway.connections.get("default", THIRD) is first
