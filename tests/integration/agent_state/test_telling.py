from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agent_state import telling
from agent_state.errors import AgentNotFound, CannotTell, InvalidQuery
from agent_state.telling import Telling
from contracts import subjects
from fleet.api.v1 import identity_pb2 as api
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1.offers_pb2 import Offer, OfferReply
from opamp.v1 import opamp_pb2 as opamp
from servicekit.bus import Bus
from servicekit.errors import Unavailable
from world.facts import batch, connected, disconnected, fact, uid_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from servicekit.bus import BusMessage

    from .conftest import Applier

UID = uid_of(1)
ABLE = opamp.AgentCapabilities_AcceptsRestartCommand | opamp.AgentCapabilities_ReportsAvailableComponents
RESTART = opamp.ServerToAgentCommand(type=opamp.CommandType_Restart)
PING = opamp.CustomMessage(capability="io.example.ping", type="ping", data=b"\x00\xff")


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a bus."""
    made = await Bus.connect(nats_url, name="test")
    yield made
    await made.close()


@pytest.fixture
def teller(pool: asyncpg.Pool, bus: Bus) -> Telling:
    """Give what tells."""
    return Telling(pool, bus)


class Gateway:
    """Answers offers in one way."""

    def __init__(self, bus: Bus, name: str, reply: OfferReply) -> None:
        self._bus = bus
        self._name = name
        self._reply = reply
        self.heard: list[Offer] = []

    async def open(self) -> Gateway:
        """Begin to listen."""
        await self._bus.subscribe(subjects.offer(self._name), self._take)
        return self

    async def _take(self, message: BusMessage) -> None:
        self.heard.append(Offer.FromString(message.payload))
        await self._bus.publish(message.reply_to, self._reply.SerializeToString())


def taking(name: str = "gw-1") -> OfferReply:
    """A gateway that takes it."""
    return OfferReply(gateway_id=name, accepted=1)


def arrives(
    epoch: int = 5, *, withheld: bool = False, transport: facts.Transport = facts.TRANSPORT_WEBSOCKET
) -> facts.Fact:
    """An agent comes that can be told things."""
    said = connected(UID, epoch)
    said.connected.capabilities = ABLE
    said.connected.withheld = withheld
    said.connected.transport = transport
    return said


def announces(*names: str, epoch: int = 5) -> facts.Fact:
    """It tells its custom capabilities."""
    return fact(
        UID, epoch, 2, described=facts.Described(custom_capabilities=opamp.CustomCapabilities(capabilities=names))
    )


def tell(uid: bytes = UID, **what: object) -> api.TellAgentRequest:
    """Write a request."""
    return api.TellAgentRequest(tenant_id="default", instance_uid=uid, author="eve", **what)  # type: ignore[arg-type] # by name


async def test_command_goes_to_the_gateway_of_the_agent(bus: Bus, apply: Applier, teller: Telling) -> None:
    """Empty as Restart is on the wire, for this one connection."""
    await apply(batch(arrives()))
    gateway = await Gateway(bus, "gw-1", taking()).open()

    reply = await teller.tell_agent(tell(command=RESTART))

    (offer,) = gateway.heard
    assert (offer.kind, offer.content, offer.tenant_id) == (facts.OFFER_KIND_COMMAND, b"", "default")
    assert [(target.instance_uid, target.epoch) for target in offer.targets] == [(UID, 5)]
    assert (reply.gateway_id, reply.at_once) == ("gw-1", True)


async def test_custom_message_travels_unaltered(bus: Bus, apply: Applier, teller: Telling) -> None:
    """To an agent that announced the capability (S-185, S-186)."""
    await apply(batch(arrives(), announces("io.example.ping")))
    gateway = await Gateway(bus, "gw-1", taking()).open()

    await teller.tell_agent(tell(custom_message=PING))

    assert gateway.heard[0].kind == facts.OFFER_KIND_CUSTOM_MESSAGE
    assert opamp.CustomMessage.FromString(gateway.heard[0].content) == PING


async def test_components_are_asked_for(bus: Bus, apply: Applier, teller: Telling) -> None:
    """Whatever list is known already."""
    await apply(batch(arrives()))
    gateway = await Gateway(bus, "gw-1", taking()).open()

    await teller.tell_agent(tell(report_available_components=True))

    assert gateway.heard[0].kind == facts.OFFER_KIND_REPORT_AVAILABLE_COMPONENTS


async def test_polling_agent_is_told_with_its_next_poll(bus: Bus, apply: Applier, teller: Telling) -> None:
    """And the caller hears that it was not at once."""
    await apply(batch(arrives(transport=facts.TRANSPORT_HTTP)))
    await Gateway(bus, "gw-1", taking()).open()

    assert not (await teller.tell_agent(tell(command=RESTART))).at_once


async def test_agent_that_moved_is_found(pool: asyncpg.Pool, bus: Bus, apply: Applier, teller: Telling) -> None:
    """A polling agent may have been heard at another gateway a moment ago."""
    await apply(batch(arrives()))
    await pool.execute("INSERT INTO gateway_lease (gateway_id, expires_at) VALUES ('gw-2', now() + interval '1 hour')")
    await Gateway(bus, "gw-1", OfferReply(gateway_id="gw-1", unknown_uids=UID)).open()
    await Gateway(bus, "gw-2", taking("gw-2")).open()

    assert (await teller.tell_agent(tell(command=RESTART))).gateway_id == "gw-2"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (OfferReply(gateway_id="gw-1", unknown_uids=UID), "not connected"),
        (OfferReply(gateway_id="gw-1", incapable_uids=UID), "does not support"),
        (OfferReply(gateway_id="gw-1"), "too much may be waiting"),
        (None, "not connected"),
    ],
)
async def test_what_the_gateway_refuses_is_a_conflict(
    bus: Bus, apply: Applier, teller: Telling, reply: OfferReply | None, said: str
) -> None:
    """The sentence says why; a gateway that is gone has no agents."""
    await apply(batch(arrives()))
    if reply is not None:
        await Gateway(bus, "gw-1", reply).open()

    with pytest.raises(CannotTell, match=said):
        await teller.tell_agent(tell(command=RESTART))


async def test_agents_that_could_not_take_it_are_not_told(apply: Applier, teller: Telling) -> None:
    """Each lack has its sentence (S-177, S-182, A-32)."""
    with pytest.raises(AgentNotFound):
        await teller.tell_agent(tell(command=RESTART))
    await apply(batch(connected(UID, 5)))
    with pytest.raises(CannotTell, match="AcceptsRestartCommand"):
        await teller.tell_agent(tell(command=RESTART))
    with pytest.raises(CannotTell, match="ReportsAvailableComponents"):
        await teller.tell_agent(tell(report_available_components=True))
    await apply(batch(announces("io.example.other")))
    with pytest.raises(CannotTell, match=r"io\.example\.ping"):
        await teller.tell_agent(tell(custom_message=PING))
    await apply(batch(arrives(6, withheld=True)))
    with pytest.raises(CannotTell, match="not approved"):
        await teller.tell_agent(tell(command=RESTART))
    await apply(batch(disconnected(UID, 6, 9)))
    with pytest.raises(CannotTell, match="not connected"):
        await teller.tell_agent(tell(command=RESTART))


@pytest.mark.parametrize(
    "request_",
    [
        tell(),
        tell(b"short", command=RESTART),
        tell(report_available_components=False),
        tell(custom_message=opamp.CustomMessage(type="x")),
        tell(custom_message=opamp.CustomMessage(capability="x" * 300)),
        tell(custom_message=opamp.CustomMessage(capability="x", data=bytes(telling.MAX_DATA_BYTES + 1))),
        tell(command=opamp.ServerToAgentCommand(type=7)),  # type: ignore[arg-type] # none there is
    ],
)
async def test_requests_that_say_nothing_are_refused(teller: Telling, request_: api.TellAgentRequest) -> None:
    """Before anybody is looked for."""
    with pytest.raises(InvalidQuery):
        await teller.tell_agent(request_)


async def test_gateway_that_does_not_answer_may_have_told_it(
    bus: Bus, apply: Applier, teller: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else is asked then: a restart told twice is two restarts."""
    monkeypatch.setattr(telling, "TIMEOUT_SECONDS", 0.2)
    await apply(batch(arrives()))

    async def deaf(message: BusMessage) -> None:
        del message

    await bus.subscribe(subjects.offer("gw-1"), deaf)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await teller.tell_agent(tell(command=RESTART))
    assert time.monotonic() - began >= 0.2


async def test_unreadable_answer_is_no_answer(bus: Bus, apply: Applier, teller: Telling) -> None:
    """It may have been told all the same."""
    await apply(batch(arrives()))

    async def garble(message: BusMessage) -> None:
        await bus.publish(message.reply_to, b"\xff\xff")

    await bus.subscribe(subjects.offer("gw-1"), garble)
    with pytest.raises(Unavailable, match="may have been told"):
        await teller.tell_agent(tell(command=RESTART))
