"""Answers that are asked for first: certificates, and the config of an agent that reports another one."""

from __future__ import annotations

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import CAPABILITIES, UID, full, message, said
from gatewaylab.transport import FakeTransport

from fleet.api.v1 import identity_pb2 as identity
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts
from opamp_gateway.errands import Errands
from opamp_gateway.offers import CONNECTION_SETTINGS, Offering
from opamp_gateway.session import Memory
from opamp_gateway.websocket import WebSocket
from servicekit.errors import Invalid, ServiceError, Unavailable

TAKES = CAPABILITIES | opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
CERTIFICATE = opamp.ConnectionSettingsOffers(hash=b"c" * 32)
CERTIFICATE.opamp.certificate.cert = b"-----BEGIN CERTIFICATE-----"
ISSUED = identity.RequestCertificateReply(
    connection_settings=CERTIFICATE.SerializeToString(), connection_settings_hash=b"c" * 32
)
HASH = b"d" * 32
CONFIG = opamp.AgentRemoteConfig(config_hash=HASH).SerializeToString()


class State:
    """agent-state with an authority."""

    def __init__(self, lab: Lab, answer: identity.RequestCertificateReply | ServiceError = ISSUED) -> None:
        self.answer = answer
        self.asked: list[identity.RequestCertificateRequest] = []
        lab.gateway.certify = self.certify

    async def certify(self, request: identity.RequestCertificateRequest) -> identity.RequestCertificateReply:
        """Answer."""
        self.asked.append(request)
        if isinstance(self.answer, ServiceError):
            raise self.answer
        return self.answer


def asking(sequence_num: int = 1, csr: bytes = b"-----BEGIN CERTIFICATE REQUEST-----") -> opamp.AgentToServer:
    """Ask for a certificate."""
    words = message(sequence_num=sequence_num, capabilities=TAKES)
    words.connection_settings_request.opamp.certificate_request.csr = csr
    return words


def opened(lab: Lab) -> tuple[WebSocket, FakeTransport]:
    """Open a socket whose agent has introduced itself."""
    socket, transport = lab.open()
    words = full()
    words.capabilities = TAKES
    socket.data_received(said(words))
    lab.number()
    transport.take()
    return socket, transport


async def test_certificate_comes_with_the_answer() -> None:
    """To that very message; without a private key; told as requested and delivered."""
    lab = Lab()
    state = State(lab)
    socket, transport = opened(lab)

    socket.data_received(said(asking()))
    await lab.idle()

    told = transport.answers()[0]
    assert told.connection_settings.opamp.certificate.cert.startswith(b"-----BEGIN")
    assert (state.asked[0].instance_uid, state.asked[0].capabilities) == (UID, TAKES)
    assert lab.kinds()[-2:] == [facts.CONNECTION_SETTINGS_REQUESTED, facts.OFFER_DELIVERED]


async def test_messages_behind_the_request_wait_in_order() -> None:
    """Heartbeats too; each is answered, and the renewal is served like the first."""
    lab = Lab()
    State(lab)
    socket, transport = opened(lab)

    socket.data_received(said(asking()) + said(message(sequence_num=2, capabilities=TAKES)))
    socket.data_received(said(asking(3)))
    assert transport.answers() == []
    await lab.idle()

    assert [told.HasField("connection_settings") for told in transport.answers()] == [True, False, True]
    assert lab.gateway.tally.heartbeats == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Invalid("the key is too small"), opamp.ServerErrorResponseType_BadRequest, "the key is too small"),
        (Unavailable("away"), opamp.ServerErrorResponseType_Unavailable, "just now"),
    ],
)
async def test_failure_is_the_answer(answer: ServiceError, kind: opamp.ServerErrorResponseType, words: str) -> None:
    """BadRequest for no, Unavailable with a wait for later; nothing else stands in the message."""
    lab = Lab()
    State(lab, answer)
    socket, transport = opened(lab)

    socket.data_received(said(asking()))
    await lab.idle()

    told = transport.answers()[0]
    assert told.error_response.type == kind
    assert words in told.error_response.error_message
    assert told.error_response.HasField("retry_info") == (kind == opamp.ServerErrorResponseType_Unavailable)
    assert (told.flags, told.capabilities) == (0, 0)


async def test_request_that_waits_for_approval_is_acknowledged() -> None:
    """The offer comes later."""
    lab = Lab()
    State(lab, identity.RequestCertificateReply())
    socket, transport = opened(lab)

    socket.data_received(said(asking()))
    await lab.idle()

    assert transport.answers() == [opamp.ServerToAgent(instance_uid=UID)]


async def test_platform_without_an_authority_says_so() -> None:
    """BadRequest."""
    lab = Lab()
    socket, transport = opened(lab)

    socket.data_received(said(asking()))
    await lab.idle()

    assert "no certificates" in transport.answers()[0].error_response.error_message


async def test_agent_that_takes_no_settings_gets_no_certificate() -> None:
    """It would be an offer it did not announce."""
    lab = Lab()
    state = State(lab)
    socket, transport = opened(lab)
    words = asking()
    words.capabilities = CAPABILITIES

    socket.data_received(said(words))
    await lab.idle()

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_BadRequest
    assert state.asked == []


@pytest.mark.parametrize("csr", [b"", b"x" * 20_000])
async def test_request_without_a_csr_or_with_a_huge_one_is_a_bad_request(csr: bytes) -> None:
    """A certificate_request is required."""
    lab = Lab()
    state = State(lab)
    socket, transport = opened(lab)

    socket.data_received(said(asking(csr=csr)))
    await lab.idle()

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_BadRequest
    assert state.asked == []


async def test_request_for_nothing_is_no_fault() -> None:
    """connection_settings_request without opamp is not acted on."""
    lab = Lab()
    state = State(lab)
    socket, transport = opened(lab)
    words = message(sequence_num=1, capabilities=TAKES)
    words.connection_settings_request.SetInParent()

    socket.data_received(said(words))
    await lab.idle()

    assert transport.answers() == [opamp.ServerToAgent(instance_uid=UID)]
    assert state.asked == []


async def test_first_message_may_ask_for_a_certificate() -> None:
    """Its answer carries the capabilities as well."""
    lab = Lab()
    State(lab)
    socket, transport = lab.open()
    words = full()
    words.capabilities = TAKES
    words.connection_settings_request.opamp.certificate_request.csr = b"-----BEGIN"

    socket.data_received(said(words))
    await lab.idle()

    told = transport.answers()[0]
    assert told.HasField("connection_settings")
    assert told.capabilities


async def test_too_many_requests_are_put_off() -> None:
    """Unavailable, at once."""
    lab = Lab()
    State(lab)
    socket, transport = opened(lab)
    lab.gateway.errands = Errands(limit=0)

    socket.data_received(said(asking()))

    assert transport.answers()[0].error_response.type == opamp.ServerErrorResponseType_Unavailable


def reporting(content_hash: bytes, status: opamp.RemoteConfigStatuses, sequence_num: int) -> bytes:
    """Report on a remote config."""
    words = message(sequence_num=sequence_num)
    words.remote_config_status.last_remote_config_hash = content_hash
    words.remote_config_status.status = status
    return said(words)


async def test_agent_that_reports_another_config_is_told_its_own() -> None:
    """In the answer to that very message."""
    lab = Lab()
    socket, transport = opened(lab)
    lab.book.memories[UID] = Memory(desired=HASH)
    lab.gateway.content.keep(HASH, CONFIG)

    socket.data_received(reporting(b"x" * 32, opamp.RemoteConfigStatuses_APPLIED, 1))
    await lab.idle()

    assert transport.answers()[0].remote_config.config_hash == HASH


async def test_agent_that_drifts_is_told_again_and_one_that_rolled_back_is_not() -> None:
    """What was applied and then lost is offered anew; what was never applied is not pressed upon the agent."""
    lab = Lab()
    socket, transport = opened(lab)
    lab.book.memories[UID] = Memory(desired=HASH)
    lab.gateway.content.keep(HASH, CONFIG)
    applied, other = opamp.RemoteConfigStatuses_APPLIED, b"x" * 32

    offered = []
    for number, content_hash in enumerate((other, other[::-1], HASH, other, b"y" * 32), 1):
        socket.data_received(reporting(content_hash, applied, number))
        await lab.idle()
        offered.append(transport.answers()[0].HasField("remote_config"))

    assert offered == [True, False, False, True, False]


async def test_words_without_a_hash_are_about_what_was_offered() -> None:
    """Clients that leave the hash out are not offered the same for ever."""
    lab = Lab()
    socket, transport = opened(lab)
    lab.book.memories[UID] = Memory(desired=HASH)
    lab.gateway.content.keep(HASH, CONFIG)

    socket.data_received(reporting(b"", opamp.RemoteConfigStatuses_APPLIED, 1))
    await lab.idle()

    assert not transport.answers()[0].HasField("remote_config")


async def test_registry_that_cannot_be_asked_offers_nothing() -> None:
    """config-service repeats what it wants anyway; nor is content that is not to be had waited for."""
    lab = Lab()
    socket, transport = opened(lab)
    lab.book.memories[UID] = None
    socket.data_received(reporting(b"x" * 32, opamp.RemoteConfigStatuses_APPLIED, 1))
    await lab.idle()
    lab.book.memories[UID] = Memory(desired=HASH)
    socket.data_received(reporting(b"y" * 32, opamp.RemoteConfigStatuses_APPLIED, 2))
    await lab.idle()

    assert [told.HasField("remote_config") for told in transport.answers()] == [False, False]


async def test_agent_that_reports_other_settings_is_told_its_own() -> None:
    """In the answer to that very message; one that reports what it was told is asked nothing."""
    lab = Lab()
    asked: list[bytes] = []
    settings = opamp.ConnectionSettingsOffers(hash=b"s" * 32)
    settings.opamp.destination_endpoint = "wss://x/v1/opamp"

    async def admit(request: identity.AdmitAgentRequest) -> identity.AdmitAgentReply:
        asked.append(request.last_connection_settings_hash)
        return identity.AdmitAgentReply(
            connection_settings=settings.SerializeToString(), connection_settings_hash=b"s" * 32
        )

    lab.gateway.admit = admit
    socket, transport = opened(lab)
    socket.deliver(Offering(CONNECTION_SETTINGS, b"s" * 32, settings.SerializeToString(), "o"))
    transport.take()

    for number, reported in enumerate((b"s" * 32, b"x" * 32), 1):
        words = message(sequence_num=number, capabilities=TAKES)
        words.connection_settings_status.last_connection_settings_hash = reported
        socket.data_received(said(words))
        await lab.idle()

    assert asked == [b"x" * 32]
    assert [told.HasField("connection_settings") for told in transport.answers()] == [False, True]
