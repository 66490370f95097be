"""A connection keeps what it was sent."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from conformancelab.listener import listener

from opampctl.conformance.connection import Gone, open_connection
from opampctl.conformance.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def listening(answer: bytes, *, then_close: bool) -> AsyncIterator[int]:
    """Answer whoever connects, and end the connection if told to."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if not then_close:
            await reader.read()

    async with listener(serve) as port:
        yield port


async def test_bytes_survive_the_end() -> None:
    """What came before the end can be read after it."""
    async with listening(b"last words", then_close=True) as port:
        connection = await open_connection(Target("127.0.0.1", port), 30)
        assert await connection.end(30)

        assert bytes(connection.received) == b"last words"
        with pytest.raises(Gone):
            connection.write(b"too late")
        await connection.write_all([b"too", b"late"])


async def test_waiting_ends_in_time() -> None:
    """Where nothing comes, waiting ends without it."""
    async with listening(b"", then_close=False) as port:
        with await open_connection(Target("127.0.0.1", port), 30) as connection:
            assert not await connection.changed(0.02)
            assert not await connection.end(0.02)
            await connection.write_all([b"a", b"b"])


async def test_nobody_listens() -> None:
    """A port without a listener is told as such."""
    async with listening(b"", then_close=True) as port:
        pass
    with pytest.raises(Gone, match=str(port)):
        await open_connection(Target("127.0.0.1", port), 30)
