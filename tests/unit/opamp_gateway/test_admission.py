"""Who may stay: the credential's word, and agent-state's where that is not enough."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import CAPABILITIES, OTHER, UID, full, message, said
from gatewaylab.transport import FakeTransport

from fleet.api.v1 import identity_pb2 as identity
from fleet.events.v1 import facts_pb2
from fleet.events.v1 import identity_pb2 as identity_events
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts, frames
from opamp_gateway.admission import OTHER_AGENT
from opamp_gateway.content import ContentShelf
from opamp_gateway.credentials import Credential, Proof
from opamp_gateway.errands import Errands
from opamp_gateway.identity_desk import IdentityDesk
from opamp_gateway.offers import REMOTE_CONFIG, REPORT_FULL_STATE, Offering
from opamp_gateway.revocation import Revocations
from opamp_gateway.session import Memory
from opamp_gateway.shelf import Verdict
from opamp_gateway.websocket import WebSocket
from servicekit.errors import ServiceError, Unauthenticated, Unavailable

BOUND = Credential("default", "c-1", bound_uid=UID)
BOUNDED = Credential("default", "t-1", needs_admission=True, labels=(("site", "lab"),))
ACCEPTS_SETTINGS = CAPABILITIES | opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
SETTINGS = opamp.ConnectionSettingsOffers(
    hash=b"s" * 32, opamp=opamp.OpAMPConnectionSettings(destination_endpoint="wss://x/v1/opamp")
).SerializeToString()


class State:
    """agent-state as a test wants it."""

    def __init__(self, lab: Lab, answer: identity.AdmitAgentReply | ServiceError) -> None:
        self.answer = answer
        self.asked: list[identity.AdmitAgentRequest] = []
        lab.gateway.admit = self.admit

    async def admit(self, request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        """Answer."""
        self.asked.append(request)
        if isinstance(self.answer, ServiceError):
            raise self.answer
        return self.answer


def connected(lab: Lab) -> facts_pb2.Connected:
    """Read the Connected fact."""
    return facts_pb2.Connected.FromString(next(fact.body for fact in lab.facts() if fact.kind == facts.CONNECTED))


async def first(lab: Lab, credential: Credential, capabilities: int = CAPABILITIES) -> tuple[WebSocket, FakeTransport]:
    """Let an agent say its first words, and what is set off by them come to an end."""
    socket, transport = lab.open(credential)
    words = full()
    words.capabilities = capabilities
    socket.data_received(said(words))
    await lab.idle()
    return socket, transport


async def test_plain_credential_asks_nobody() -> None:
    """The reconnect storm of a fleet costs no question."""
    lab = Lab()
    state = State(lab, Unavailable("away"))
    socket, transport = await first(lab, BOUND)

    assert state.asked == []
    assert socket.session is not None
    assert not transport.answers()[0].HasField("error_response")


@pytest.mark.parametrize("asked", [True, False])
async def test_credential_of_another_agent_ends_the_connection(*, asked: bool) -> None:
    """BadRequest with the sentence, Close 1008, and no session; where agent-state is asked it said so."""
    lab = Lab()
    state = State(lab, Unauthenticated(OTHER_AGENT))
    if not asked:
        lab.gateway.admit = None
    socket, transport = lab.open(BOUND)

    socket.data_received(said(full(OTHER)))
    await lab.idle()
    assert [request.renamed_elsewhere for request in state.asked] == [True] * asked

    *_, (_, words), (opcode, payload) = transport.frames()
    told = opamp.ServerToAgent.FromString(words[1:])
    assert (told.instance_uid, told.error_response.error_message) == (OTHER, OTHER_AGENT)
    assert (opcode, int.from_bytes(payload[:2])) == (frames.CLOSE, frames.POLICY)
    assert lab.gateway.connections.get("default", OTHER) is None


async def test_agent_that_got_its_uid_here_keeps_its_credential() -> None:
    """OpAMP "Using instance_uid in the CSR": after an ordered change the old credential still serves, once asked."""
    lab = Lab()
    state = State(lab, identity.AdmitAgentReply(approval="approved"))
    lab.gateway.renamed.note(UID, OTHER)
    socket, _ = lab.open(BOUND)

    socket.data_received(said(full(OTHER)))
    await lab.idle()

    assert [(request.instance_uid, request.renamed_elsewhere) for request in state.asked] == [(OTHER, False)]
    assert lab.gateway.connections.get("default", OTHER) is socket


async def test_agent_that_got_its_uid_elsewhere_keeps_its_credential() -> None:
    """From another gateway, or from this one before it was started anew: agent-state knows of it."""
    lab = Lab()
    state = State(lab, identity.AdmitAgentReply(approval="approved", labels={"group": "edge"}))
    socket, transport = lab.open(BOUND)

    socket.data_received(said(full(OTHER)))
    await lab.idle()
    lab.number()

    assert [(request.renamed_elsewhere, request.capabilities > 0) for request in state.asked] == [
        (True, False),
        (False, True),
    ]
    assert lab.gateway.connections.get("default", OTHER) is socket
    assert not transport.answers()[0].HasField("error_response")
    assert dict(connected(lab).labels) == {"group": "edge"}


async def test_nobody_is_pinged_for_the_credential_of_another_agent() -> None:
    """The agent whose uid it claims is not made to show that it lives before agent-state has said no."""
    lab = Lab()
    holder, held = lab.open(Credential("default", "t-1"))
    holder.data_received(said(full(OTHER)))
    held.take()
    State(lab, Unauthenticated(OTHER_AGENT))
    socket, _ = lab.open(BOUND)

    socket.data_received(said(full(OTHER)))
    await lab.idle()

    assert socket.gone
    assert held.written == b""
    assert lab.gateway.connections.get("default", OTHER) is holder


async def test_credential_of_another_agent_is_not_asked_about_with_every_connection() -> None:
    """Told the same for a while without a question or a record; while nobody can say it waits, and is not refused."""
    lab = Lab()
    state = State(lab, Unavailable("away"))
    socket, transport = lab.open(BOUND)
    socket.data_received(said(full(OTHER)))
    await lab.idle()
    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable
    assert not socket.gone

    state.answer = Unauthenticated(OTHER_AGENT)
    for _ in range(3):
        socket, transport = lab.open(BOUND)
        socket.data_received(said(full(OTHER)))
        await lab.idle()
        assert transport.answers()[0].error_response.error_message == OTHER_AGENT
        assert socket.gone
    assert len(state.asked) == 2

    await lab.clock.advance(11)
    socket, _ = lab.open(BOUND)
    socket.data_received(said(full(OTHER)))
    await lab.idle()
    assert len(state.asked) == 3


async def test_admission_is_asked_with_the_first_message() -> None:
    """What the agent said of itself goes along; labels come back and go into the fact."""
    lab = Lab()
    state = State(lab, identity.AdmitAgentReply(approval="approved", labels={"group": "edge"}))
    await first(lab, BOUNDED)
    lab.number()

    asked = state.asked[0]
    assert (asked.credential_id, asked.instance_uid, asked.remote_ip) == ("t-1", UID, "192.0.2.7")
    assert asked.description.identifying_attributes[0].key == "service.name"
    assert asked.transport == facts_pb2.TRANSPORT_WEBSOCKET
    assert dict(connected(lab).labels) == {"group": "edge"}
    assert not connected(lab).withheld


async def test_connection_settings_go_into_the_first_answer() -> None:
    """With the capabilities, and told as delivered."""
    lab = Lab()
    State(lab, identity.AdmitAgentReply(connection_settings=SETTINGS, connection_settings_hash=b"s" * 32))
    _, transport = await first(lab, BOUNDED, ACCEPTS_SETTINGS)
    lab.number()

    told = transport.answers()[0]
    assert told.connection_settings.opamp.destination_endpoint == "wss://x/v1/opamp"
    assert told.capabilities
    delivered = [fact for fact in lab.facts() if fact.kind == facts.OFFER_DELIVERED]
    assert facts_pb2.OfferDelivered.FromString(delivered[0].body).content_hash == b"s" * 32


async def test_agent_without_the_capability_is_told_no_settings() -> None:
    """Nothing is sent that it did not announce."""
    lab = Lab()
    State(lab, identity.AdmitAgentReply(connection_settings=SETTINGS, connection_settings_hash=b"s" * 32))
    _, transport = await first(lab, BOUNDED)

    assert not transport.answers()[0].HasField("connection_settings")


async def test_refused_agent_is_told_why_and_closed() -> None:
    """BadRequest and 1008."""
    lab = Lab()
    State(lab, Unauthenticated("this token has been used up"))
    socket, transport = await first(lab, BOUNDED)

    (_, words), (opcode, payload) = transport.frames()
    assert opamp.ServerToAgent.FromString(words[1:]).error_response.error_message == "this token has been used up"
    assert (opcode, int.from_bytes(payload[:2])) == (frames.CLOSE, frames.POLICY)
    assert socket.session is None


async def test_refused_agent_that_comes_back_at_once_costs_no_question() -> None:
    """It is told the same; the door asks about its credential anew; a change of anything is heeded."""
    lab = Lab()
    state = State(lab, Unauthenticated("this token has been used up"))
    proof = Proof(token_hash=b"t" * 32)

    async def authenticate(proofs: Sequence[Proof]) -> list[Verdict]:
        return [Verdict(BOUNDED, cache_seconds=60)] * len(proofs)

    lab.gateway.tokens = IdentityDesk(authenticate, lab.clock, good_seconds=60, bad_seconds=5)
    await lab.gateway.tokens.ask(proof)
    for _ in range(3):
        socket, transport = await first(lab, BOUNDED)
        assert "used up" in transport.answers()[0].error_response.error_message
        assert socket.gone

    assert len(state.asked) == 1
    assert lab.gateway.tokens.known(proof) is None
    lab.gateway.refusals.clear()
    await first(lab, BOUNDED)
    assert len(state.asked) == 2


@pytest.mark.parametrize("approval", ["rejected", "revoked"])
async def test_barred_agent_is_refused(approval: str) -> None:
    """Whatever else the answer says."""
    lab = Lab()
    State(lab, identity.AdmitAgentReply(approval=approval))
    socket, transport = await first(lab, BOUNDED)

    assert approval in transport.answers()[0].error_response.error_message
    assert socket.gone


async def test_agent_waits_while_nobody_can_decide() -> None:
    """Unavailable with a wait; its next message is a first one again."""
    lab = Lab()
    state = State(lab, Unavailable("away"))
    socket, transport = await first(lab, BOUNDED)
    told = transport.answers()[0].error_response
    assert told.type == opamp.ServerErrorResponseType_Unavailable
    assert told.retry_info.retry_after_nanoseconds == 30_000_000_000
    assert not socket.gone

    state.answer = identity.AdmitAgentReply(approval="approved")
    socket.data_received(said(full(sequence_num=1)))
    await lab.idle()

    assert transport.answers()[0].capabilities
    assert socket.session is not None


async def test_pending_agent_is_heard_and_offered_nothing() -> None:
    """Withheld: its status counts, its answers are acknowledgements; full state may be asked for."""
    lab = Lab()
    State(lab, identity.AdmitAgentReply(approval="pending"))
    lab.book.memories[UID] = Memory(desired=b"d" * 32)
    lab.gateway.content.keep(b"d" * 32, b"")
    socket, transport = await first(lab, BOUNDED, ACCEPTS_SETTINGS)
    lab.number()

    assert not transport.answers()[0].HasField("remote_config")
    assert connected(lab).withheld
    assert facts.HEALTH_REPORTED in lab.kinds()
    assert not socket.deliver(Offering(REMOTE_CONFIG, b"h", b"", "o"))
    assert socket.deliver(Offering(REPORT_FULL_STATE, b"", b"", "o"))
    assert [told.flags for told in transport.answers()] == [1]


async def test_too_many_admissions_are_put_off() -> None:
    """A flood of strangers does not pile up questions."""
    lab = Lab()
    State(lab, identity.AdmitAgentReply())
    lab.gateway.errands = Errands(limit=0)
    socket, transport = lab.open(BOUNDED)

    socket.data_received(said(message()))

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable


async def test_agent_that_was_barred_since_the_upgrade_does_not_come_in_over_an_older_socket() -> None:
    """As a further agent of a socket with a plain token, or as its first: agent-state is asked about it alone."""
    lab = Lab()
    state = State(lab, Unauthenticated("this agent was revoked"))
    plain = Credential("default", "t-1")
    socket, transport = await first(lab, plain)
    silent, silent_transport = lab.open(plain)
    transport.take()
    change = identity_events.IdentityChanged(tenant_id="default", instance_uids=[OTHER], close=True)
    await Revocations(lab.gateway).hear(change.SerializeToString())

    for one, told in ((socket, transport), (silent, silent_transport)):
        one.data_received(said(full(OTHER)))
        await lab.idle()
        assert "revoked" in told.answers()[0].error_response.error_message
    assert lab.gateway.connections.get("default", OTHER) is None
    assert [request.instance_uid for request in state.asked] == [OTHER]
    assert (socket.gone, silent.gone) == (False, True)

    third, _ = lab.open(plain)
    third.data_received(said(full(b"3" * 16)))
    socket.data_received(said(full(b"4" * 16)))
    assert len(state.asked) == 1
    assert lab.gateway.connections.get("default", b"4" * 16) is not None


async def test_every_further_agent_is_asked_about_when_changes_were_missed() -> None:
    """The bus was away: whoever was barred meanwhile is not known."""
    lab = Lab()
    state = State(lab, identity.AdmitAgentReply(approval="approved"))
    socket, _ = await first(lab, Credential("default", "t-1"))
    await Revocations(lab.gateway).start_over()

    socket.data_received(said(full(OTHER)))
    await lab.idle()

    assert [request.instance_uid for request in state.asked] == [OTHER]
    assert lab.gateway.connections.get("default", OTHER) is not None


@pytest.mark.parametrize("names", [{"instance_uids": [UID]}, {"credential_ids": ["t-1"]}])
async def test_admission_that_a_change_has_overtaken_is_asked_for_again(names: dict[str, list[bytes | str]]) -> None:
    """The revocation was heard before the agent was in: nobody would close it afterwards."""
    lab = Lab()
    state = State(lab, identity.AdmitAgentReply(approval="approved"))
    change = identity_events.IdentityChanged(tenant_id="default", **names)  # type: ignore[arg-type]

    async def overtaken(request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        reply = await state.admit(request)
        if len(state.asked) == 1:
            state.answer = Unauthenticated("this agent was revoked")
            await Revocations(lab.gateway).hear(change.SerializeToString())
        return reply

    lab.gateway.admit = overtaken
    socket, transport = await first(lab, BOUNDED)

    assert "revoked" in transport.answers()[0].error_response.error_message
    assert (len(state.asked), socket.session) == (2, None)


async def test_agent_about_whom_everything_changes_waits() -> None:
    """It is not let in by an answer that is old already, and not asked about for ever."""
    lab = Lab()
    state = State(lab, identity.AdmitAgentReply(approval="approved"))
    change = identity_events.IdentityChanged(tenant_id="default", instance_uids=[UID])

    async def overtaken(request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        await Revocations(lab.gateway).hear(change.SerializeToString())
        return await state.admit(request)

    lab.gateway.admit = overtaken
    socket, transport = await first(lab, BOUNDED)

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable
    assert (len(state.asked), socket.session) == (2, None)


async def test_change_while_the_first_config_is_fetched_is_heeded() -> None:
    """The agent is decided and not in yet: it comes again."""
    lab = Lab()
    lab.book.memories[UID] = Memory(desired=b"d" * 32)
    change = identity_events.IdentityChanged(tenant_id="default", instance_uids=[UID], close=True)

    async def fetch(_: bytes) -> bytes | None:
        await Revocations(lab.gateway).hear(change.SerializeToString())
        return b""

    lab.gateway.content = ContentShelf(fetch, max_bytes=1024)
    socket, transport = await first(lab, Credential("default", "t-1"))

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable
    assert socket.session is None
