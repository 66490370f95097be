"""
Inputs worth keeping, replayed: tests/fuzz/corpus/<fuzzer>/<name>.hex.

A file begins with a sentence about what is interesting in it; each further line is one message, or one piece of
what is read from a socket, in hexadecimal (`-` = empty). What a fuzzer finds is added there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from gatewaylab.fakes import Lab
from gatewaylab.fuzzing import DoorFuzzer, replay_session
from gatewaylab.transport import FakeTransport

from opamp_gateway.door import Door
from opamp_gateway.limits import Limits
from opamp_gateway.websocket import WebSocket

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
LIMITS = Limits(max_message_bytes=100_000, max_frames=500, message_burst=2_000)


def files(fuzzer: str) -> list[Path]:
    """List the inputs kept for one fuzzer."""
    return sorted((CORPUS / fuzzer).glob("*.hex"))


def read(path: Path) -> list[bytes]:
    """Read one input."""
    first, *lines = path.read_text().splitlines()
    assert first.startswith("# "), "a file begins with what it is for"
    return [b"" if line == "-" else bytes.fromhex(line) for line in lines]


@pytest.mark.parametrize("path", files("session"), ids=lambda path: path.stem)
def test_session_answers_what_was_worth_keeping(path: Path) -> None:
    """Each answer sound; with small limits, too."""
    replay_session(read(path))
    replay_session(read(path), max_fact_bytes=10, max_attributes=0, max_entries=0, max_config_files=0)


@pytest.mark.parametrize("window_bits", [0, 15])
@pytest.mark.parametrize("path", files("frames"), ids=lambda path: path.stem)
async def test_sockets_survive_what_was_worth_keeping(path: Path, window_bits: int) -> None:
    """Compression agreed or not: sound frames out, and nothing kept."""
    lab = Lab(LIMITS)
    socket, transport = lab.open(window_bits=window_bits)
    for piece in read(path):
        if not transport.closed and piece:
            socket.data_received(piece)
    DoorFuzzer._read(transport)
    socket.connection_lost(None)

    assert not lab.gateway.sockets
    assert len(lab.gateway.connections) == 0
    assert lab.gateway.unfinished.total == 0


class PlainHttp(asyncio.Protocol):
    """Whoever a plain request is handed to."""

    def data_received(self, data: bytes) -> None:
        """Take it."""


@pytest.mark.parametrize("path", files("heads"), ids=lambda path: path.stem)
async def test_door_decides_what_was_worth_keeping(path: Path) -> None:
    """Upgraded, refused, or handed on; a refusal says so in HTTP."""
    lab = Lab(LIMITS)
    transport = FakeTransport()
    door = Door(lab.gateway, cast("Callable[[], asyncio.Protocol]", PlainHttp))
    transport.set_protocol(cast("asyncio.BaseProtocol", door))
    door.connection_made(transport)
    for piece in read(path):
        if not transport.closed:
            cast("asyncio.Protocol", transport.get_protocol()).data_received(piece)
    protocol = transport.get_protocol()

    if isinstance(protocol, WebSocket):
        assert transport.written.startswith(b"HTTP/1.1 101 ")
    elif isinstance(protocol, Door):
        assert transport.written.startswith(b"HTTP/1.1 4")
        assert transport.closed
    protocol.connection_lost(None)
