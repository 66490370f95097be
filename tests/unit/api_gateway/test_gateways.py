"""Whether some gateway lives."""

from __future__ import annotations

import pytest

from api_gateway.gateways import KEPT_SECONDS, GatewayCheck, NoGatewayError
from fleet.api.v1 import agent_state_pb2
from servicekit.clock import FakeClock
from servicekit.errors import Unavailable


class Summaries:
    """An agent-state that counts what it is asked."""

    def __init__(self) -> None:
        self.live = 0
        self.asked = 0
        self.error: Exception | None = None

    async def summary(self, tenant_id: str) -> agent_state_pb2.GetStatusSummaryReply:
        """Answer, or be away."""
        assert tenant_id == "default"
        self.asked += 1
        if self.error:
            raise self.error
        return agent_state_pb2.GetStatusSummaryReply(live_gateways=self.live)


async def test_it_is_well_while_a_gateway_lives() -> None:
    """None is not well, one is; the answer is kept for a moment, since anybody may ask."""
    agents, clock = Summaries(), FakeClock()
    check = GatewayCheck(agents, clock.monotonic)

    for _ in range(3):
        with pytest.raises(NoGatewayError, match="no gateway is connected"):
            await check()
    agents.live = 1
    await clock.advance(KEPT_SECONDS)
    for _ in range(3):
        await check()

    assert agents.asked == 2


async def test_nobody_knows_while_agent_state_is_away() -> None:
    """What was well before is not said to be well now; it is asked again at once."""
    agents, clock = Summaries(), FakeClock()
    check = GatewayCheck(agents, clock.monotonic)
    agents.live = 1
    await check()
    agents.error = Unavailable("away")
    await clock.advance(KEPT_SECONDS)

    with pytest.raises(Unavailable):
        await check()
    agents.error = None
    await check()
