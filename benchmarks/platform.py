"""The whole platform on both cores, as `make run` starts it: changes on their way to agents, and the API."""

from __future__ import annotations

import gc
import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import contenders
from benchmarks.contenders import Place, floor
from benchmarks.figures import FLOOR, PLATFORM
from benchmarks.generator import Fleet, percentiles_ms
from benchmarks.messages import Messages
from benchmarks.processes import Program, free_port
from benchmarks.report import Results
from devstack.platform import Platform
from devstack.ports import Ports
from opamp.v1 import opamp_pb2 as opamp

_TIMEOUT_SECONDS = 30.0
_SETTLE_SECONDS = 120.0
_IDLE_SECONDS = 5.0
_REST_SECONDS = 5.0
PROBE_LABEL, FLEET_LABEL = "bench-probe", "bench-fleet"


@dataclass(frozen=True)
class Size:
    """How much of it."""

    changes: int = 200
    agents: tuple[int, ...] = (1_000, 10_000)
    api_rate: int = 50
    api_seconds: float = 20.0
    rollouts: int = 3

    @classmethod
    def quick(cls) -> Size:
        """Enough to see that it works."""
        return cls(10, (1_000,), 50, 2.0, 1)


class Api:
    """One blocking connection to the REST API."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self.user, self.password = url, user, password
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        self._headers = {"Content-Type": "application/json"}
        self._used_at = 0.0
        token = self.ask("POST", "/auth/login", {"username": user, "password": password})["token"]
        self._headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, body: Any = None) -> None:
        """Send a request and do not wait for its answer."""
        content = None if body is None else json.dumps(body)
        if time.monotonic() - self._used_at > _IDLE_SECONDS:
            self._connection.close()  # the server may have hung up meanwhile; the next request opens it again
        self._used_at = time.monotonic()
        self._connection.request(method, f"/api/v1{path}", content, self._headers)

    def answer(self) -> Any:
        """
        Read the answer to what was sent.

        Raises:
            RuntimeError: It is not a success.
        """
        answer = self._connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            message = f"{answer.status} {content[:300].decode(errors='replace')}"
            raise RuntimeError(message)
        return json.loads(content) if content else None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and read its answer."""
        self.send(method, path, body)
        return self.answer()


class Agents:
    """A fleet that behaves: full state when asked, a status for every configuration."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.received: dict[int, str] = {}
        """Agent → first line of the newest configuration it got."""

        self._holders: Counter[str] = Counter()

        self.last = 0.0
        fleet.on_message = self._hear

    def _hear(self, index: int, payload: bytes) -> None:
        if len(payload) < 60:
            return
        message = opamp.ServerToAgent.FromString(payload[1:])
        if message.flags & opamp.ServerToAgentFlags_ReportFullState:
            self.fleet.say(index, self.fleet.status_frame(index))
        if message.HasField("remote_config"):
            self.last = time.perf_counter()
            body = next(iter(message.remote_config.config.config_map.values())).body
            self._holders[self.received.get(index, "")] -= 1
            self.received[index] = body.split(b"\n", 1)[0].decode()
            self._holders[self.received[index]] += 1
            frame = self.fleet.messages.config_applied
            self.fleet.say(index, frame(index, self.fleet.next_sequence(index), message.remote_config.config_hash))

    def reached(self, marker: str) -> int:
        """Count the agents whose newest configuration begins with *marker*."""
        return self._holders[marker]


@dataclass(frozen=True)
class Stand:
    """Something that takes changes by REST and has agents."""

    name: str
    api: Api
    opamp_port: int
    token: str


@contextmanager
def platform(folder: Path) -> Iterator[tuple[Stand, Platform]]:
    """Start the platform; stop it afterwards."""
    stack = Platform(folder / "platform", Ports.free(1), settings=contenders.UNHURRIED)
    try:
        stack.start()
        facts = stack.facts
        with closing(Api(str(facts["api_url"]), str(facts["admin_user"]), str(facts["admin_password"]))) as api:
            yield Stand(PLATFORM, api, stack.ports.opamp[0], str(facts["enrolment_token"])), stack
    finally:
        stack.stop()


@contextmanager
def floor_stand(folder: Path, nats_url: str, postgres_url: str) -> Iterator[Stand]:
    """Start the floor on the same PostgreSQL and NATS as the platform it stands beside."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.floor_api", str(port), postgres_url, nats_url, contenders.SUBJECT]
    with (
        floor(Place(None, folder, nats_url)) as running,
        Program(command, port=port, log=folder / "floor-api.log"),
    ):
        with closing(Api(f"http://127.0.0.1:{port}", "floor", "floor")) as api:
            yield Stand(FLOOR, api, running.port, "")


def _draft(marker: str, label: str) -> dict[str, Any]:
    body = f"{marker}\n" + "receivers: {}\n" + "# padding of a configuration of usual size\n" * 40
    priority = 1 if label == PROBE_LABEL else 2  # selectors that can meet must differ in priority
    return {"content_type": "yaml", "raw_config": body, "selector": {label: "yes"}, "priority": priority}


def measure_changes(results: Results, stand: Stand, size: Size) -> None:
    """Change one agent's configuration again and again: from the request to the agent having it."""
    fleet = Fleet(stand.opamp_port, 1, Messages(1, seed=3, labels={PROBE_LABEL: "yes"}), token=stand.token)
    agents = Agents(fleet)
    try:
        fleet.connect(then_status=True)
        stand.api.ask("POST", "/configurations", {"name": "bench-probe", **_draft("# first", PROBE_LABEL)})
        _await(fleet, lambda: agents.reached("# first") == 1, "the first configuration")
        seen = []
        for number in range(size.changes):
            marker = f"# change {number}"
            gc.collect(0)
            begin = time.perf_counter_ns()
            stand.api.send("PUT", "/configurations/bench-probe", _draft(marker, PROBE_LABEL))
            _await(fleet, lambda: agents.reached(marker) == 1, marker)  # noqa: B023 - used at once
            seen.append(time.perf_counter_ns() - begin)
            stand.api.answer()
        summary = percentiles_ms(seen)
        results.add("change.p50_ms", stand.name, 0, summary["p50_ms"])
        results.add("change.p99_ms", stand.name, 0, summary["p99_ms"])
    finally:
        fleet.close()


def measure_api(results: Results, stand: Stand, agents: int, size: Size, fleet: Fleet | None) -> None:
    """Ask the API at a fixed rate while the agents live on."""
    load = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.apiload", stand.api.url, stand.api.user, stand.api.password),
            *(str(size.api_rate), str(size.api_seconds)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    if fleet is not None:
        fleet.live(lambda: load.poll() is not None, seconds=size.api_seconds + _TIMEOUT_SECONDS)
    output, _ = load.communicate(timeout=size.api_seconds + 2 * _TIMEOUT_SECONDS)
    told = json.loads(output)
    if told["failures"]:
        message = f"{len(told['failures'])} API calls failed, for example {told['failures'][0]}"
        raise RuntimeError(message)
    for call, latencies in told["latencies"].items():
        name = f"api.{call}_p99_ms_at_{agents}"
        results.add(name, stand.name, 0, percentiles_ms([int(ms * 1e6) for ms in latencies])["p99_ms"])


def measure_rollout(results: Results, stand: Stand, fleet: Fleet, agents: Agents, size: Size) -> None:
    """Change the configuration of the whole fleet: from the request to the last agent having it."""
    stand.api.ask("POST", "/configurations", {"name": "bench-fleet", **_draft("# first", FLEET_LABEL)})
    _settle(stand, fleet, agents, "# first")
    for turn in range(size.rollouts):
        marker = f"# rollout {turn}"
        # Events and registry entries of the change before are still being written.
        fleet.live(lambda: False, seconds=_REST_SECONDS)
        gc.collect(0)
        begin = time.perf_counter()
        stand.api.send("PUT", "/configurations/bench-fleet", _draft(marker, FLEET_LABEL))
        _everywhere(fleet, agents, marker)
        results.add("change.all_ms", stand.name, turn, (agents.last - begin) * 1e3)
        stand.api.answer()
        _settle(stand, fleet, agents, marker)


def _everywhere(fleet: Fleet, agents: Agents, marker: str) -> None:
    try:
        _await(fleet, lambda: agents.reached(marker) == fleet.count, f"{marker} at every agent")
    except RuntimeError as error:
        error.add_note(f"{agents.reached(marker):,} of {fleet.count:,} have it")
        raise


def _settle(stand: Stand, fleet: Fleet, agents: Agents, marker: str) -> None:
    """Wait until every agent has the configuration and the platform knows that all have applied one."""
    _everywhere(fleet, agents, marker)
    _wait_for_counts(stand, fleet, lambda counts: counts["config_counts"].get("applied", 0) >= fleet.count)


def _wait_for_counts(stand: Stand, fleet: Fleet, holds: Callable[[dict[str, Any]], bool]) -> None:
    give_up = time.monotonic() + _SETTLE_SECONDS
    counts: dict[str, Any] = {}
    while time.monotonic() < give_up:
        counts = stand.api.ask("GET", "/agents/status/summary")
        if holds(counts):
            return
        fleet.live(lambda: False, seconds=0.25)
    message = f"the platform did not settle within {_SETTLE_SECONDS:.0f} s: {counts}"
    raise RuntimeError(message)


def _await(fleet: Fleet, until: Callable[[], bool], what: str) -> None:
    if not fleet.live(until, seconds=_TIMEOUT_SECONDS):
        message = f"{what} did not arrive within {_TIMEOUT_SECONDS:.0f} s"
        raise RuntimeError(message)


def measure(results: Results, *, folder: Path, size: Size, say: Callable[[str], None]) -> None:
    """Run everything, the floor beside the platform."""
    most = max(size.agents)
    messages = Messages(most, seed=4, labels={FLEET_LABEL: "yes"})
    with platform(folder) as (stand, stack):
        nats_url, postgres_url = str(stack.facts["nats_url"]), str(stack.facts["postgres_url"])
        with floor_stand(folder, nats_url, postgres_url) as beside:
            say("change latency: floor")
            measure_changes(results, beside, size)
            say("API: floor")
            for agents in size.agents:
                measure_api(results, beside, agents, size, None)
            say(f"a change for {most:,} agents: floor")
            fleet = Fleet(beside.opamp_port, most, messages)
            try:
                fleet.connect(then_status=True)
                measure_rollout(results, beside, fleet, Agents(fleet), size)
            finally:
                fleet.close()
        say("change latency: platform")
        measure_changes(results, stand, size)
        fleet = Fleet(stand.opamp_port, most, messages, token=stand.token)
        agents_of = Agents(fleet)
        try:
            for count in size.agents:
                say(f"platform: connecting {count:,} agents")
                before = fleet.connected
                fleet.connect(count)
                for index in range(before, count):
                    fleet.say(index, fleet.status_frame(index))
                    if index % 50 == 49:
                        fleet.listen(lambda: False, seconds=0.01)
                _wait_for_counts(stand, fleet, lambda counts: counts["online"] >= count)  # noqa: B023 - used at once
                say(f"API: platform with {count:,} agents")
                measure_api(results, stand, count, size, fleet)
            say(f"a change for {most:,} agents: platform")
            measure_rollout(results, stand, fleet, agents_of, size)
        finally:
            fleet.close()
