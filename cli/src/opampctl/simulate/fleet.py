"""A fleet of simulated agents in one process: brings them up at a pace, keeps them going, tells how they fare."""

from __future__ import annotations

import asyncio
import math
import resource
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Self

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate.agent import SimulatedAgent, capabilities_field
from opampctl.simulate.fetching import Fetcher, open_file_session
from opampctl.simulate.options import Endpoint, FleetOptions
from opampctl.simulate.polling import CONNECTIONS, PollingConversation, open_http_session
from opampctl.simulate.stage import Stage, make_tls_context, resolve, unix_nano
from opampctl.simulate.statistics import Snapshot, Standing, Statistics, snapshot_of
from opampctl.simulate.websocket import WebSocketConversation

if TYPE_CHECKING:
    from types import TracebackType

    from opampctl.simulate.conversation import Conversation
    from opampctl.simulate.package_options import PackageOptions

_RAMP_STEP_SECONDS = 0.02
_SPARE_DESCRIPTORS = 100
_GOODBYES_AT_ONCE = 500


class TooManyAgentsError(Exception):
    """This process may not open as many sockets as the fleet needs."""


class Fleet:
    """
    Simulated agents, as a program (`await Fleet(options).run()`) or a fixture (`async with Fleet(options) as f`).

    Attributes:
        agents: Every agent by position; read their state at any time.

        statistics: What the fleet counted so far.
    """

    def __init__(self, options: FleetOptions) -> None:
        self.options = options
        self.statistics = Statistics()
        shared: dict[bytes, bytes] = {}
        started = unix_nano()
        capabilities = capabilities_field(options)
        self.agents = [
            SimulatedAgent(
                options,
                position,
                statistics=self.statistics,
                shared_configs=shared,
                started_unix_nano=started,
                capabilities=capabilities,
            )
            for position in range(options.agents)
        ]
        self._conversations: list[Conversation] = []
        self._stack = AsyncExitStack()
        self._stage: Stage | None = None
        self._stopped = asyncio.Event()
        self._started_at = time.monotonic()

    async def __aenter__(self) -> Self:
        """
        Begin to connect; returns at once.

        Raises:
            TooManyAgentsError: The descriptor limit is too low.

            OSError: The host name cannot be resolved.
        """
        raise_descriptor_limit(self.options)
        targets = [await resolve(endpoint) for endpoint in Endpoint.parse_all(self.options.endpoint)]
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        stage = self._stage = Stage(self.options, targets, tasks, self.statistics)
        if any(agent.uses_http for agent in self.agents):
            stage.http = await self._stack.enter_async_context(open_http_session(stage))
        if self.options.packages is not None:
            stage.fetcher = await self._open_fetcher(stage, self.options.packages)
        self._conversations = [
            PollingConversation(agent, stage) if agent.uses_http else WebSocketConversation(agent, stage)
            for agent in self.agents
        ]
        self._started_at = time.monotonic()
        stage.spawn(self._ramp())
        if self.options.churn_per_second:
            stage.spawn(self._churn())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye for every agent, and end what is still under way."""
        if self._stage is not None:
            self._stage.stopping = True
            self._stage.cancel()
        for conversation in self._conversations:
            conversation.cancel_timers()
        if error is not None:
            for conversation in self._conversations:
                conversation.cut()
        else:
            for start in range(0, len(self._conversations), _GOODBYES_AT_ONCE):
                some = self._conversations[start : start + _GOODBYES_AT_ONCE]
                await asyncio.gather(*(conversation.close() for conversation in some))
        # The group must not wrap the caller's own error; a failed task of ours still raises here.
        await self._stack.aclose()

    async def run(self, duration_seconds: float = math.inf) -> Snapshot:
        """Bring the fleet up, keep it for *duration_seconds* or until `stop`, take it down; tell how it fared."""
        async with self:
            await self.wait_stopped(duration_seconds)
            return self.snapshot()

    async def wait_stopped(self, duration_seconds: float = math.inf) -> None:
        """Wait for *duration_seconds*, or until `stop`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(duration_seconds) else duration_seconds):
                await self._stopped.wait()

    def stop(self) -> None:
        """End `run`, saying goodbye first."""
        self._stopped.set()

    async def wait_connected(self, count: int | None = None, *, within_seconds: float = 60.0) -> None:
        """
        Wait until *count* agents (all, if None) are connected.

        Raises:
            TimeoutError: They were not in time.
        """
        wanted = len(self.agents) if count is None else count
        async with asyncio.timeout(within_seconds):
            while sum(agent.connected for agent in self.agents) < wanted:  # noqa: ASYNC110 - a flag per agent
                await asyncio.sleep(_RAMP_STEP_SECONDS)

    def drop(self, position: int, *, goodbye: bool = False, away_seconds: float = 0.0) -> None:
        """Let one agent break its connection and come back."""
        self._conversations[position].drop(goodbye=goodbye, away_seconds=away_seconds)

    def beat(self, position: int) -> None:
        """Let one agent send a heartbeat now; an HTTP agent polls."""
        self._conversations[position].beat()

    def report(self, position: int) -> None:
        """Let one agent report its full state now."""
        self.agents[position].report()
        self._conversations[position].flush()

    def set_health(self, position: int, *, healthy: bool, error: str = "") -> None:
        """Change the health of one agent and let it say so now."""
        self.agents[position].set_health(healthy=healthy, error=error)
        self._conversations[position].flush()

    def request_certificate(self, position: int) -> None:
        """
        Let one agent ask for a certificate for a new key now, as before the end of the old one.

        Raises:
            RuntimeError: The fleet was not made for that.
        """
        extras = self.agents[position].extras
        if extras is None:
            message = "these agents take no connection settings"
            raise RuntimeError(message)
        extras.request_certificate(self.agents[position].uid)
        self._conversations[position].flush()

    def snapshot(self) -> Snapshot:
        """Tell where every agent stands and what was counted so far."""
        return snapshot_of(self.standing(), self.statistics)

    def standing(self) -> Standing:
        """Count the agents by where they stand."""
        connected = [agent for agent in self.agents if agent.connected]
        http = sum(agent.uses_http for agent in connected)
        statuses = Counter(agent.config_status for agent in self.agents)
        return Standing(
            agents=len(self.agents),
            connected=len(connected),
            websocket=len(connected) - http,
            http=http,
            applied=statuses[opamp.RemoteConfigStatuses_APPLIED],
            failed=statuses[opamp.RemoteConfigStatuses_FAILED],
            applying=statuses[opamp.RemoteConfigStatuses_APPLYING],
            unconfigured=statuses[opamp.RemoteConfigStatuses_UNSET],
            elapsed_seconds=round(time.monotonic() - self._started_at, 3),
            configs=Counter(agent.applied_hash.hex() for agent in self.agents if agent.applied_hash),
            packages=Counter(
                f"{name} {version}"
                for agent in self.agents
                if agent.packages is not None
                for name, version in agent.packages.versions.items()
            ),
        )

    async def _open_fetcher(self, stage: Stage, packages: PackageOptions) -> Fetcher:
        session = await self._stack.enter_async_context(open_file_session(make_tls_context(self.options)))
        share, key = not packages.always_download, packages.trusted_key
        return Fetcher(session, self.statistics, stage.rng, share=share, key=key)

    async def _ramp(self) -> None:
        stage = _given(self._stage)
        began, started = time.monotonic(), 0
        while started < len(self._conversations):
            due = min(
                len(self._conversations),
                math.ceil((time.monotonic() - began) * self.options.connect_rate) or 1,
            )
            for conversation in self._conversations[started:due]:
                stage.spawn(conversation.connect())
            started = max(due, started)
            await asyncio.sleep(_RAMP_STEP_SECONDS)

    async def _churn(self) -> None:
        stage = _given(self._stage)
        while True:
            await asyncio.sleep(stage.rng.expovariate(self.options.churn_per_second))
            position = stage.rng.randrange(len(self.agents))
            if self.agents[position].connected:
                self.statistics.churned += 1
                away = stage.rng.random() * self.options.churn_away_seconds
                self.drop(position, goodbye=stage.rng.random() < 0.5, away_seconds=away)  # noqa: PLR2004 - half


def _given(stage: Stage | None) -> Stage:
    if stage is None:
        message = "the fleet was not started: use `async with` or `run`"
        raise RuntimeError(message)
    return stage


def raise_descriptor_limit(options: FleetOptions) -> None:
    """
    Let this process open as many sockets as a fleet needs.

    Raises:
        TooManyAgentsError: The hard limit is lower.
    """
    polling = sum(options.uses_http(position) for position in range(options.agents))
    wanted = options.agents - polling + min(polling, CONNECTIONS) + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        message = (
            f"{options.agents} agents need {wanted} open files and one process may have {hard}: "
            f"spread them over several with --processes {math.ceil(wanted / max(hard - _SPARE_DESCRIPTORS, 1))}."
        )
        raise TooManyAgentsError(message)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
