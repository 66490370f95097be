"""
The floor: the same socket layer without our logic.

An asyncio protocol on uvloop that answers upgrades, counts frame lengths to find where a message ends,
and writes one canned answer. Whatever a gateway costs above this is its own doing. With a NATS
address it also writes one prebuilt frame to every socket per NATS message: the floor of a fan-out.
Run: python -m benchmarks.floor PORT [NATS_URL SUBJECT]
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import sys
from typing import cast

import nats
import uvloop
from nats.aio.msg import Msg

from opamp.v1 import opamp_pb2 as opamp

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BATCH = 256


def _frame(message: bytes) -> bytes:
    size = len(message)
    head = bytes((0x82, size)) if size < 126 else b"\x82\x7e" + size.to_bytes(2, "big")
    return head + message


ANSWER = _frame(b"\x00" + opamp.ServerToAgent(instance_uid=bytes(16), capabilities=7).SerializeToString())
LIVE: set[Floor] = set()


class Floor(asyncio.Protocol):
    """One connection."""

    __slots__ = ("need", "pending", "transport", "upgraded")

    def __init__(self) -> None:
        self.upgraded = False
        self.pending = b""
        self.need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's class is not registered as one
        LIVE.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        del exc
        LIVE.discard(self)

    def data_received(self, data: bytes) -> None:
        """Answer every whole message."""
        if self.pending:
            data, self.pending = self.pending + data, b""
        if not self.upgraded:
            self._upgrade(data)
            return
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1] & 0x7F, at + 6
            if length == 126:
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
            if size < start + length:
                break
            if data[at] & 0x80:
                self.transport.write(ANSWER)
            at = start + length
        self.pending = data[at:]

    def _upgrade(self, data: bytes) -> None:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self.pending = data
            return
        key = head.lower().find(b"sec-websocket-key:")
        value = head[key + 18 : head.find(b"\r\n", key) if b"\r\n" in head[key:] else None].strip()
        accept = base64.b64encode(hashlib.sha1(value + _GUID).digest())  # noqa: S324 - RFC 6455 wants it
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.upgraded = True
        if rest:
            self.data_received(rest)


async def _fan_out(url: str, subject: str) -> None:
    client = await nats.connect(url)

    async def offer(message: Msg) -> None:
        config = opamp.AgentRemoteConfig.FromString(message.data)
        frame = _frame(b"\x00" + opamp.ServerToAgent(instance_uid=bytes(16), remote_config=config).SerializeToString())
        for number, floor in enumerate(tuple(LIVE)):
            floor.transport.write(frame)
            if number % _BATCH == _BATCH - 1:
                await asyncio.sleep(0)

    await client.subscribe(subject, cb=offer)


async def main(port: int, url: str = "", subject: str = "") -> None:
    """Serve on *port* until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Floor, "127.0.0.1", port, backlog=4096)
    if url:
        await _fan_out(url, subject)
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:4]))
