"""Interop tests: programs that speak OpAMP, and a closing line that says who was not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from foreign import ForeignAgent

NOT_RUN: list[str] = []


@pytest.fixture
def foreign_agent() -> Iterator[Callable[..., ForeignAgent]]:
    """Give a function that starts an agent; all are ended with the test."""
    started: list[ForeignAgent] = []

    def start(command: Sequence[str], env: Mapping[str, str] | None = None) -> ForeignAgent:
        started.append(ForeignAgent(command, env))
        return started[-1]

    yield start
    for agent in started:
        agent.stop()


@pytest.fixture
def not_run() -> Callable[[str, str], None]:
    """Give a function that skips a client loudly: who, and what would make it run."""

    def skip(client: str, how: str) -> None:
        NOT_RUN.append(f"{client} ({how})")
        pytest.skip(f"NOT RUN: {client}: {how}")

    return skip


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end which clients were not asked: a skip must not look like a pass."""
    if NOT_RUN:
        terminalreporter.section("interop: clients NOT RUN", yellow=True)
        for client in NOT_RUN:
            terminalreporter.line(client)
