"""
Make certain what events only make fast: dead gateways, silent agents. One replica does it.

Agents given up here are "lost", not closed: a sign of life on the same connection brings them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from agent_state import metrics
from agent_state.connections import INFERRED, Closing, Plan
from agent_state.presence_store import LOST_BATCH, lasted_seconds
from agent_state.publisher import offline
from contracts import subjects
from servicekit import outbox

if TYPE_CHECKING:
    import asyncpg

    from agent_state.connection_store import ConnectionStore
    from agent_state.liveness import Fuse, Rules, Steadiness
    from agent_state.presence_store import PresenceStore
    from servicekit.bus import Bus, BusMessage
    from servicekit.clock import Clock

log = structlog.get_logger()

GATEWAY_LOST = "gateway lost"
HEARTBEAT_TIMEOUT = "heartbeat timeout"

FORGET_LEASES_AFTER_SECONDS = 60.0


class Sweeper:
    """
    Looks for what died without a word.

    Args:
        rules: How long signs of life last, and when their lack may be judged.

        check_seconds: How often leases are looked at.

        sweep_seconds: How often silent agents are looked for.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        bus: Bus,
        *,
        store: PresenceStore,
        connections: ConnectionStore,
        steadiness: Steadiness,
        clock: Clock,
        rules: Rules,
        fuse: Fuse,
        check_seconds: float,
        sweep_seconds: float,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._store = store
        self._connections = connections
        self._steadiness = steadiness
        self._clock = clock
        self._rules = rules
        self._fuse = fuse
        self._check_seconds = check_seconds
        self._sweep_seconds = sweep_seconds
        self._heard_at: dict[str, float] = {}

    async def listen(self) -> None:
        """Hear which gateways speak, whoever of the replicas writes it down."""
        await self._bus.subscribe(subjects.presence("*"), self._hear)

    async def run(self) -> None:
        """Sweep for as long as this replica leads."""
        now = self._clock.monotonic()
        self._steadiness.interrupted(now)
        next_sweep = now + self._sweep_seconds
        while True:
            now = self._clock.monotonic()
            steady = self._steadiness.seconds(now, self._bus.connected_seconds())
            await self.check_leases(steady)
            if now >= next_sweep:
                next_sweep = now + self._sweep_seconds
                await self.sweep_silent(steady)
            self._steadiness.sleeping(self._clock.monotonic(), self._check_seconds)
            await self._clock.sleep(self._check_seconds)

    async def check_leases(self, steady_seconds: float) -> int:
        """Give up the WebSocket agents of gateways whose lease has run out; return how many."""
        if not self._rules.may_judge_leases(steady_seconds):
            metrics.SWEEPS_HELD_BACK.labels("listening").inc()
            return 0
        with metrics.SWEEP_SECONDS.labels("lease").time():
            limit = self._clock.monotonic() - self._rules.lease_seconds
            self._heard_at = {gateway: at for gateway, at in self._heard_at.items() if at > limit}
            gateways = await self._store.expired_gateways(list(self._heard_at))
            if not gateways:
                return 0
            lost = await self._lose(self._rules.lease_seconds, GATEWAY_LOST, gateways)
            await self._store.forget_leases(FORGET_LEASES_AFTER_SECONDS)
        return lost

    async def sweep_silent(self, steady_seconds: float) -> int:
        """Give up agents silent for longer than the threshold; return how many."""
        if not self._rules.may_judge_silence(steady_seconds):
            metrics.SWEEPS_HELD_BACK.labels("listening").inc()
            return 0
        with metrics.SWEEP_SECONDS.labels("silence").time():
            silent = await self._store.silent(self._rules.silence_seconds)
            if not silent:
                return 0
            connected = await self._store.connected()
            if not self._fuse.allows(silent, connected, self._clock.monotonic()):
                metrics.SWEEPS_HELD_BACK.labels("fuse").inc()
                log.error("too_many_silent_at_once", silent=silent, connected=connected)
                return 0
            return await self._lose(self._rules.silence_seconds, HEARTBEAT_TIMEOUT, None)

    async def _hear(self, message: BusMessage) -> None:
        self._heard_at[message.subject.rsplit(".", 1)[1]] = self._clock.monotonic()

    async def _lose(self, threshold_seconds: float, reason: str, gateways: Sequence[str] | None) -> int:
        """Give up agents batch by batch, each with its history and its events in one transaction."""
        total = 0
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await self._store.lose(connection, threshold_seconds, reason, gateways)
                await self._connections.carry_out(connection, _closings(rows, reason))
                await outbox.add(connection, [_offline(row, reason) for row in rows])
            for row in rows:
                metrics.STATUS_CHANGES.labels(row["old_status"], "offline").inc()
                metrics.DISCONNECTS.inc()
                metrics.CONNECTION_SECONDS.observe(lasted_seconds(row["last_connected_at"], row["now"]))
            metrics.LOST.labels(reason).inc(len(rows))
            total += len(rows)
            if len(rows) < LOST_BATCH:
                break
        if total:
            log.warning("agents_lost", agents=total, reason=reason, gateways=gateways)
        return total


def _closings(rows: Sequence[asyncpg.Record], reason: str) -> Plan:
    return Plan(
        closings=[
            Closing(
                row["tenant_id"],
                row["agent_uid"],
                row["last_connected_at"],
                row["epoch"],
                row["now"],
                reason,
                INFERRED,
            )
            for row in rows
        ]
    )


def _offline(row: asyncpg.Record, reason: str) -> outbox.OutboxEvent:
    lasted = lasted_seconds(row["last_connected_at"], row["now"])
    return offline((row["tenant_id"], row["agent_uid"]), (row["epoch"], row["sequence"]), reason, lasted, row["now"])
