"""
A fleet too large for one process: parts of it in processes of their own, seen as one.

A process here may open some 20,000 sockets, and one address has some 28,000 ports to one server; parts of a large
fleet against a server on this machine therefore connect from 127.0.0.2, 127.0.0.3 and so on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import ipaddress
import math
import multiprocessing
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvloop

from opampctl.simulate.fleet import Fleet, TooManyAgentsError, raise_descriptor_limit
from opampctl.simulate.options import Endpoint, FleetOptions
from opampctl.simulate.statistics import Snapshot, Standing, Statistics, snapshot_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

REPORT_SECONDS = 0.5
END_SECONDS = 30.0
"""How long a part may take to say all its goodbyes."""
AGENTS_PER_ADDRESS = 25_000


class FleetOfProcesses:
    """
    Several fleets with one face: the same `run`, `stop` and `snapshot` as `Fleet`, but no access to single agents.

    Args:
        options: Of the whole fleet.

        processes: How many parts; each gets its share of agents, rates and numbers.
    """

    def __init__(self, options: FleetOptions, processes: int) -> None:
        self.options = options
        self.parts = split(options, processes)
        self._reports: list[tuple[Standing, Statistics]] = [
            (Standing(agents=part.agents, unconfigured=part.agents), Statistics()) for part in self.parts
        ]
        self._pipes: list[Connection] = []
        self._ended: list[asyncio.Event] = []
        self._failure: Exception | None = None

    async def run(self, duration_seconds: float = math.inf) -> Snapshot:
        """
        Run every part for *duration_seconds* or until `stop`, and tell how all fared together.

        Raises:
            TooManyAgentsError: A part is still too large for one process.

            OSError: The server's name cannot be resolved.
        """
        for part in self.parts:
            raise_descriptor_limit(part)
        context = multiprocessing.get_context("spawn")
        loop = asyncio.get_running_loop()
        children = []
        for index, part in enumerate(self.parts):
            ours, theirs = context.Pipe()
            child = context.Process(target=_run_part, args=(part, duration_seconds, theirs), daemon=True)
            child.start()
            theirs.close()
            children.append(child)
            self._pipes.append(ours)
            self._ended.append(asyncio.Event())
            loop.add_reader(ours.fileno(), self._hear, index)
        try:
            for ended in self._ended:
                await ended.wait()
        finally:
            for pipe, child in zip(self._pipes, children, strict=True):
                loop.remove_reader(pipe.fileno())
                pipe.close()  # a part that still runs takes this for the order to end
                await asyncio.to_thread(child.join, END_SECONDS)
                child.kill()
        if self._failure is not None:
            raise self._failure
        return self.snapshot()

    def stop(self) -> None:
        """End `run`; every agent says goodbye first."""
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.send(None)

    def snapshot(self) -> Snapshot:
        """Tell where all agents stand, from what the parts last reported."""
        standing, statistics = Standing(), Statistics()
        for part_standing, part_statistics in self._reports:
            standing.merge(part_standing)
            statistics.merge(part_statistics)
        return snapshot_of(standing, statistics)

    def _hear(self, index: int) -> None:
        """Take one report of a part; an exception or the end of the pipe ends the part."""
        pipe = self._pipes[index]
        try:
            message: Any = pipe.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            self._ended[index].set()
            return
        if isinstance(message, Exception):
            self._failure = message
            self.stop()
        else:
            self._reports[index] = message


def split(options: FleetOptions, processes: int) -> list[FleetOptions]:
    """
    Cut a fleet into parts of nearly one size that together are the whole.

    Numbers go on from part to part, so ids and descriptions are those the fleet would have in one process.

    Raises:
        ValueError: More processes than agents, or none.
    """
    if not 1 <= processes <= options.agents:
        message = "the number of processes must lie between 1 and the number of agents"
        raise ValueError(message)
    size, rest = divmod(options.agents, processes)
    parts, first = [], 0
    for index in range(processes):
        agents = size + (index < rest)
        parts.append(
            dataclasses.replace(
                options,
                agents=agents,
                first_index=options.first_index + first,
                connect_rate=options.connect_rate * agents / options.agents,
                churn_per_second=options.churn_per_second * agents / options.agents,
                max_connecting=max(1, options.max_connecting // processes),
                reject=min(max(options.reject - first, 0), agents),
                source_addresses=options.source_addresses or _source_addresses(options, index),
            )
        )
        first += agents
    return parts


def _source_addresses(options: FleetOptions, index: int) -> tuple[str, ...]:
    endpoints = Endpoint.parse_all(options.endpoint)
    host = endpoints[0].host
    try:
        local = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return ()
    if options.agents <= AGENTS_PER_ADDRESS * len(endpoints) or local.version != 4 or not local.is_loopback:  # noqa: PLR2004 - IPv4
        return ()
    return (f"127.0.0.{2 + index}",)


def _run_part(options: FleetOptions, duration_seconds: float, pipe: Connection) -> None:
    """Be one part, in a process of its own. Ctrl-C reaches every process; only the parent acts upon it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        uvloop.run(_part(options, duration_seconds, pipe))
    except (OSError, TooManyAgentsError) as error:
        with suppress(OSError):
            pipe.send(error)


async def _part(options: FleetOptions, duration_seconds: float, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    fleet = Fleet(options)
    calm_collector()

    def heed() -> None:
        """Take an order, or the end of the parent, as the end."""
        loop.remove_reader(pipe.fileno())
        fleet.stop()

    loop.add_reader(pipe.fileno(), heed)
    async with fleet:
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(_report(fleet, pipe))
            await fleet.wait_stopped(duration_seconds)
            reporting.cancel()
        _tell(fleet, pipe)


async def _report(fleet: Fleet, pipe: Connection) -> None:
    while True:
        _tell(fleet, pipe)
        await asyncio.sleep(REPORT_SECONDS)


def _tell(fleet: Fleet, pipe: Connection) -> None:
    with suppress(OSError):  # the parent is gone, and its pipe ends the fleet
        pipe.send((fleet.standing(), fleet.statistics))


def calm_collector() -> None:
    """Keep the garbage collector from stopping thousands of agents for a moment, again and again: they stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
