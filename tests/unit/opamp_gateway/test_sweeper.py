"""One round for everybody: deadlines, pings, silence, counts."""

from __future__ import annotations

import asyncio

import pytest
from gatewaylab.fakes import RULES, Lab
from gatewaylab.speech import UID, full, masked, message, said
from gatewaylab.transport import FakeTransport

from fleet.events.v1 import facts_pb2
from opamp_gateway import facts
from opamp_gateway.door import Door
from opamp_gateway.limits import Limits
from opamp_gateway.poll import Poll
from opamp_gateway.session import HTTP, Memory, Session
from opamp_gateway.sweeper import Sweeper
from servicekit.metrics import REGISTRY


def sample(name: str, **labels: str) -> float:
    """Read a metric."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def rounds(lab: Lab, sweeper: Sweeper, count: int) -> None:
    """Let that many seconds pass, with a beat of presence each."""
    for _ in range(count):
        await lab.clock.advance(1)
        await lab.gateway.presence.beat(0)
        await sweeper.go_round()
    await lab.idle()


async def test_dawdlers_at_the_door_are_sent_off() -> None:
    """At their deadline, not before."""
    lab = Lab(Limits(handshake_seconds=3))
    sweeper = Sweeper(lab.gateway)
    transport = FakeTransport()
    Door(lab.gateway, asyncio.Protocol).connection_made(transport)

    await rounds(lab, sweeper, 2)
    assert not transport.aborted
    await rounds(lab, sweeper, 1)
    assert transport.aborted


async def test_silent_socket_is_pinged_then_dropped() -> None:
    """A dead peer is found without a heartbeat."""
    lab = Lab(Limits(ping_after_seconds=20, pong_seconds=20))
    sweeper = Sweeper(lab.gateway)
    socket, transport = lab.open()
    socket.data_received(said(full()))
    lab.number()
    transport.take()

    await rounds(lab, sweeper, 30)
    assert transport.frames() == [(9, b"")]
    await rounds(lab, sweeper, 25)

    assert transport.aborted
    last = [fact for fact in lab.facts() if fact.kind == facts.DISCONNECTED]
    assert facts_pb2.Disconnected.FromString(last[0].body).reason == "connection lost"


async def test_quiet_but_living_socket_stays() -> None:
    """Its pongs count as being heard from; so do heartbeats on the fast path."""
    lab = Lab(Limits(ping_after_seconds=20, pong_seconds=20))
    sweeper = Sweeper(lab.gateway)
    quiet, quiet_transport = lab.open()
    busy, busy_transport = lab.open()
    busy.data_received(said(full()))
    for number in range(1, 13):
        await rounds(lab, sweeper, 10)
        busy.data_received(said(message(sequence_num=number)))
        if any(opcode == 9 for opcode, _ in quiet_transport.frames()):
            quiet.data_received(masked(10, b""))

    assert not quiet_transport.aborted
    assert not busy_transport.aborted
    assert 9 not in [opcode for opcode, _ in busy_transport.frames()]


async def test_slow_reader_is_dropped() -> None:
    """After its ten seconds."""
    lab = Lab(Limits(slow_reader_seconds=10))
    sweeper = Sweeper(lab.gateway)
    socket, transport = lab.open()
    socket.pause_writing()

    await rounds(lab, sweeper, 9)
    assert not transport.aborted
    await rounds(lab, sweeper, 1)
    assert transport.aborted


async def test_message_without_end_is_closed() -> None:
    """Thirty seconds after its first byte, however many pings and crumbs come meanwhile."""
    lab = Lab(Limits(message_seconds=30))
    sweeper = Sweeper(lab.gateway)
    socket, _ = lab.open()
    socket.data_received(masked(2, b"\x00", final=False))

    for _ in range(29):
        await rounds(lab, sweeper, 1)
        socket.data_received(masked(9, b"") + masked(0, b"x", final=False))
    assert not socket.gone
    await rounds(lab, sweeper, 1)

    assert socket.gone


async def test_peer_that_does_not_close_is_dropped() -> None:
    """Two seconds after it was told."""
    lab = Lab()
    sweeper = Sweeper(lab.gateway)
    socket, transport = lab.open()
    socket.end("drain")

    await rounds(lab, sweeper, 2)

    assert transport.aborted


def polling(lab: Lab) -> Poll:
    """Open a polling session."""
    poll = Poll(lab.gateway)
    session = Session(RULES, "default", UID, HTTP)
    lab.gateway.opened(poll, session, session.receive(full(), 1.0, 1))
    lab.number(5)
    return poll


@pytest.mark.parametrize(
    ("memory", "told"),
    [(Memory("gw-test", 5, HTTP, 0, 1), True), (Memory("gw-other", 5, HTTP, 1, 1), False), (None, False)],
)
async def test_silent_poller_is_disconnected_unless_it_polls_elsewhere(memory: Memory | None, told: bool) -> None:
    """Whoever serves it now, or nobody knows who: then it is left to agent-state's own sweep."""
    lab = Lab(Limits(poll_silence_seconds=60))
    lab.book.memories[UID] = memory
    sweeper = Sweeper(lab.gateway)
    polling(lab)

    await rounds(lab, sweeper, 55)
    assert lab.gateway.connections.get("default", UID) is not None
    await rounds(lab, sweeper, 15)

    assert lab.gateway.connections.get("default", UID) is None
    assert (facts.DISCONNECTED in lab.kinds()) == told


async def test_poller_that_comes_back_while_it_is_looked_up_stays() -> None:
    """The answer of the registry is older than the poll."""
    lab = Lab(Limits(poll_silence_seconds=60))
    sweeper = Sweeper(lab.gateway)
    poll = polling(lab)
    lab.book.hold = True
    await lab.clock.advance(70)
    for _ in range(5):
        await sweeper.go_round()
    await asyncio.sleep(0)
    poll.last_heard = lab.clock.monotonic()
    lab.book.let_go()
    await lab.idle()

    assert poll.session is not None


async def test_counts_of_the_hot_path_reach_the_metrics() -> None:
    """Heartbeats and sessions are counted without touching a metric each time."""
    lab = Lab()
    sweeper = Sweeper(lab.gateway)
    socket, _ = lab.open()
    socket.data_received(said(full()))
    socket.data_received(said(message(sequence_num=1)))
    before = sample("opamp_platform_agent_heartbeats_total")
    opened = sample("opamp_gateway_sessions_opened_total")
    ended = sample("opamp_gateway_sessions_ended_total")

    await rounds(lab, sweeper, 1)

    assert sample("opamp_gateway_sessions_opened_total") == opened + 1
    assert sample("opamp_gateway_sessions_ended_total") == ended
    assert sample("opamp_platform_agent_heartbeats_total") == before + 1
    assert sample("opamp_gateway_sessions") == 1
    assert sample("opamp_gateway_connections") == 1


async def test_full_spool_shuts_the_gate() -> None:
    """Nobody new comes in until facts flow again."""
    lab = Lab()
    lab.publisher._spool_facts = 0

    await Sweeper(lab.gateway).go_round()

    assert lab.gateway.admission.spool_full


async def test_many_are_visited_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large fleet does not hold the loop."""
    monkeypatch.setattr("opamp_gateway.sweeper._AT_ONCE", 1)
    lab = Lab()
    polling(lab)
    _, transport = lab.open()
    lab.open()

    await rounds(lab, Sweeper(lab.gateway), 30)

    assert [opcode for opcode, _ in transport.frames()] == [9]


async def test_rounds_follow_the_clock() -> None:
    """One a second, and the lag of the loop is told."""
    lab = Lab()
    task = asyncio.ensure_future(Sweeper(lab.gateway).run())
    await lab.clock.advance(3)
    task.cancel()

    assert sample("opamp_gateway_loop_lag_seconds") == 0.0
