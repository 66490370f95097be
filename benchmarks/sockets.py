"""
What one gateway process on one core does with its sockets, contender beside contender.

In each round every contender is started afresh and put through the same steps; ratios are taken
within a round, so a slow minute of the machine hits both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.contenders import Contender, Place, Running
from benchmarks.generator import Fleet, LoadError, Sample
from benchmarks.messages import Messages
from benchmarks.report import Results
from devstack.errors import StackError


@dataclass(frozen=True)
class Load:
    """How hard to push."""

    agents: int = 10_000
    heartbeat_seconds: float = 4.0
    open_rate: int = 20_000
    open_seconds: float = 4.0
    status_seconds: float = 3.0
    storm_at_once: int = 1_000

    @classmethod
    def quick(cls) -> Load:
        """Enough to see that it works."""
        return cls(1_000, 0.5, 5_000, 0.5, 0.5, 200)


class Turn:
    """One contender in one round."""

    def __init__(self, running: Running, results: Results, turn: int, load: Load, messages: Messages) -> None:
        self._running = running
        self._results = results
        self._turn = turn
        self._load = load
        self._messages = messages

    def run(self) -> None:
        """Put the contender through every step."""
        load = self._load
        fleet = Fleet(self._running.port, load.agents, self._messages)
        try:
            self._warm_up(fleet)
            quarter = load.agents // 4
            at_quarter = self._settle(fleet, quarter)
            sample, cpu = self._cost(lambda: fleet.connect(load.agents))
            self._add("connect.rate", sample.rate)
            self._add("connect.cpu_us", cpu)
            self._add("connect.p99_ms", sample.percentiles_ms()["p99_ms"])
            at_all = self._settle(fleet, load.agents)
            self._add("memory.idle_kb", (at_all - at_quarter) / (load.agents - quarter) / 1024)
            self._add("memory.total_mb", at_all / 1024**2)
            self._heartbeats(fleet)
            sample, cpu = self._cost(
                lambda: fleet.closed_loop(fleet.status_frame, outstanding=64, seconds=load.status_seconds)
            )
            self._add("status.rate", sample.rate)
            self._add("status.cpu_us", cpu)
            self._add("status.per_core", 1e6 / cpu)
        finally:
            fleet.close()
        self._storm()

    def _heartbeats(self, fleet: Fleet) -> None:
        load = self._load
        sample, cpu = self._cost(
            lambda: fleet.closed_loop(fleet.heartbeat_frame, outstanding=256, seconds=load.heartbeat_seconds)
        )
        self._add("heartbeat.rate", sample.rate)
        self._add("heartbeat.cpu_us", cpu)
        self._add("heartbeat.per_core", 1e6 / cpu)
        sample = fleet.open_loop(fleet.heartbeat_frame, rate=load.open_rate, seconds=load.open_seconds)
        seen = sample.percentiles_ms()
        self._add("heartbeat.p99_ms", seen["p99_ms"])
        self._add("heartbeat.max_ms", seen["max_ms"])

    def _storm(self) -> None:
        # Other agents than before: these are new to the server, as after the loss of a neighbour.
        self._running.program.rest()
        messages = Messages(self._load.agents, seed=2)
        fleet = Fleet(self._running.port, self._load.agents, messages)
        try:
            sample, cpu = self._cost(lambda: fleet.connect(at_once=self._load.storm_at_once, then_status=True))
            self._add("storm.rate", sample.rate)
            self._add("storm.cpu_us", cpu)
            self._add("storm.p99_ms", sample.percentiles_ms()["p99_ms"])
        finally:
            fleet.close()

    def _warm_up(self, fleet: Fleet) -> None:
        """Let a just-started interpreter or runtime load what it loads once."""
        few = min(50, self._load.agents // 5)
        fleet.connect(few, at_once=16)
        for index in range(few):
            fleet.say(index, fleet.status_frame(index))
        fleet.drain(few)

    def _settle(self, fleet: Fleet, count: int) -> int:
        """Bring *count* agents to their steady state (status, then two heartbeats); return the memory in bytes."""
        fleet.connect(count)
        for frame_of in (fleet.status_frame, fleet.heartbeat_frame, fleet.heartbeat_frame):
            fleet.closed_loop(frame_of, outstanding=256, total=count, among=count)
        return self._running.program.rss_bytes()

    def _cost(self, step: Callable[[], Sample]) -> tuple[Sample, float]:
        """Run *step*; return what it saw and the server's CPU microseconds per answer."""
        before = self._running.program.cpu_seconds()
        sample = step()
        spent = self._running.program.cpu_seconds() - before
        return sample, 1e6 * spent / max(sample.count, 1)

    def _add(self, figure: str, value: float) -> None:
        self._results.add(figure, self._running.name, self._turn, value)


def measure(
    results: Results,
    contenders: list[Contender],
    *,
    place: Place,
    load: Load,
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Run all rounds; who begins changes from round to round."""
    messages = Messages(load.agents)
    for turn in range(rounds):
        shift = turn % len(contenders)
        for contender in contenders[shift:] + contenders[:shift]:
            try:
                with contender(place) as running:
                    say(f"sockets, round {turn + 1} of {rounds}: {running.name}")
                    Turn(running, results, turn, load, messages).run()
            except (LoadError, StackError) as problem:
                # The others are still worth measuring; the run as a whole has failed.
                say(f"failed: {problem}")
                results.not_run[f"sockets, {contender.__name__}"] = f"failed: {problem}"
