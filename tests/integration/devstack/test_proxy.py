"""The wire that can be cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from devstack.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from world.eventually import Eventually
    from world.proxy import Proxy


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """Give the port of a server that says what it hears, and END when its client has finished."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1000):
                writer.write(chunk)
            writer.write(b"END")
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def _said(port: int, text: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(text)
    return reader, writer


async def test_good_wire_carries_both_ways(proxy_to: Callable[[int], Coroutine[None, None, Proxy]], echo: int) -> None:
    """Without orders it is a wire."""
    proxy = await proxy_to(echo)
    reader, writer = await _said(proxy.port, b"hello")

    assert await asyncio.wait_for(reader.readexactly(5), 30) == b"hello"
    assert proxy.url_of(f"nats://u:p@127.0.0.1:{echo}") == f"nats://u:p@127.0.0.1:{proxy.port}"
    writer.close()


async def test_delay_is_added(proxy_to: Callable[[int], Coroutine[None, None, Proxy]], echo: int) -> None:
    """Both directions wait."""
    proxy = await proxy_to(echo)
    proxy.delay_seconds = 0.1
    loop = asyncio.get_running_loop()
    started = loop.time()
    reader, writer = await _said(proxy.port, b"x")
    await asyncio.wait_for(reader.readexactly(1), 30)

    assert loop.time() - started >= 0.2
    writer.close()


async def test_cut_resets_and_refusal_lasts(
    proxy_to: Callable[[int], Coroutine[None, None, Proxy]], echo: int, eventually: Eventually
) -> None:
    """Open connections break, new ones too until the wire is restored."""
    proxy = await proxy_to(echo)
    reader, writer = await _said(proxy.port, b"x")
    await asyncio.wait_for(reader.readexactly(1), 30)

    proxy.refuse()

    assert await _ending(reader) != "open"
    writer.close()
    other, other_writer = await _said(proxy.port, b"x")
    assert await _ending(other) != "open"
    other_writer.close()
    await eventually(lambda: proxy.connections == 0)

    proxy.restore()
    third, third_writer = await _said(proxy.port, b"y")
    assert await asyncio.wait_for(third.readexactly(1), 30) == b"y"
    third_writer.close()


async def test_black_hole_carries_nothing_until_restored(
    proxy_to: Callable[[int], Coroutine[None, None, Proxy]], echo: int
) -> None:
    """Connections stay open and silent; what was sent arrives later."""
    proxy = await proxy_to(echo)
    reader, writer = await _said(proxy.port, b"a")
    await asyncio.wait_for(reader.readexactly(1), 30)
    proxy.black_hole()
    writer.write(b"b")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.2)
    proxy.restore()

    assert await asyncio.wait_for(reader.readexactly(1), 30) == b"b"
    writer.close()


async def test_half_close_lets_answers_through(
    proxy_to: Callable[[int], Coroutine[None, None, Proxy]], echo: int
) -> None:
    """The server hears an end, the client still hears the server."""
    proxy = await proxy_to(echo)
    reader, writer = await _said(proxy.port, b"a")
    await asyncio.wait_for(reader.readexactly(1), 30)

    proxy.half_close()

    assert await asyncio.wait_for(reader.read(), 30) == b"END"
    writer.close()


async def test_stopped_wire_refuses_and_returns_on_its_port(
    proxy_to: Callable[[int], Coroutine[None, None, Proxy]], echo: int
) -> None:
    """Nobody listens while it is stopped."""
    proxy = await proxy_to(echo)
    await proxy.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection(LOOPBACK, proxy.port)

    await proxy.start()

    reader, writer = await _said(proxy.port, b"z")
    assert await asyncio.wait_for(reader.readexactly(1), 30) == b"z"
    writer.close()


async def _ending(reader: asyncio.StreamReader) -> str:
    try:
        async with asyncio.timeout(30):
            return "data" if await reader.read(1) else "closed"
    except ConnectionError:
        return "reset"
    except TimeoutError:
        return "open"
