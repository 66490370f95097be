"""The NATS server of a stack."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING

import nats
import pytest

from devstack.errors import StackError
from devstack.nats import MAX_PAYLOAD, NatsServer, binary
from devstack.ports import free_ports
from world.folders import make_folder

if TYPE_CHECKING:
    from pathlib import Path


async def test_stream_survives_a_kill(nats_server: NatsServer) -> None:
    """What JetStream acknowledged is there after kill -9 and start, and gone after a wipe."""
    first = await nats.connect(nats_server.url)
    await first.jetstream().add_stream(name="S", subjects=["s"])
    await first.jetstream().publish("s", b"kept")
    await first.close()

    nats_server.kill()
    nats_server.start()

    second = await nats.connect(nats_server.url)
    assert (await second.jetstream().get_msg("S", 1)).data == b"kept"
    assert second.max_payload == MAX_PAYLOAD
    await second.close()

    nats_server.stop()
    nats_server.wipe()
    nats_server.start()
    third = await nats.connect(nats_server.url)
    assert await third.jetstream().streams_info() == []
    await third.close()


def test_every_write_is_synced(nats_server: NatsServer) -> None:
    """An acknowledged fact survives a power cut."""
    assert "sync_interval: always" in (nats_server.folder / "nats.conf").read_text()


async def test_password_is_asked_for() -> None:
    """The server of a stack lets nobody in without it, and its file is private."""
    folder = make_folder("nats")
    port, monitor = free_ports(2)
    server = NatsServer(folder, port, monitor, "secret")
    try:
        server.start()
        assert (folder / "nats.conf").stat().st_mode & 0o077 == 0
        known = await nats.connect(server.url)
        await known.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'CONNECT {"user": "fleet", "pass": "guess"}\r\nPING\r\n')
        assert b"Authorization Violation" in await asyncio.wait_for(reader.read(), 30)
        writer.close()
        await writer.wait_closed()
    finally:
        server.kill()
        shutil.rmtree(folder)


def test_stale_server_on_the_port_is_not_taken_for_ours(nats_server: NatsServer, tmp_path: Path) -> None:
    """A second server on the same ports is told as failed instead of talking to the first."""
    other = NatsServer(tmp_path, nats_server.port, nats_server.monitor_port)

    with pytest.raises(StackError, match="nats ended with code 1 before it was ready"):
        other.start()


def test_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says what to do."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(StackError, match="run 'make setup', or point FLEET_NATS_URL"):
        binary()
