"""The conformance suite against the platform itself: by one gateway, and by two behind one port."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from conformancelab.roundrobin import round_robin

from opampctl.client import Client
from opampctl.conformance import Options, Result, Suite, Target, Verdict
from opampctl.conformance.stimulus_rest import RestStimulus

if TYPE_CHECKING:
    from world.platform import Platform

OPEN: dict[str, str] = {
    "S-032": "messages are limited to 4 MiB unless configured",
    "S-056": "the second of two gaps is not asked about",
    "S-057": "an agent that reconnects at once is asked for its full state",
    "S-068": "components are asked for without the capability",
    "S-081": "a report with another hash is not answered with the config",
    "S-082": "a report with another hash is not answered with the config",
    "S-123": "a report with another hash is not answered with the settings",
    "S-124": "a report with another hash is not answered with the settings",
    "S-154": "a policy that was just made may be missing in the first answer",
    "S-224": "a WebSocket is taken for one agent",
    "S-225": "a WebSocket is taken for one agent",
}
"""Rows the platform does not meet yet, and why; a row that is met must leave this table."""

OPEN_BETWEEN_GATEWAYS: dict[str, str] = {
    "S-021": "polls that change gateways at once are asked for the full state",
    "S-052": "two clones that come to two gateways at once may both be served",
    "S-053": "two clones that come to two gateways at once may both be served",
}
"""Further rows that two gateways do not meet together."""


@pytest.fixture
async def two_gateways(platform: Platform) -> Platform:
    """Give a platform with two gateways."""
    await platform.start(gateways=2)
    return platform


@pytest.mark.timeout(240)
async def test_one_gateway_conforms(two_gateways: Platform) -> None:
    """No applicable MUST or SHOULD row fails on a single gateway, but for those listed as open."""
    port = two_gateways.run_json["ports"]["opamp_1"]

    results = await _examine(two_gateways, port)

    assert _failed(results) == {}


@pytest.mark.timeout(240)
async def test_two_gateways_behind_one_port_conform(two_gateways: Platform) -> None:
    """The same holds when each connection reaches another gateway than the one before."""
    ports = two_gateways.run_json["ports"]

    async with round_robin([ports["opamp_1"], ports["opamp_2"]]) as port:
        results = await _examine(two_gateways, port)

    failed = _failed(results)
    assert {row: said for row, said in failed.items() if row not in OPEN_BETWEEN_GATEWAYS} == {}


async def _examine(platform: Platform, port: int) -> list[Result]:
    facts = platform.run_json
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(Client(facts["api_url"], token="none"))
        login = await door.login(facts["admin_user"], facts["admin_password"])
        client = await stack.enter_async_context(Client(facts["api_url"], token=login["token"]))
        stimulus = RestStimulus(client)
        stack.push_async_callback(stimulus.close)
        target = Target.parse(f"ws://127.0.0.1:{port}/v1/opamp", token=platform.token)
        return await Suite(Options(target, stimulus=stimulus)).run()


def _failed(results: list[Result]) -> dict[str, str]:
    return {each.row.id: each.said for each in results if each.broken and each.row.id not in OPEN}


def _passed(results: list[Result]) -> set[str]:
    return {each.row.id for each in results if each.verdict is Verdict.PASS}
