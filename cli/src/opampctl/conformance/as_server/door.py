"""The listening side: HTTP and WebSocket by hand, on one port; whatever comes goes into the log."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import gzip
import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance import frames
from opampctl.conformance.as_server.frames import ClientFrameReader
from opampctl.conformance.as_server.manners import MEDIA_TYPE, Manners, Refusal, acknowledgement
from opampctl.conformance.as_server.said import Fetch, Knock, Meeting, Said, Telemetry
from opampctl.conformance.evidence import Secrets, Trace
from opampctl.conformance.heard import Transport

if TYPE_CHECKING:
    import ssl

    from opampctl.conformance.as_server.log import Log

FILES = "/files/"
OTLP = ("/v1/metrics", "/v1/traces", "/v1/logs")
HEADER = b"\x00"
GZIP = b"\x1f\x8b"
"""No AgentToServer begins so: a body that is packed and does not say so is read all the same, and judged for it."""

MOST_BODY_BYTES = 80 * 1024 * 1024
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_READ_BYTES = 1 << 16
_OK, _SWITCHING, _NOT_FOUND, _BAD = 200, 101, 404, 400
_KEY_BYTES = 16
_CLOSED = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError)


class Socket:
    """The open WebSocket of an agent."""

    def __init__(self, meeting: Meeting, writer: asyncio.StreamWriter) -> None:
        self.meeting = meeting
        self._writer = writer

    def send(self, data: bytes, *, header: bytes = HEADER) -> None:
        """Send one binary message in one frame; nothing happens when the connection has ended."""
        payload = header + data
        self.write(frames.head(frames.BINARY, len(payload), masked=False) + payload)

    def write(self, raw: bytes) -> None:
        """Send any bytes."""
        if not self._writer.is_closing():
            self._writer.write(raw)

    def drop(self) -> None:
        """Drop the connection without a word."""
        self.meeting.ended_by_us = True
        self._writer.transport.abort()


class Door:
    """
    One port for OpAMP, files and telemetry.

    Attributes:
        manners: How to behave just now.

        trace: Where to note the bytes just now.

        files: What can be fetched, by path.

        socket: The newest WebSocket; None when none is open.

        port: Where it listens, once open.
    """

    def __init__(self, log: Log, secrets: Secrets) -> None:
        self.log = log
        self.secrets = secrets
        self.manners = Manners()
        self.trace = Trace(secrets)
        self.files: dict[str, bytes] = {}
        self.socket: Socket | None = None
        self.port = 0
        self.uid = b""
        """Of the agent, as it said last."""

        self.given_uid = b""
        self.excused = False
        """The next report may repeat things."""

        self.taken = -1
        self.announced: frozenset[str] = frozenset()
        self.restarting = False
        """The agent was told to restart: numbers that begin anew are those of a new process."""

        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._polling = 0

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """
        Listen.

        Raises:
            OSError: The address is taken, or none of this machine's.
        """
        self._server = await asyncio.start_server(self._serve, host, port, ssl=tls, limit=_READ_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, and drop what is open."""
        if self._server is not None:
            self._server.close()
        self.drop_all()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def drop_all(self) -> None:
        """Drop every connection."""
        for meeting in self.log.meetings:
            meeting.ended_by_us |= meeting.open
        for writer in list(self._writers):
            writer.transport.abort()

    def begin_life(self) -> None:
        """A new process of the agent comes next."""
        self.log.life += 1
        self.restarting = False
        self.given_uid, self.excused, self.taken, self.announced = b"", False, -1, frozenset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(*_CLOSED):
                while await self._request(reader, writer):
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()
            self.log.changed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(":") for line in lines[1:] if line):
            headers[name.strip().lower()] = value.strip()
        self.secrets.add(headers.get("authorization", ""))
        if path.startswith(FILES):
            return self._file(method, path, headers, writer)
        if method == "GET" and headers.get("upgrade", "").lower() == "websocket":
            return await self._websocket(path, headers, reader, writer)
        if path in OTLP:
            body = await _body(reader, headers)
            self.log.telemetry.append(Telemetry(_now(), path, headers, _plain(body, headers)))
            self.log.changed()
            return _respond(writer, Refusal(_OK))
        return await self._poll(method, path, headers, reader, writer)

    def _file(self, method: str, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        self.log.fetches.append(Fetch(_now(), method, path, headers))
        self.trace.received(f"{method} {path}")
        content = self.files.get(path)
        self.log.changed()
        if content is None:
            return _respond(writer, Refusal(_NOT_FOUND))
        return _respond(writer, Refusal(_OK), content)

    def _knock(
        self, transport: Transport, method: str, path: str, headers: dict[str, str], writer: asyncio.StreamWriter
    ) -> Refusal | None:
        """Note an attempt, and say whether it is refused."""
        refusal = self.manners.refuse(path, headers)
        tls = writer.get_extra_info("ssl_object")
        certificate = (tls.getpeercert(binary_form=True) if tls is not None else b"") or b""
        status = refusal.status if refusal else _SWITCHING if transport is Transport.WEBSOCKET else _OK
        knock = Knock(_now(), self.log.life, transport, method, path, headers, status, certificate)
        self.log.knocks.append(knock)
        self.log.changed()
        return refusal

    async def _poll(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        self._polling += 1
        try:
            packed = await _body(reader, headers)
            refusal = self._knock(Transport.HTTP, method, path, headers, writer)
            if refusal is not None:
                self._enter(Transport.HTTP, _plain(packed, headers), headers=headers, packed=packed, refused=True)
                self.excused = True
                self.trace.sent(f"HTTP {refusal.status}")
                return _respond(writer, refusal)
            said = self._enter(Transport.HTTP, _plain(packed, headers), headers=headers, packed=packed)
            reply = self.manners.reply(said)
            if isinstance(reply, Refusal):
                self.excused = True
                self.trace.sent(f"HTTP {reply.status}")
                return _respond(writer, reply)
            if reply is None and self.manners.waiting and "agent_disconnect" not in said.parts:
                answer = self.manners.waiting.popleft()
            else:
                answer = self._answer(said, reply)
            self.trace.sent("response body", answer)
            more = {"Content-Type": MEDIA_TYPE}
            if self.manners.packs and "gzip" in headers.get("accept-encoding", ""):
                answer, more["Content-Encoding"] = gzip.compress(answer), "gzip"
            self.log.changed()
            return _respond(writer, Refusal(_OK, more), answer)
        finally:
            self._polling -= 1

    async def _websocket(
        self, path: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        refusal = self._knock(Transport.WEBSOCKET, "GET", path, headers, writer)
        self.trace.received(f"GET {path} upgrade to WebSocket")
        if refusal is not None:
            self.trace.sent(f"HTTP {refusal.status}")
            return _respond(writer, refusal)
        key = headers.get("sec-websocket-key", "")
        digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
        accept = base64.b64encode(digest).decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )
        open_now = sum(each.open for each in self.log.meetings)
        meeting = Meeting(len(self.log.meetings) + 1, self.log.life, self.log.knocks[-1], _now(), beside=open_now)
        meeting.fault = handshake_fault(headers)
        self.log.meetings.append(meeting)
        socket = self.socket = Socket(meeting, writer)
        self.log.changed()
        try:
            await self._talk(socket, reader)
        finally:
            meeting.ended = _now()
            if self.socket is socket:
                self.socket = None
            self.log.changed()
        return False

    async def _talk(self, socket: Socket, reader: asyncio.StreamReader) -> None:
        cutter, pieces, opcode = ClientFrameReader(), bytearray(), frames.BINARY
        while data := await reader.read(_READ_BYTES):
            try:
                found = cutter.feed(data)
            except frames.FrameError as error:
                socket.meeting.fault = str(error)
                self.trace.received("bytes that are no frame", data)
                return
            for each in found:
                if each.opcode == frames.CLOSE:
                    socket.meeting.close_code = int.from_bytes(each.payload[:2])
                    self.trace.received("close frame", each.payload)
                    socket.write(frames.head(frames.CLOSE, len(each.payload[:2]), masked=False) + each.payload[:2])
                    return
                if each.opcode == frames.PING:
                    socket.write(frames.head(frames.PONG, len(each.payload), masked=False) + each.payload)
                elif each.opcode in (frames.TEXT, frames.BINARY, frames.CONTINUATION):
                    opcode = opcode if each.opcode == frames.CONTINUATION else each.opcode
                    pieces += each.payload
                    if each.final:
                        whole = bytes(pieces)
                        pieces.clear()
                        self._hear(socket, whole, text=opcode == frames.TEXT)

    def _hear(self, socket: Socket, raw: bytes, *, text: bool) -> None:
        said = self._enter(Transport.WEBSOCKET, raw, text=text, line=socket.meeting.number)
        reply = self.manners.reply(said)
        if not self.manners.mute and "agent_disconnect" not in said.parts and not isinstance(reply, Refusal):
            answer = self._answer(said, reply)
            self.trace.sent("binary message", HEADER + answer)
            socket.send(answer)
        self.log.changed()

    def _answer(self, said: Said, reply: opamp.ServerToAgent | None) -> bytes:
        first = said.first or self.taken != self.manners.capabilities
        answer = reply or acknowledgement(said, self.manners, first=first)
        self.note(answer)
        return answer.SerializeToString()

    def note(self, message: opamp.ServerToAgent) -> None:
        """Remember what the agent is being told, for judging what it says later."""
        if message.capabilities:
            self.taken = message.capabilities
        if message.HasField("custom_capabilities"):
            self.announced = frozenset(message.custom_capabilities.capabilities)
        if message.flags & opamp.ServerToAgentFlags_ReportFullState or message.HasField("error_response"):
            self.excused = True
        if message.HasField("agent_identification"):
            self.given_uid, self.excused = message.agent_identification.new_instance_uid, True

    def _enter(
        self,
        transport: Transport,
        raw: bytes,
        *,
        line: int = 0,
        text: bool = False,
        headers: dict[str, str] | None = None,
        packed: bytes = b"",
        refused: bool = False,
    ) -> Said:
        log = self.log
        self._new_process(raw if transport is Transport.HTTP else raw[1:])
        first = not any(each.line == line and each.life == log.life for each in reversed(log.said))
        said = Said(
            len(log.said),
            log.life,
            line,
            transport,
            _now(),
            raw,
            text=text,
            headers=headers or {},
            packed=packed,
            first=first,
            refused=refused,
            excused=self.excused,
            overlapped=self._polling > 1,
            given_uid=self.given_uid,
            taken=self.taken,
            announced=self.announced,
        )
        log.said.append(said)
        self.uid = said.message.instance_uid or self.uid
        if "agent_description" in said.parts and not refused and not first:
            self.excused = False  # what comes first on a connection may have crossed with a question
        self.trace.received("request body" if transport is Transport.HTTP else "binary message", raw)
        return said

    def _new_process(self, data: bytes) -> None:
        if not self.restarting:
            return
        with contextlib.suppress(DecodeError):
            said = self.log.since(0)
            if said and opamp.AgentToServer.FromString(data).sequence_num <= said[-1].message.sequence_num:
                self.restarting = False
                self.begin_life()


def handshake_fault(headers: dict[str, str]) -> str:
    """Say what is wrong with the headers of an upgrade; empty = nothing."""
    if "upgrade" not in headers.get("connection", "").lower():
        return "the upgrade has no Connection: Upgrade"
    if headers.get("sec-websocket-version") != "13":
        return "the upgrade has no Sec-WebSocket-Version: 13"
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except binascii.Error:
        key = b""
    return "" if len(key) == _KEY_BYTES else "the Sec-WebSocket-Key is not 16 bytes in Base64"


def close_frame(code: int) -> bytes:
    """Write a Close frame as servers send it."""
    return frames.head(frames.CLOSE, 2, masked=False) + struct.pack("!H", code)


def _respond(writer: asyncio.StreamWriter, answer: Refusal, body: bytes = b"") -> bool:
    lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return True


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        found = bytearray()
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            found += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return bytes(found)
    length = headers.get("content-length", "0")
    return await reader.readexactly(min(int(length) if length.isdigit() else 0, MOST_BODY_BYTES))


def _plain(body: bytes, headers: dict[str, str]) -> bytes:
    if headers.get("content-encoding", "") != "gzip" and not body.startswith(GZIP):
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, MOST_BODY_BYTES)
    except zlib.error:
        return body


def _now() -> float:
    return asyncio.get_running_loop().time()
