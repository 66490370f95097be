"""The conformance suite against the platform itself: by one gateway, and by two behind one port."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from conformancelab.roundrobin import round_robin

from opampctl.client import Client
from opampctl.conformance import Options, Result, Suite, Target, Verdict
from opampctl.conformance.probe import Patience
from opampctl.conformance.stimulus_rest import RestStimulus

if TYPE_CHECKING:
    from world.platform import Platform

OPEN: dict[str, str] = {"S-032": "messages are limited to 4 MiB unless configured (decision 13)"}
"""Rows the platform does not meet, and why; docs/conformance/remarks.json gives each its decision."""

PERMISSIONS = frozenset({"S-003", "S-004", "S-054", "S-055", "S-090", "S-092", "S-096", "S-131"})
"""Permissions the platform does not use, and settings it was not started with."""

CALM = Patience(answer=30, effect=90, clone=30, large=60)
"""On a busy machine nothing that is right is judged wrong for being slow."""

CAPABILITIES = {"OPAMP_GATEWAY_CUSTOM_CAPABILITIES": "org.example.conformance"}


@pytest.fixture
async def two_gateways(platform: Platform) -> Platform:
    """Give a platform with two gateways."""
    await platform.start(gateways=2, settings=CAPABILITIES)
    return platform


@pytest.mark.timeout(1200)
async def test_one_gateway_conforms(two_gateways: Platform) -> None:
    """No applicable MUST or SHOULD row fails on a single gateway, but for those listed; every other row is judged."""
    port = two_gateways.run_json["ports"]["opamp_1"]

    results = await _examine(two_gateways, port)

    assert _failed(results) == OPEN.keys()
    assert _not_judged(results) == PERMISSIONS


@pytest.mark.timeout(1200)
async def test_two_gateways_behind_one_port_conform(two_gateways: Platform) -> None:
    """The same holds when each connection reaches another gateway than the one before."""
    ports = two_gateways.run_json["ports"]

    async with round_robin([ports["opamp_1"], ports["opamp_2"]]) as port:
        results = await _examine(two_gateways, port)

    assert _failed(results) == OPEN.keys()
    assert _not_judged(results) == PERMISSIONS


async def _examine(platform: Platform, port: int) -> list[Result]:
    facts = platform.run_json
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(Client(facts["api_url"], token="none"))
        login = await door.login(facts["admin_user"], facts["admin_password"])
        client = await stack.enter_async_context(Client(facts["api_url"], token=login["token"]))
        stimulus = RestStimulus(client)
        stack.push_async_callback(stimulus.close)
        target = Target.parse(f"ws://127.0.0.1:{port}/v1/opamp", token=platform.token)
        return await Suite(Options(target, stimulus=stimulus, patience=CALM, check_seconds=300)).run()


def _failed(results: list[Result]) -> set[str]:
    """Return the rows that failed; those nobody expected are shown with what was said."""
    unexpected = {
        each.row.id: (each.said, each.evidence) for each in results if each.broken and each.row.id not in OPEN
    }
    assert unexpected == {}
    return {each.row.id for each in results if each.broken}


def _not_judged(results: list[Result]) -> set[str]:
    return {each.row.id for each in results if each.verdict is Verdict.NOT_APPLICABLE}
