"""The moves checks share, against a server that does everything right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformancelab.server import TOKEN, Server, running

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.checks.acting import (
    attempt,
    clones,
    hear_field,
    known,
    nothing_with,
    offered,
    poll_for_field,
    settle,
    status,
    unused,
)
from opampctl.conformance.persona import ACCEPTS_CONFIG
from opampctl.conformance.probe import Patience, Probe, Setting
from opampctl.conformance.target import Target
from opampctl.conformance.verdict import Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server."""
    async with running() as made:
        yield made


@pytest.fixture
async def probe(server: Server) -> AsyncIterator[Probe]:
    """Give a check's world with little patience."""
    target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
    patience = Patience(answer=30, quiet=0.02, effect=0.3)
    with Probe("S-001", Setting(target, patience, server.stimulus)) as made:
        yield made


async def test_stranger_is_not_known(probe: Probe) -> None:
    """An agent that never came is not known, however long one looks."""
    with pytest.raises(Failed, match="does not know"):
        await known(probe, probe.persona())


async def test_offer_is_waited_for_on_both_transports(probe: Probe) -> None:
    """A configuration comes pushed, and with a poll."""
    agent, poller = probe.persona(ACCEPTS_CONFIG), probe.persona(ACCEPTS_CONFIG)
    line, polling = await probe.websocket(), probe.polling()
    await line.ask(agent.full())
    await polling.ask(poller.full())

    assert await offered(probe, agent, line, "a: 1\n")
    await probe.do("offer_config", instance_uid=poller.text, body="a: 1\n", content_type="yaml")
    assert (await poll_for_field(probe, polling, poller, "remote_config")).message.HasField("remote_config")
    await settle(probe)


async def test_what_does_not_come_fails(probe: Probe) -> None:
    """Waiting in vain is told by the name of what was waited for."""
    agent = probe.persona()
    line, polling = await probe.websocket(), probe.polling()
    await line.ask(agent.full())

    with pytest.raises(Failed, match="command did not come"):
        await hear_field(probe, line, "command")
    with pytest.raises(Failed, match="no answer had command"):
        await poll_for_field(probe, polling, probe.persona(), "command")


async def test_what_must_not_come_fails_when_it_does(probe: Probe) -> None:
    """A configuration among what came is found."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    await nothing_with(probe, agent, line, lambda said: said.HasField("remote_config"), "a config")
    await probe.do("offer_config", instance_uid=agent.text, body="a: 1\n", content_type="yaml")

    with pytest.raises(Failed, match="a config was sent"):
        await nothing_with(probe, agent, line, lambda said: said.HasField("remote_config"), "a config")


async def test_refusal_is_what_was_wanted(probe: Probe) -> None:
    """A restart the server refuses is no obstacle."""
    agent = probe.persona()
    await (await probe.websocket()).ask(agent.full())

    await attempt(probe, "restart_agent", agent)


async def test_clones_are_brought_up(probe: Probe) -> None:
    """Two agents with one uid live until one of them is renamed."""
    found = await clones(probe)

    assert found.renamed is not None
    assert not found.closed


def test_words_for_statuses_and_permissions() -> None:
    """A status has its hash and word; a permission not used is told as such."""
    assert status(b"h", opamp.RemoteConfigStatuses_FAILED, "why").error_message == "why"
    assert str(unused("sing")) == "the server does not sing, and need not"
