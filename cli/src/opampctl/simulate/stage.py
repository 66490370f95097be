"""What all conversations of one fleet share: options, chance, statistics, and how work is started."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple

from opampctl.simulate.certificates import tls_context
from opampctl.simulate.terms import first_terms

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import aiohttp

    from opampctl.simulate.agent import SimulatedAgent
    from opampctl.simulate.fetching import Fetcher
    from opampctl.simulate.options import Endpoint, FleetOptions
    from opampctl.simulate.statistics import Statistics


_IP_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)


class Target(NamedTuple):
    """One server with its name resolved, so that 20,000 agents ask the resolver once."""

    endpoint: Endpoint
    family: int
    address: tuple[str, int]


class Stage:
    """
    The common ground of the agents of one fleet.

    Attributes:
        targets: The servers, their names resolved once for all agents.

        connecting: Bounds the handshakes in flight.

        http: Session of the polling agents; None in a fleet without them.

        fetcher: Downloads the files of packages; None in a fleet without them.

        stopping: Set when the fleet is going down; nobody reconnects any more.
    """

    def __init__(
        self, options: FleetOptions, targets: list[Target], tasks: asyncio.TaskGroup, statistics: Statistics
    ) -> None:
        self.options = options
        self.targets = targets
        self.tls = make_tls_context(options) if any(target.endpoint.secure for target in targets) else None
        self.loop = asyncio.get_running_loop()
        self.rng = random.Random(options.seed)  # noqa: S311 - a simulation wants chance that can be repeated
        self.statistics = statistics
        self.connecting = asyncio.Semaphore(options.max_connecting)
        self.http: aiohttp.ClientSession | None = None
        self.fetcher: Fetcher | None = None
        self.stopping = False
        self.first_receipt: dict[bytes, float] = {}
        self.headers = first_terms(options).headers
        """Request headers of an agent that was given no others."""
        self._known = {target.endpoint: target for target in targets}
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Start *work*; an error nobody expected ends the fleet, and so does its end cancel what still runs."""
        _ = self.begin(work)

    def begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start *work* as `spawn` does; what is returned is for cancelling it."""
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def cancel(self) -> None:
        """Cancel everything that was started and still runs."""
        for task in self._running:
            task.cancel()

    def target(self, index: int, failures: int) -> Target:
        """Choose the server of agent *index*: in turn, and the next one after each failed attempt."""
        return self.targets[(index + failures) % len(self.targets)]

    async def target_of(self, agent: SimulatedAgent, failures: int) -> Target:
        """
        Choose the server of an agent on its own terms.

        Raises:
            OSError: Its name cannot be resolved.
        """
        endpoint = agent.extras.slots.terms.parsed if agent.extras is not None else None
        if endpoint is None:
            return self.target(agent.index, failures)
        if endpoint not in self._known:
            self._known[endpoint] = await resolve(endpoint)
        return self._known[endpoint]

    def headers_of(self, agent: SimulatedAgent) -> tuple[tuple[str, str], ...]:
        """Return the request headers of an agent on its own terms."""
        return self.headers if agent.extras is None else agent.extras.slots.terms.headers

    def tls_of(self, agent: SimulatedAgent, target: Target) -> ssl.SSLContext | None:
        """
        Return the TLS context for an agent's connection to *target*; None = no TLS.

        Raises:
            ssl.SSLError: The agent's certificate is of no use.
        """
        if not target.endpoint.secure:
            return None
        extras = agent.extras
        if extras is None or not extras.slots.terms.needs_own_tls:
            if self.tls is None:
                self.tls = make_tls_context(self.options)
            return self.tls
        terms = extras.slots.terms
        if extras.tls is None or extras.tls[0] != terms:
            context = tls_context(terms, ca_file=self.options.ca_file, verify=self.options.verify_tls)
            extras.tls = (terms, context)
        return extras.tls[1]

    def open_socket(self, index: int, family: int) -> socket.socket:
        """Make a socket for agent *index*, bound to its source address when there are any."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003 - the signature is the library's
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sources = self.options.source_addresses
        if sources:
            # Without this a bind takes a port for itself alone, and 28,000 is all there are.
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((sources[index % len(sources)], 0))
        return sock

    def jittered(self, seconds: float, spread: float) -> float:
        """Return *seconds* give or take the share *spread*."""
        return seconds * (1 - spread + 2 * spread * self.rng.random())

    def new_mask(self) -> bytes:
        """Return four bytes to mask a frame with."""
        return self.rng.getrandbits(32).to_bytes(4)

    def count_receipts(self, config_hash: bytes, monotonic: float, connected_at: float, *, first: bool) -> None:
        """Count how late an agent received a configuration: after the first one that did, and after connecting."""
        earliest = self.first_receipt.setdefault(config_hash, monotonic)
        self.statistics.spread.add(monotonic - earliest)
        if first:
            self.statistics.first_config.add(monotonic - connected_at)


async def resolve(endpoint: Endpoint) -> Target:
    """
    Resolve the name of a server.

    Raises:
        OSError: It has no address.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=1)
    family, _, _, _, address = found[0]
    return Target(endpoint, family, (str(address[0]), int(address[1])))


def unix_nano() -> int:
    """Return the time of day as OpAMP writes it."""
    return time.time_ns()


def make_tls_context(options: FleetOptions) -> ssl.SSLContext:
    """Build the TLS context of agents that were given no certificates of their own."""
    context = ssl.create_default_context(cafile=options.ca_file)
    if not options.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
