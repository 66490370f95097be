"""Interop tests: programs that speak OpAMP, and a closing line that says who was not asked."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from foreign import ForeignAgent, ForeignProgram
from goprograms import COLLECTOR, SUPERVISOR, Program
from supervised import Supervisors
from telemetrysink import TelemetrySink

from world.platform import Platform

NOT_RUN: dict[str, str] = {}


@pytest.fixture
def foreign_agent() -> Iterator[Callable[..., ForeignAgent]]:
    """Give a function that starts an agent that prints events; all are ended with the test."""
    yield from _starter(ForeignAgent, signal.SIGTERM)


@pytest.fixture
def foreign_program() -> Iterator[Callable[..., ForeignProgram]]:
    """Give a function that starts any program; all are ended with the test."""
    yield from _starter(ForeignProgram, signal.SIGINT)


def _starter(kind: type[Any], ended_by: signal.Signals) -> Iterator[Callable[..., Any]]:
    started: list[ForeignProgram] = []

    def start(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> ForeignProgram:
        program: ForeignProgram = kind(command, env)
        started.append(program)
        return program

    yield start
    for program in started:
        program.stop(ended_by)


@pytest.fixture
def not_run() -> Callable[[str, str], None]:
    """Give a function that skips a client loudly: who, and what would make it run."""

    def skip(client: str, how: str) -> None:
        NOT_RUN[client] = how
        pytest.skip(f"NOT RUN: {client}: {how}")

    return skip


@pytest.fixture
def program_of(not_run: Callable[[str, str], None]) -> Callable[[Program], Path]:
    """Give a function that finds a program in Go; without it the test is skipped, loudly."""

    def find(program: Program) -> Path:
        path = program.find()
        if path is None:
            not_run(program.name, program.remedy)
        assert path is not None
        return path

    return find


@pytest.fixture
async def supervisors(
    platform: Platform,
    foreign_program: Callable[..., ForeignProgram],
    program_of: Callable[[Program], Path],
    tmp_path: Path,
) -> Supervisors:
    """Give what starts Collectors under supervisors, with the platform running."""
    programs = program_of(SUPERVISOR), program_of(COLLECTOR)
    await platform.start()
    return Supervisors(programs, platform, foreign_program, tmp_path)


@pytest.fixture
async def telemetry_sink() -> AsyncIterator[TelemetrySink]:
    """Give a sink that listens."""
    sink = TelemetrySink()
    await sink.start()
    yield sink
    sink.stop()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the end which clients were not asked: a skip must not look like a pass."""
    if NOT_RUN:
        terminalreporter.section("interop: clients NOT RUN", yellow=True)
        for client, how in NOT_RUN.items():
            terminalreporter.line(f"{client} ({how})")
