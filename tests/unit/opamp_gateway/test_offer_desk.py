"""Offers from the bus reach the agents they are for; the asker learns who was not there."""

from __future__ import annotations

import asyncio

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import OTHER, UID, full, masked, message, said
from gatewaylab.transport import FakeTransport

from fleet.events.v1 import facts_pb2, offers_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import facts
from opamp_gateway import offer_desk as module
from opamp_gateway.errands import Errands
from opamp_gateway.limits import Limits
from opamp_gateway.offer_desk import OfferDesk
from opamp_gateway.websocket import WebSocket
from world.eventually import wait_until

HASH = b"h" * 32
CONTENT = opamp.AgentRemoteConfig(config_hash=HASH).SerializeToString()


class Desk:
    """A desk, its agents and its answers."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.lab = Lab(limits)
        self.replies: list[tuple[str, offers_pb2.OfferReply]] = []
        self.desk = OfferDesk(self.lab.gateway, self._answer)
        self.next_epoch = 1

    async def _answer(self, subject: str, payload: bytes) -> None:
        self.replies.append((subject, offers_pb2.OfferReply.FromString(payload)))

    def agent(self, uid: bytes = UID, capabilities: int | None = None) -> tuple[WebSocket, FakeTransport]:
        """Connect an agent."""
        socket, transport = self.lab.open()
        first = full(uid)
        if capabilities is not None:
            first.capabilities = capabilities
        socket.data_received(said(first))
        self.lab.number(self.next_epoch)
        self.next_epoch += 1
        transport.take()
        return socket, transport

    async def hear(self, offer: offers_pb2.Offer, reply_to: str = "inbox") -> offers_pb2.OfferReply | None:
        """Let the desk hear an offer and wait for its reply."""
        await self.desk.hear(offer.SerializeToString(), reply_to)
        await self.lab.idle()
        return self.replies[-1][1] if self.replies else None


def offer(
    *targets: tuple[bytes, int],
    kind: facts_pb2.OfferKind = facts_pb2.OFFER_KIND_REMOTE_CONFIG,
    content: bytes = CONTENT,
    reason: str = "",
) -> offers_pb2.Offer:
    """Write an offer."""
    made = offers_pb2.Offer(
        offer_id="o", tenant_id="default", kind=kind, content_hash=HASH, content=content, reason=reason
    )
    for uid, epoch in targets:
        made.targets.add(instance_uid=uid, epoch=epoch)
    return made


async def test_offer_reaches_its_targets_and_nobody_else() -> None:
    """Each gets its own uid; who is not here or of another epoch is told."""
    desk = Desk()
    _, here = desk.agent()
    _, other = desk.agent(OTHER)

    reply = await desk.hear(offer((UID, 1), (OTHER, 99), (b"z" * 16, 0)))

    assert reply is not None
    assert (reply.gateway_id, reply.accepted) == ("gw-test", 1)
    assert reply.unknown_uids == OTHER + b"z" * 16
    assert here.answers()[0].remote_config.config_hash == HASH
    assert other.written == b""
    assert desk.lab.kinds()[-1] == facts.OFFER_DELIVERED or facts.OFFER_DELIVERED in desk.lab.kinds()


async def test_any_epoch_will_do_when_none_is_named() -> None:
    """Epoch 0 is whichever connection is live; an offer to all gets no reply."""
    desk = Desk()
    _, here = desk.agent()

    assert await desk.hear(offer((UID, 0)), reply_to="") is None
    assert len(here.answers()) == 1


async def test_agent_without_the_capability_is_spared() -> None:
    """Nothing is sent that an agent did not say it takes."""
    desk = Desk()
    _, here = desk.agent(capabilities=1)

    reply = await desk.hear(offer((UID, 0)))

    assert reply is not None
    assert (reply.accepted, reply.incapable_uids) == (0, UID)
    assert here.written == b""


async def test_withdrawn_capability_is_honoured_at_once() -> None:
    """The newest statement counts."""
    desk = Desk()
    socket, here = desk.agent()
    socket.data_received(said(message(sequence_num=1, capabilities=1)))
    here.take()

    reply = await desk.hear(offer((UID, 0)))

    assert reply is not None
    assert reply.incapable_uids == UID


async def test_content_is_fetched_once_by_hash() -> None:
    """The second offer of the same content needs no store."""
    desk = Desk()
    _, here = desk.agent()
    asked = []

    async def fetch(name: bytes) -> bytes | None:
        asked.append(name)
        return CONTENT

    desk.lab.gateway.content._fetch = fetch
    for _ in range(2):
        await desk.hear(offer((UID, 0), content=b""))
        await desk.lab.clock.advance(60)

    assert asked == [HASH]
    assert len(here.answers()) == 2


async def test_missing_content_is_told_to_who_asked() -> None:
    """It is put there and offered again; a gateway without the agent does not mind."""
    desk = Desk()
    desk.agent()

    reply = await desk.hear(offer((UID, 0), content=b""))
    assert reply is not None
    assert reply.content_missing
    reply = await desk.hear(offer((OTHER, 0), content=b""))
    assert reply is not None
    assert (reply.content_missing, reply.unknown_uids) == (False, OTHER)


async def test_full_state_is_asked_for() -> None:
    """No content is needed."""
    desk = Desk()
    _, here = desk.agent()

    await desk.hear(offer((UID, 0), kind=facts_pb2.OFFER_KIND_REPORT_FULL_STATE, content=b""))

    assert here.answers()[0].flags == 1


async def test_deleted_agent_is_closed_with_its_reason() -> None:
    """The Disconnected fact says why."""
    desk = Desk()
    _, here = desk.agent()

    reply = await desk.hear(offer((UID, 0), kind=facts_pb2.OFFER_KIND_CLOSE, content=b"", reason="deleted"))

    assert reply is not None
    assert reply.accepted == 1
    assert here.frames()[-1][0] == 8
    last = [fact for fact in desk.lab.facts() if fact.kind == facts.DISCONNECTED]
    assert facts_pb2.Disconnected.FromString(last[0].body).reason == "deleted"


@pytest.mark.parametrize("alive", [True, False])
async def test_replaced_agent_is_given_up_only_if_it_is_dead(alive: bool) -> None:
    """Another gateway thinks it has our agent: the socket decides."""
    desk = Desk(Limits(clone_seconds=0.05))
    socket, here = desk.agent()
    question = offer((UID, 1), (OTHER, 1), kind=facts_pb2.OFFER_KIND_CLOSE, content=b"", reason=module.REPLACED)
    asking = asyncio.ensure_future(desk.hear(question))
    await wait_until(lambda: here.written)
    assert here.frames() == [(9, b"")]
    if alive:
        socket.data_received(masked(10, b""))
    reply = await asking

    assert reply is not None
    assert (reply.incapable_uids == UID) == alive
    assert (reply.accepted == 1) != alive
    assert socket.gone != alive


async def test_thousands_of_targets_do_not_hold_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between slices others get their turn."""
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    desk = Desk()
    for number in range(5):
        desk.agent(bytes([number]) * 16)

    reply = await desk.hear(offer(*((bytes([number]) * 16, 0) for number in range(5))))

    assert reply is not None
    assert reply.accepted == 5


@pytest.mark.parametrize("payload", [b"\xff", offers_pb2.Offer(offer_id="x").SerializeToString()])
async def test_unreadable_and_unknown_offers_are_dropped(payload: bytes) -> None:
    """A newer service may say what this gateway does not know."""
    desk = Desk()
    desk.agent()

    await desk.desk.hear(payload, "inbox")

    assert desk.replies == []


async def test_offers_that_cannot_be_fetched_now_are_dropped() -> None:
    """Whoever offered repeats."""
    desk = Desk()
    desk.agent()
    desk.lab.gateway.errands = Errands(limit=0)

    await desk.desk.hear(offer((UID, 0), content=b"").SerializeToString(), "inbox")

    assert desk.replies == []


def able(desk: Desk, *customs: str) -> FakeTransport:
    """Connect an agent that takes everything and announces custom capabilities."""
    socket, transport = desk.agent(capabilities=0x7FFF)
    words = message(sequence_num=1, capabilities=0x7FFF)
    words.custom_capabilities.capabilities.extend(customs)
    socket.data_received(said(words))
    transport.take()
    return transport


async def test_restart_is_a_message_of_its_own() -> None:
    """An empty sub-message that is there: 4a 00 behind the uid."""
    desk = Desk()
    transport = able(desk)

    await desk.hear(offer((UID, 0), kind=facts_pb2.OFFER_KIND_COMMAND, content=b""))

    assert transport.frames() == [(2, b"\x00\x0a\x10" + UID + b"\x4a\x00")]


async def test_components_are_asked_for() -> None:
    """A flag, for agents that can tell them."""
    desk = Desk()
    transport = able(desk)
    _, other = desk.agent(OTHER, capabilities=1)

    reply = await desk.hear(
        offer((UID, 0), (OTHER, 0), kind=facts_pb2.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS, content=b"")
    )

    assert reply is not None
    assert (reply.accepted, reply.incapable_uids) == (1, OTHER)
    assert transport.answers() == [opamp.ServerToAgent(instance_uid=UID, flags=2)]
    assert other.written == b""


async def test_custom_message_needs_an_agent_that_announced_it() -> None:
    """A capability this server has not announced is announced along with it."""
    desk = Desk()
    transport = able(desk, "com.example.echo")
    content = opamp.CustomMessage(capability="com.example.echo", type="t", data=b"\xff").SerializeToString()
    foreign = opamp.CustomMessage(capability="com.example.other").SerializeToString()

    replies = [
        await desk.hear(offer((UID, 0), kind=facts_pb2.OFFER_KIND_CUSTOM_MESSAGE, content=body))
        for body in (content, foreign, b"\xff")
    ]

    assert [reply and (reply.accepted, reply.incapable_uids) for reply in replies] == [(1, b""), (0, UID), (0, b"")]
    told = transport.answers()[0]
    assert told.custom_message.data == b"\xff"
    assert list(told.custom_capabilities.capabilities) == ["com.example.echo"]


async def test_settings_are_cut_to_what_each_agent_takes() -> None:
    """And kept in no cache: they hold secrets."""
    desk = Desk()
    settings = opamp.ConnectionSettingsOffers(hash=HASH)
    settings.opamp.headers.headers.add(key="Authorization", value="Bearer secret")
    settings.own_logs.destination_endpoint = "https://x/v1/logs"
    all_of_it = able(desk)
    _, logs_only = desk.agent(OTHER, capabilities=opamp.AgentCapabilities_ReportsOwnLogs | 1)
    _, nothing = desk.agent(b"n" * 16, capabilities=1)

    reply = await desk.hear(
        offer(
            (UID, 0),
            (OTHER, 0),
            (b"n" * 16, 0),
            kind=facts_pb2.OFFER_KIND_CONNECTION_SETTINGS,
            content=settings.SerializeToString(),
        )
    )

    assert reply is not None
    assert (reply.accepted, reply.incapable_uids) == (2, b"n" * 16)
    assert all_of_it.answers()[0].connection_settings == settings
    cut = logs_only.answers()[0].connection_settings
    assert (cut.HasField("opamp"), cut.HasField("own_logs"), cut.hash) == (False, True, HASH)
    assert nothing.written == b""
    assert desk.lab.gateway.content.have(HASH) is None


async def test_settings_no_agent_takes_any_more_are_not_sent() -> None:
    """It takes some, but none of these."""
    desk = Desk()
    settings = opamp.ConnectionSettingsOffers(hash=HASH)
    settings.own_traces.destination_endpoint = "https://x/v1/traces"
    _, transport = desk.agent(capabilities=opamp.AgentCapabilities_ReportsOwnLogs | 1)

    reply = await desk.hear(
        offer((UID, 0), kind=facts_pb2.OFFER_KIND_CONNECTION_SETTINGS, content=settings.SerializeToString())
    )

    assert reply is not None
    assert reply.incapable_uids == UID
    assert transport.written == b""
