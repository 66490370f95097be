"""The common ground of a fleet."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import closing

import pytest

from opampctl.simulate.options import Endpoint, FleetOptions
from opampctl.simulate.stage import Stage, Target
from opampctl.simulate.statistics import Statistics


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
