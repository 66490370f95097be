"""The common ground of a fleet."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import closing

import pytest

from opampctl.simulate.agent import SimulatedAgent
from opampctl.simulate.options import Endpoint, FleetOptions
from opampctl.simulate.stage import Stage, Target
from opampctl.simulate.statistics import Statistics
from opampctl.simulate.terms import Terms


def make_stage(tasks: asyncio.TaskGroup, **changes: object) -> Stage:
    """Make the stage of a fleet."""
    options = FleetOptions(**changes)  # type: ignore[arg-type]  # the tests choose well
    targets = [
        Target(endpoint, socket.AF_INET, (endpoint.host, endpoint.port))
        for endpoint in Endpoint.parse_all(options.endpoint)
    ]
    return Stage(options, targets, tasks, Statistics())


async def test_chance_repeats_with_the_seed() -> None:
    """Two stages of one seed draw the same jitter and masks, within their bounds."""
    async with asyncio.TaskGroup() as tasks:
        one, two = make_stage(tasks, seed=5), make_stage(tasks, seed=5)

        drawn = [(one.jittered(10, 0.5), one.new_mask()) for _ in range(50)]

        assert drawn == [(two.jittered(10, 0.5), two.new_mask()) for _ in range(50)]
        assert all(5 <= delay <= 15 and len(mask) == 4 for delay, mask in drawn)


async def test_running_work_is_cancelled() -> None:
    """`cancel` ends everything that was spawned, so that the group can be left."""
    async with asyncio.TaskGroup() as tasks:
        stage = make_stage(tasks)
        stage.spawn(_forever())
        stage.cancel()


async def test_lateness_is_counted_from_the_first_receipt() -> None:
    """The first agent to get a configuration is the start of its spread."""
    async with asyncio.TaskGroup() as tasks:
        stage = make_stage(tasks)
        stage.count_receipts(b"h", 10.0, 9.0, first=True)
        stage.count_receipts(b"h", 12.0, 9.0, first=False)

        assert stage.statistics.spread.maximum == 2.0
        assert stage.statistics.first_config.count == 1


async def test_servers_are_taken_in_turn_and_changed_after_a_failure() -> None:
    """Agents spread over the servers, and leave one that fails for the next."""
    async with asyncio.TaskGroup() as tasks:
        stage = make_stage(tasks, endpoint="ws://a, ws://b")
        assert [stage.target(index, 0).endpoint.host for index in range(3)] == ["a", "b", "a"]
        assert [stage.target(0, failures).endpoint.host for failures in range(3)] == ["a", "b", "a"]


async def test_sockets_are_bound_to_source_addresses_in_turn() -> None:
    """Agent by agent the next address is used; no port is taken before the connect."""
    async with asyncio.TaskGroup() as tasks:
        stage = make_stage(tasks, source_addresses=("127.0.0.2", "127.0.0.3"))
        for index, address in enumerate(("127.0.0.2", "127.0.0.3", "127.0.0.2")):
            with closing(stage.open_socket(index, socket.AF_INET)) as sock:
                assert sock.getsockname() == (address, 0)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("verify", [True, False])
async def test_tls_verifies_unless_told_not_to(verify: bool) -> None:
    """A secure endpoint has a TLS context; without verification only on demand."""
    async with asyncio.TaskGroup() as tasks:
        stage = make_stage(tasks, endpoint="wss://h", verify_tls=verify)
        assert stage.tls is not None
        assert (stage.tls.verify_mode is ssl.CERT_REQUIRED) is verify
        assert make_stage(tasks).tls is None


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_an_agent_on_its_own_terms_has_its_own_target_headers_and_tls() -> None:
    """Others share those of the fleet; a name is resolved once, a context made once."""
    async with asyncio.TaskGroup() as tasks:
        options = FleetOptions(endpoint="ws://127.0.0.1:1", token="oet", accept_settings=True)
        target = Target(Endpoint.parse(options.endpoint), socket.AF_INET, ("127.0.0.1", 1))
        stage = Stage(options, [target], tasks, Statistics())
        agent = SimulatedAgent(options, 0, statistics=Statistics(), shared_configs={}, started_unix_nano=1)
        assert agent.extras is not None
        slots = agent.extras.slots

        assert await stage.target_of(agent, 0) == target
        assert (stage.headers_of(agent), stage.tls_of(agent, target)) == ((("Authorization", "Bearer oet"),), None)

        slots.current = Terms(endpoint="wss://localhost:2/x", headers=(("A", "b"),), insecure=True)
        own = await stage.target_of(agent, 0)
        shared = stage.tls_of(agent, own)
        assert (own.endpoint.port, own.endpoint.path, stage.headers_of(agent)) == (2, "/x", (("A", "b"),))
        assert await stage.target_of(agent, 0) is own
        assert shared is not None
        assert stage.tls_of(agent, own) is shared


async def test_terms_that_verify_nothing_verify_nothing() -> None:
    """A context of the agent's own, where its terms ask for one."""
    async with asyncio.TaskGroup() as tasks:
        options = FleetOptions(accept_settings=True)
        target = Target(Endpoint.parse("wss://localhost:2"), socket.AF_INET, ("127.0.0.1", 2))
        stage = Stage(options, [target], tasks, Statistics())
        agent = SimulatedAgent(options, 0, statistics=Statistics(), shared_configs={}, started_unix_nano=1)
        assert agent.extras is not None

        careful = stage.tls_of(agent, target)
        agent.extras.slots.current = Terms(insecure=True)
        careless = stage.tls_of(agent, target)

        assert careful is not None
        assert careful.verify_mode is ssl.CERT_REQUIRED
        assert careless is not None
        assert careless.verify_mode is ssl.CERT_NONE
