"""One NATS message to ten thousand agents: from its publication to the last agent having all of its offer."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from benchmarks.contenders import SUBJECT, Contender, Place, Running
from benchmarks.figures import GATEWAY, GATEWAY_COMPILED
from benchmarks.generator import Fleet, LoadError
from benchmarks.messages import Messages
from benchmarks.rawnats import RawNats
from benchmarks.report import Results
from contracts import subjects
from devstack.errors import StackError
from fleet.events.v1 import facts_pb2, offers_pb2
from opamp.v1 import opamp_pb2 as opamp

BODY_BYTES = 10_000
_SECONDS = 30.0


def remote_config(turn: int) -> opamp.AgentRemoteConfig:
    """Build a configuration of 10 KB that no earlier turn has used."""
    config = opamp.AgentRemoteConfig(config_hash=turn.to_bytes(32, "big"))
    body = (f"# turn {turn}\n" + "exporters: {otlp: {endpoint: backend.example:4317}}\n" * 200)[:BODY_BYTES]
    config.config.config_map["config.yaml"].CopyFrom(
        opamp.AgentConfigFile(body=body.encode(), content_type="text/yaml")
    )
    return config


def offer(config: opamp.AgentRemoteConfig, uids: list[bytes]) -> bytes:
    """Serialise the offer our gateways hear; any live connection of a target will do."""
    message = offers_pb2.Offer(
        offer_id=config.config_hash.hex(),
        tenant_id="default",
        kind=facts_pb2.OFFER_KIND_REMOTE_CONFIG,
        content_hash=config.config_hash,
        content=config.SerializeToString(),
    )
    for uid in uids:
        message.targets.add(instance_uid=uid)
    return message.SerializeToString()


class _Reached:
    """Counts agents that hold a whole offer."""

    def __init__(self, count: int) -> None:
        self.missing = count
        self.last = 0.0
        self._seen = bytearray(count)

    def __call__(self, index: int, payload: bytes) -> None:
        if len(payload) >= BODY_BYTES and not self._seen[index]:
            self._seen[index] = 1
            self.missing -= 1
            self.last = time.perf_counter()


def _one(running: Running, fleet: Fleet, nats: RawNats, turn: int, messages: Messages) -> tuple[float, float]:
    """Return milliseconds to the last agent and CPU microseconds per agent."""
    config = remote_config(turn)
    if running.name in (GATEWAY, GATEWAY_COMPILED):
        subject, payload = subjects.OFFER_ALL, offer(config, messages.uids)
    else:
        subject, payload = SUBJECT, config.SerializeToString()
    reached = _Reached(fleet.count)
    fleet.on_message = reached
    running.program.rest()
    before = running.program.cpu_seconds()
    begin = time.perf_counter()
    nats.publish(subject, payload)
    if not fleet.listen(lambda: reached.missing == 0, seconds=_SECONDS):
        message = f"{running.name}: {reached.missing} of {fleet.count} agents were not reached within {_SECONDS:.0f} s"
        raise LoadError(message)
    spent = running.program.cpu_seconds() - before
    return (reached.last - begin) * 1e3, 1e6 * spent / fleet.count


def measure(
    results: Results,
    contenders: list[Contender],
    *,
    place: Place,
    agents: int,
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Connect every contender's fleet once, then let them take turns; the first turn warms up and is dropped."""
    messages = Messages(agents)
    nats = RawNats(place.nats_url)
    try:
        for contender in contenders:
            try:
                with contender(place) as running:
                    say(f"fan-out: {running.name}")
                    _turns(running, results, nats, messages, rounds)
            except (LoadError, StackError) as problem:
                say(f"failed: {problem}")
                results.not_run[f"fan-out, {contender.__name__}"] = f"failed: {problem}"
    finally:
        nats.close()


def _turns(running: Running, results: Results, nats: RawNats, messages: Messages, rounds: int) -> None:
    agents = len(messages.uids)
    fleet = Fleet(running.port, agents, messages)
    try:
        fleet.connect()
        fleet.closed_loop(fleet.status_frame, outstanding=256, total=agents)
        for turn in range(rounds + 1):
            gc.collect()
            last_ms, cpu_us = _one(running, fleet, nats, turn + 1, messages)
            if turn:
                results.add("fanout.last_ms", running.name, turn, last_ms)
                results.add("fanout.cpu_us", running.name, turn, cpu_us)
    finally:
        fleet.close()
