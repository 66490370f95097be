"""What happens to a session apart from talk."""

from __future__ import annotations

from gatewaylab.fakes import RULES, Lab
from gatewaylab.speech import UID, full, said

from opamp_gateway.facts import CONNECTED, DISCONNECTED
from opamp_gateway.poll import Poll
from opamp_gateway.session import HTTP, Memory, Session


def arrive(lab: Lab, memory: Memory | None = None, *, adopt: bool = False) -> Poll:
    """Open a polling session."""
    poll = Poll(lab.gateway)
    session = Session(RULES, "default", UID, HTTP)
    session.remember(memory or Memory(), adopt=adopt)
    lab.gateway.opened(poll, session, session.receive(full(), 1.0, 1))
    return poll


async def test_session_waits_in_line_for_its_epoch() -> None:
    """Its facts are held, its agent is owned and counts as heard."""
    lab = Lab()
    poll = arrive(lab)

    assert lab.gateway.connections.get("default", UID) is poll
    assert lab.gateway.presence.heard == [poll]
    assert lab.facts() == []
    lab.number(4)
    assert [fact.session.epoch for fact in lab.facts()] == [4] * 5
    assert lab.kinds()[0] == CONNECTED


async def test_adopted_session_has_its_epoch() -> None:
    """It claims the agent at once."""
    lab = Lab()
    poll = arrive(lab, Memory("gw-other", 9, HTTP, 0, 5), adopt=True)

    assert lab.gateway.epochs.take() == []
    assert lab.book.claimed == [poll.session]


async def test_session_left_to_another_gateway_says_nothing() -> None:
    """Neither a fact nor a word to the registry."""
    lab = Lab()
    poll = arrive(lab)
    lab.number()
    before = len(lab.facts())

    lab.gateway.ended(poll)
    lab.gateway.ended(poll)

    assert len(lab.facts()) == before
    assert lab.book.released == []
    assert lab.gateway.connections.get("default", UID) is None


async def test_stored_facts_are_learned() -> None:
    """What is on the bus is remembered."""
    lab = Lab()
    arrive(lab)
    lab.number()

    lab.gateway.stored(lab.facts())

    assert lab.book.learned == lab.facts()
    assert lab.gateway.stamp() > 0


async def test_superseded_polling_session_is_let_go() -> None:
    """Only the one that was refused: not a newer one of the same agent, not a socket, not a stranger."""
    lab = Lab()
    poll = arrive(lab)
    lab.number(7)
    for whose in ((7, 1), (6, 0)):
        lab.gateway.superseded("default", UID, *whose, claim=True)
    lab.gateway.superseded("acme", UID, 7, 0, claim=True)
    assert lab.gateway.connections.get("default", UID) is poll

    lab.gateway.superseded("default", UID, 7, 0, claim=True)

    assert lab.gateway.connections.get("default", UID) is None
    assert DISCONNECTED not in lab.kinds()


async def test_refused_socket_stays() -> None:
    """Whether its peer lives is found out by asking it."""
    lab = Lab()
    socket, _ = lab.open()
    socket.data_received(said(full()))
    lab.number(7)

    lab.gateway.superseded("default", UID, 7, 0, claim=True)

    assert socket.session is not None
