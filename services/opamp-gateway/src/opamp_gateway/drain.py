"""Leaving without a stampede: nobody new, sockets closed with 1001 in jittered slices, last facts, goodbye."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import structlog

from opamp_gateway import frames
from opamp_gateway.poll import Poll

if TYPE_CHECKING:
    from opamp_gateway.gateway import Gateway

log = structlog.get_logger()

_SLICE_SECONDS = 0.1


async def drain(gateway: Gateway, *, closes_per_second: float, grace_seconds: float) -> None:
    """
    Empty a gateway that takes nobody in any more.

    Polling sessions are left as they are: their agents are served by the next gateway, epoch and all.

    Args:
        gateway: Its listening socket is closed already.

        closes_per_second: The pace agents should come back elsewhere at; raised if it would not fit.

        grace_seconds: When all sockets must be closed.
    """
    gateway.admission.draining = True
    for door in list(gateway.doors):
        door.expire()
    sockets = list(gateway.sockets)
    random.shuffle(sockets)
    pace = max(closes_per_second, len(sockets) / max(grace_seconds, _SLICE_SECONDS))
    size = max(1, round(pace * _SLICE_SECONDS))
    log.info("drain_started", sockets=len(sockets), per_second=round(pace))
    for start in range(0, len(sockets), size):
        for socket in sockets[start : start + size]:
            socket.close(frames.GOING_AWAY, "drain")
        if start + size < len(sockets):
            await gateway.clock.sleep(_SLICE_SECONDS * (0.5 + random.random()))  # noqa: S311 - jitter
    for socket in list(gateway.sockets):
        socket.close(frames.GOING_AWAY, "drain")


def polls(gateway: Gateway) -> int:
    """Count the polling sessions that are left to others."""
    return sum(isinstance(holder, Poll) for holder in gateway.connections)
