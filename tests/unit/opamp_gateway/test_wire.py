"""A connection's end: labels that others cannot multiply, closes that wait for a number, limits on what is written."""

from __future__ import annotations

from gatewaylab.fakes import Lab
from gatewaylab.speech import UID, full, masked, said

from opamp_gateway import facts, metrics
from opamp_gateway.limits import Limits


async def test_close_of_a_young_connection_waits_for_its_number() -> None:
    """What the agent said would be lost without one."""
    lab = Lab()
    lab.gateway.epochs.works = True
    socket, transport = lab.open()
    socket.data_received(said(full()))
    transport.take()

    socket.data_received(masked(8, (1000).to_bytes(2)))
    assert transport.frames() == []
    lab.number()
    await lab.clock.advance(0.02)
    await lab.idle()

    assert transport.frames() == [(8, (1000).to_bytes(2))]
    assert transport.closed
    assert lab.kinds()[-1] == facts.DISCONNECTED


async def test_close_is_answered_without_a_number_in_the_end() -> None:
    """Patience is short, and there is none while numbers are not to be had."""
    lab = Lab()
    lab.gateway.epochs.works = True
    socket, transport = lab.open()
    socket.data_received(said(full()))
    socket.data_received(masked(8, b""))
    for _ in range(40):
        await lab.clock.advance(0.02)
    await lab.idle()
    assert transport.closed

    lab.gateway.epochs.works = False
    other, other_transport = lab.open()
    other.data_received(said(full(b"o" * 16)))
    other.data_received(masked(8, b""))
    assert other_transport.closed


async def test_peer_that_does_not_wait_for_the_answer_is_no_harm() -> None:
    """It drops the connection while its number is waited for."""
    lab = Lab()
    lab.gateway.epochs.works = True
    socket, transport = lab.open()
    socket.data_received(said(full()))
    transport.take()
    socket.data_received(masked(8, b""))
    transport.close()
    socket.connection_lost(None)
    await lab.clock.advance(0.02)
    await lab.idle()

    assert transport.written == b""
    assert lab.gateway.connections.get("default", UID) is None


async def test_reason_from_elsewhere_makes_no_new_metric() -> None:
    """Whatever a service says of a close."""
    lab = Lab()
    socket, _ = lab.open()
    socket.close(1000, "whatever text a service likes")

    labels = {sample.labels["reason"] for metric in metrics.CLOSED.collect() for sample in metric.samples}
    assert "whatever text a service likes" not in labels
    assert "other" in labels


async def test_answer_over_the_limit_is_not_sent() -> None:
    """Measured before compression, with a record."""
    lab = Lab(Limits(max_outgoing_bytes=50))
    socket, transport = lab.open(window_bits=15)
    before = metrics.OVERSIZE._value.get()

    socket.inform(b"x" * 50)

    assert transport.written == b""
    assert metrics.OVERSIZE._value.get() == before + 1
