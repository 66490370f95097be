"""
Kill -9 of every part, one at a time, under a connected fleet.

After each: every agent is back and online, none was called offline while its socket lived, what is
desired is applied everywhere within a minute, and a configuration stored during the outage has arrived
exactly once. A verdict counts only if the fleet was alive and talking before the fault.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any

import nats
import pytest
from faultlab.ground import AGENTS, HEARTBEAT_SECONDS, Ground, until

from contracts import subjects
from contracts.ids import format_uid
from fleet.events.v1 import agent_pb2

PARTS = ("redis", "api-gateway", "config-service", "agent-state", "nats", "postgres", "opamp-gateway-1")
OUTAGE_SECONDS = 4.0
CONVERGE_SECONDS = 60.0 if AGENTS > 200 else 180.0
"""The promise, which a large fleet on a machine of its own is held to; a small run shares its machine with others."""

CONNECT_SECONDS = 60.0 + AGENTS / 50
TRAFFIC_SECONDS = 4.0

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900 + AGENTS // 5)]

Record = dict[str, dict[str, Any]]


async def own_record(ground: Ground) -> Record:
    """What the agents themselves have lived through, by id."""
    return {agent["id"]: agent for fleet in await ground.fleet.agents() for agent in fleet}


async def everywhere(ground: Ground, config_hash: str, within: float) -> None:
    """Wait until every agent is online and runs *config_hash*, by its own word and by the API's."""

    async def converged() -> bool:
        own = await own_record(ground)
        assert len(own) == AGENTS
        behind = [agent for agent in own.values() if not agent["connected"] or agent["applied"] != config_hash]
        assert not behind, f"{len(behind)} agents do not run it yet, for example {behind[0]}"
        listed = await ground.listed()
        states = Counter((listed[uid]["status"], listed[uid]["config_state"]) for uid in own if uid in listed)
        assert states == {("online", "applied"): AGENTS}, f"the API says {states}"
        wrong = [uid for uid in own if listed[uid]["remote_config_hash"] != config_hash]
        assert not wrong, f"the API shows another hash for {len(wrong)} agents"
        return True

    await until(converged, within, describe=f"{AGENTS} agents online with the configuration")


async def store(ground: Ground, marker: str, within: float) -> str:
    """Store the configuration with *marker*, however often it takes; return its hash."""
    return await until(lambda: ground.put_configuration(marker), within, describe="storing a configuration")


async def outage(ground: Ground, part: str) -> str | None:
    """Kill *part*, and try to store a configuration while it is away; return its hash if that was possible."""
    ground.platform.kill(part)
    over_at = time.monotonic() + OUTAGE_SECONDS
    stored: str | None = None

    async def tried() -> bool:
        nonlocal stored
        if stored is None:
            with contextlib.suppress(AssertionError):
                stored = await ground.put_configuration(f"during {part}")
        return time.monotonic() > over_at

    await until(tried, OUTAGE_SECONDS + 90, describe="the end of the outage")
    return stored


async def require_traffic(ground: Ground) -> None:
    """Refuse a verdict unless every agent talks at its pace before the fault."""
    before = sum(fleet["counters"]["messages_received"] for fleet in await ground.fleet.counters())
    floor = 0.5 * AGENTS * TRAFFIC_SECONDS / HEARTBEAT_SECONDS

    async def enough() -> bool:
        seen = sum(fleet["counters"]["messages_received"] for fleet in await ground.fleet.counters()) - before
        assert seen >= floor, f"{seen} answers, the floor is {floor:.0f}"
        return True

    await until(enough, 3 * TRAFFIC_SECONDS, describe="the traffic floor before the fault")


async def offline_events(ground: Ground) -> Counter[str]:
    """Count the offline events of each agent in the stream other systems build on."""
    client = await nats.connect(ground.platform.run_json["nats_url"])
    try:
        stream = client.jetstream()
        heard: Counter[str] = Counter()
        pattern = f"{subjects.ROOT}.agent.offline.>"
        subscription = await stream.subscribe(pattern, stream=subjects.EVENTS_STREAM, ordered_consumer=True)
        state = await subscription.consumer_info()
        on_the_way = state.delivered.consumer_seq or 0 if state.delivered is not None else 0
        for _ in range(on_the_way + (state.num_pending or 0)):
            message = await subscription.next_msg(timeout=30.0)
            heard[format_uid(agent_pb2.AgentEvent.FromString(message.data).instance_uid)] += 1
        await subscription.unsubscribe()
        return heard
    finally:
        await client.close()


async def history_matches(ground: Ground, own: Record) -> None:
    """
    Compare the platform's memory of every connection with the agents' own.

    An agent whose socket lived has as many connections in its history as it made, and one of them is open;
    it was said to be offline only as often as a connection of its own had ended. An agent that polls has no
    connection to lose: whichever gateway its polls reach, it was never offline.
    """
    said_offline = await offline_events(ground)
    for uid, agent in own.items():
        history = await ground.history(uid)
        still_open = [row for row in history if row["disconnected_at"] is None]
        assert len(still_open) == 1, f"{uid} has {len(still_open)} open connections: {history}"
        assert history[0]["disconnected_at"] is None, f"the open connection of {uid} is not its newest: {history}"
        if agent["http"]:
            assert not said_offline[uid], f"{uid} polled all the time and was said to be offline: {history}"
        else:
            assert len(history) <= agent["connections"], f"{uid} made {agent['connections']}: {history}"
            ended = agent["connections"] - 1
            assert said_offline[uid] <= ended, f"{uid} was said to be offline {said_offline[uid]} times, lost {ended}"


@pytest.mark.parametrize("part", PARTS)
async def test_kill_nine(ground: Ground, part: str) -> None:
    """The fleet stays or comes back, and a change made during the outage arrives once."""
    before = await store(ground, f"before {part}", within=90.0)
    await everywhere(ground, before, within=CONNECT_SECONDS)
    await require_traffic(ground)
    at_fault = await own_record(ground)
    lived_through = {uid for uid, agent in at_fault.items() if agent["connected"]}
    assert len(lived_through) == AGENTS

    stored = await outage(ground, part)
    await ground.platform.restart(part)
    during = stored or await store(ground, f"during {part}", within=90.0)

    await everywhere(ground, during, within=CONVERGE_SECONDS)

    own = await own_record(ground)
    receipts = Counter(agent["received"].count(during) for agent in own.values())
    assert receipts == {1: AGENTS}, f"the configuration stored during the outage arrived so often: {receipts}"
    if not part.startswith("opamp-gateway"):
        broken = [uid for uid in own if own[uid]["connections"] != at_fault[uid]["connections"]]
        assert not broken, f"{len(broken)} agents lost their connection although no gateway was touched"
    await history_matches(ground, own)
