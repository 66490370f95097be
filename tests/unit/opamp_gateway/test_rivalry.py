"""Two sockets with one uid at two gateways, opened at the same moment."""

from __future__ import annotations

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.speech import UID, full, said
from gatewaylab.transport import FakeTransport

from opamp_gateway.limits import Limits
from opamp_gateway.poll import Poll
from opamp_gateway.rivalry import Rivalry
from opamp_gateway.session import WEBSOCKET, Memory
from opamp_gateway.websocket import WebSocket

ELSEWHERE = Memory(gateway_id="gw-2", epoch=9, transport=WEBSOCKET)


def superseded(lab: Lab, *, alive_there: bool) -> tuple[WebSocket, FakeTransport]:
    """Open a socket whose agent turns out to be held elsewhere."""
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number()
    transport.take()
    lab.book.memories[UID] = ELSEWHERE

    async def rival(*_: object) -> bool:
        return alive_there

    lab.gateway.rival = rival
    Rivalry(lab.gateway)
    lab.gateway.superseded("default", UID, 1, 0, claim=True)
    return socket, transport


async def test_two_live_agents_end_as_two() -> None:
    """The one that finds out is given a uid of its own, once."""
    lab = Lab()
    socket, transport = superseded(lab, alive_there=True)
    lab.gateway.superseded("default", UID, 1, 0, claim=True)
    await lab.pong(socket, transport)

    told = transport.answers()
    assert [len(one.agent_identification.new_instance_uid) for one in told] == [16]
    assert told[0].instance_uid == UID


async def test_dead_connection_of_ours_is_closed() -> None:
    """The agent is there by now."""
    lab = Lab(Limits(clone_seconds=0.01))
    socket, _ = superseded(lab, alive_there=True)
    await lab.idle()

    assert socket.gone


async def test_dead_connection_there_makes_ours_begin_anew() -> None:
    """Under a higher number than the one it was beaten by."""
    lab = Lab()
    socket, transport = superseded(lab, alive_there=False)
    await lab.pong(socket, transport)

    assert socket.gone


async def test_later_of_two_live_agents_gets_a_uid_of_its_own() -> None:
    """The one that took over an entry it did not know of asks, once, and gives way."""
    lab = Lab()
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number(9)
    transport.take()
    asked: list[tuple[object, ...]] = []

    async def rival(*whose: object) -> bool:
        asked.append(whose)
        return True

    lab.gateway.rival = rival
    rivalry = Rivalry(lab.gateway)
    rivalry.displaced("default", UID, 8, "gw-2", 5)
    rivalry.displaced("default", UID, 9, "gw-2", 5)
    rivalry.displaced("default", UID, 9, "gw-2", 5)
    await lab.idle()

    assert asked == [("gw-2", "default", UID, 5)]
    assert len(transport.answers()[0].agent_identification.new_instance_uid) == 16


async def test_connection_that_was_known_is_not_asked_about_again() -> None:
    """It was asked when the agent came in: a fleet that comes back asks once."""
    lab = Lab()
    lab.book.memories[UID] = Memory(epoch=5)
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number(9)
    transport.take()

    async def rival(*_: object) -> bool:
        return True

    lab.gateway.rival = rival
    Rivalry(lab.gateway).displaced("default", UID, 9, "gw-2", 5)
    await lab.idle()

    assert transport.answers() == []


@pytest.mark.parametrize("memory", [None, Memory(), Memory(gateway_id="gw-test", epoch=9, transport=WEBSOCKET)])
async def test_nothing_is_done_without_a_rival(memory: Memory | None) -> None:
    """The entry says nobody else, or nobody can say."""
    lab = Lab()
    socket, transport = superseded(lab, alive_there=True)
    lab.book.memories[UID] = memory
    await lab.pong(socket, transport)

    assert not socket.gone
    assert transport.answers() == []


async def test_polling_agent_cannot_be_informed() -> None:
    """What it is told waits for its next poll."""
    Poll(Lab().gateway).inform(b"")
