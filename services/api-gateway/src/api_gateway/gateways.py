"""Whether agents can connect at all: some gateway must live, as agent-state sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from contracts.ids import DEFAULT_TENANT

if TYPE_CHECKING:
    from fleet.api.v1 import agent_state_pb2

OPAMP = "opamp"
"""The part agents talk to, under the name it always had in /health."""

NO_GATEWAY = "no gateway is connected"
KEPT_SECONDS = 5.0
"""/health is open to anybody, and the answer counts agents: it is asked for no more often than this."""


class NoGatewayError(Exception):
    """Every gateway is gone, or lost the bus for longer than its lease."""


class Summaries(Protocol):
    """The part of upstream.agent_state.AgentState needed here."""

    async def summary(self, tenant_id: str) -> agent_state_pb2.GetStatusSummaryReply:
        """Count agents by state, and gateways that live."""
        ...


class GatewayCheck:
    """The check behind the component `opamp`."""

    def __init__(self, agents: Summaries, monotonic: Callable[[], float]) -> None:
        self._agents = agents
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._live: int | None = None
        self._until = 0.0

    async def __call__(self) -> None:
        """
        Return when a gateway lives.

        Raises:
            NoGatewayError: None does; leases of all tenants count.

            ServiceError: agent-state could not be asked, so nobody knows.
        """
        async with self._turn:
            if self._live is None or self._monotonic() >= self._until:
                self._live = None
                self._live = (await self._agents.summary(DEFAULT_TENANT)).live_gateways
                self._until = self._monotonic() + KEPT_SECONDS
        if not self._live:
            raise NoGatewayError(NO_GATEWAY)
