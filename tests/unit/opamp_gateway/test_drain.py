"""Leaving without a stampede."""

from __future__ import annotations

import asyncio

from gatewaylab.fakes import Lab
from gatewaylab.speech import full, said
from gatewaylab.transport import FakeTransport

from opamp_gateway import facts
from opamp_gateway.door import Door
from opamp_gateway.drain import drain, polls


async def test_sockets_close_in_slices_with_1001() -> None:
    """At the pace asked for; each session ends with the reason drain."""
    lab = Lab()
    transports = []
    for number in range(20):
        socket, transport = lab.open()
        socket.data_received(said(full(bytes([number]) * 16)))
        transports.append(transport)
    lab.number()
    for transport in transports:
        transport.take()
    draining = asyncio.ensure_future(drain(lab.gateway, closes_per_second=50, grace_seconds=20))
    await lab.clock.advance(0)
    assert sum(bool(transport.written) for transport in transports) == 5
    await lab.clock.advance(2)
    await draining

    codes = [payload[:2] for transport in transports for opcode, payload in transport.frames() if opcode == 8]
    assert codes == [(1001).to_bytes(2)] * 20
    assert lab.kinds().count(facts.DISCONNECTED) == 20


async def test_pace_is_raised_to_fit_the_grace() -> None:
    """All are told before the time is over."""
    lab = Lab()
    transports = [lab.open()[1] for _ in range(10)]
    draining = asyncio.ensure_future(drain(lab.gateway, closes_per_second=0.1, grace_seconds=1))
    await lab.clock.advance(2)
    await draining

    assert all(transport.written for transport in transports)


async def test_nobody_new_comes_in() -> None:
    """Who stands at the door is sent off, who knocks is refused."""
    lab = Lab()
    transport = FakeTransport()
    Door(lab.gateway, asyncio.Protocol).connection_made(transport)

    await drain(lab.gateway, closes_per_second=10, grace_seconds=1)

    assert transport.aborted
    assert lab.gateway.admission.ask("x", 0, 0.0, 0.0) is not None
    assert polls(lab.gateway) == 0
