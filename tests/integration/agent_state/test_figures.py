from __future__ import annotations

from typing import TYPE_CHECKING

from agent_state.figures import Figures
from servicekit import metrics
from servicekit.clock import FakeClock
from world.facts import batch, connected, disconnected, health, uid_of

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier


async def test_gauges_show_what_the_tables_hold(pool: asyncpg.Pool, apply: Applier) -> None:
    """Counts by status, stale agents and ages come from the rows, under the original's names."""
    await apply(
        batch(
            connected(uid_of(1), 1),
            connected(uid_of(2), 2),
            health(uid_of(2), 2, 2, "ill"),
            connected(uid_of(3), 3),
            disconnected(uid_of(3), 3, 2),
        )
    )
    await pool.execute("UPDATE agent_presence SET last_seen_at = now() - interval '100 s' WHERE epoch = 2")

    await Figures(pool, FakeClock(), refresh_seconds=5, silence_seconds=60).refresh()

    text = metrics.render().decode()
    for line in (
        'opamp_platform_agents_by_status{status="online"} 1.0',
        'opamp_platform_agents_by_status{status="offline"} 1.0',
        'opamp_platform_agents_by_status{status="error"} 1.0',
        "opamp_platform_agents_total 3.0",
        "opamp_platform_agents_connected 2.0",
        "opamp_platform_agents_disconnected 1.0",
        "opamp_platform_agents_stale 1.0",
        'opamp_platform_agent_last_seen_seconds_bucket{le="5.0"} 1.0',
        'opamp_platform_agent_last_seen_seconds_bucket{le="60.0"} 1.0',
        'opamp_platform_agent_last_seen_seconds_bucket{le="120.0"} 2.0',
        'opamp_platform_agent_last_seen_seconds_bucket{le="+Inf"} 2.0',
    ):
        assert line in text.splitlines(), line
    assert 'opamp_platform_agent_status_changes_total{from="none",to="online"}' in text
    assert "opamp_platform_agent_connection_duration_seconds_bucket" in text
