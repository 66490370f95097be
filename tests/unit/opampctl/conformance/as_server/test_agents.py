"""Agents as programs."""

from __future__ import annotations

import shlex
import sys

import pytest

from opampctl.conformance.as_server.agents import AgentAtLarge, CommandAgent, Urls
from opampctl.conformance.heard import Transport

URLS = Urls("ws://h/o", "http://h/o")


@pytest.mark.parametrize(
    ("command", "transports", "words"),
    [
        ("a {ws_url}", (Transport.WEBSOCKET,), ["a", "ws://h/o"]),
        ("a -x {http_url}", (Transport.HTTP,), ["a", "-x", "http://h/o"]),
        ("a {url}", (Transport.WEBSOCKET, Transport.HTTP), ["a", "http://h/o"]),
        ("a", (), ["a"]),
    ],
)
def test_command_names_the_transports(command: str, transports: tuple[Transport, ...], words: list[str]) -> None:
    """What stands in for the address tells which transports are examined."""
    agent = CommandAgent(command)

    assert agent.transports == transports
    assert agent.words(URLS, transports[-1] if transports else None) == words


async def test_program_is_ended() -> None:
    """Whether it hears SIGTERM or has ended before, it is gone afterwards."""
    agent = CommandAgent(f"{shlex.join([sys.executable, '-c', 'input()'])} {{ws_url}}")
    for end in (agent.stop, agent.kill):
        await agent.start(URLS, Transport.WEBSOCKET)
        await end()
        await end()


async def test_agent_at_large_is_left_alone() -> None:
    """Nobody starts or ends it."""
    agent = AgentAtLarge()
    await agent.start(URLS, None)
    await agent.stop()
    await agent.kill()

    assert not agent.restarts
