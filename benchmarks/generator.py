"""
The load generator: a fleet of agents in one thread on one epoll, speaking in prebuilt bytes.

It never parses protobuf in a hot loop: an answer is a whole data frame. Latencies of open-loop runs
are counted from when a message was due, so a server that stalls cannot hide it.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from benchmarks.messages import FIRST_SEQUENCE, LAST_SEQUENCE, Messages, message_frame

READ_BYTES = 8192
_PONG, _PING, _CLOSE, _BINARY = 0xA, 0x9, 0x8, 0x2
_FINAL = 0x80
_HEADERS_END = b"\r\n\r\n"
_STALL_SECONDS = 20.0
_SOURCES = 40
_BIND_ADDRESS_NO_PORT = 24


class LoadError(RuntimeError):
    """The server under test refused, closed or stalled: the measure means nothing."""


@dataclass
class Sample:
    """What one loop saw."""

    seconds: float
    latencies_ns: array.array[int]
    generator_cpu_seconds: float = 0.0

    @property
    def count(self) -> int:
        """Number of answers."""
        return len(self.latencies_ns)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.count / self.seconds

    def percentiles_ms(self) -> dict[str, float]:
        """Summarise the latencies."""
        return percentiles_ms(self.latencies_ns)


def percentiles_ms(latencies_ns: array.array[int] | list[int]) -> dict[str, float]:
    """Summarise nanoseconds as milliseconds: p50, p99, p999, max."""
    ordered = sorted(latencies_ns)
    if not ordered:
        return {}
    at = {"p50_ms": 0.50, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}
    return {name: ordered[min(len(ordered) - 1, int(len(ordered) * part))] / 1e6 for name, part in at.items()}


@dataclass
class _Reader:
    """Bytes of one socket that are not a whole frame yet, and the message they belong to."""

    pending: bytearray = field(default_factory=bytearray)
    message: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return what became complete: (opcode, payload), control frames included."""
        buffer = self.pending
        buffer += data
        done: list[tuple[int, bytes]] = []
        start = 0
        while len(buffer) - start >= 2:
            size, at = buffer[start + 1] & 0x7F, start + 2
            if size == 126:
                size, at = int.from_bytes(buffer[at : at + 2], "big"), at + 2
            elif size == 127:
                size, at = int.from_bytes(buffer[at : at + 8], "big"), at + 8
            if len(buffer) < at + size:
                break
            first = buffer[start]
            payload = bytes(buffer[at : at + size])
            start = at + size
            if first & 0x0F >= _CLOSE:
                done.append((first & 0x0F, payload))
                continue
            self.message += payload
            if first & _FINAL:
                done.append((_BINARY, bytes(self.message)))
                self.message.clear()
        del buffer[:start]
        return done


@dataclass
class _Wave:
    """Connections under way."""

    then_status: bool
    started: dict[int, int] = field(default_factory=dict)
    """Descriptor to the nanosecond its connect began."""

    upgrading: set[int] = field(default_factory=set)
    latencies: array.array[int] = field(default_factory=lambda: array.array("q"))


class Fleet:
    """
    *count* agents toward one server; a fleet is used by one thread.

    Args:
        port: Of the server, on 127.0.0.1.

        count: Agents; each holds one descriptor.

        messages: The frames they send; at least *count* agents.

        token: Bearer token for the upgrade; none = no header.

        on_message: Called with (agent, payload) for every message that is not a lone small frame, and for
            all of them inside `listen`.
    """

    def __init__(
        self,
        port: int,
        count: int,
        messages: Messages,
        *,
        token: str = "",
        on_message: Callable[[int, bytes], None] | None = None,
    ) -> None:
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._upgrade = (
            f"GET /v1/opamp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Version: 13\r\n{authorization}\r\n"
        ).encode()
        self._address = ("127.0.0.1", port)
        self.count = count
        self.messages = messages
        self.sequence = [FIRST_SEQUENCE] * count
        self.on_message = on_message
        self.lost = 0
        self._sockets: dict[int, socket.socket] = {}
        self._agent: dict[int, int] = {}
        self._fds = [-1] * count
        self._readers: dict[int, _Reader] = {}
        self._poll = select.epoll()

    @property
    def connected(self) -> int:
        """How many agents have a socket; they are the first ones."""
        return len(self._sockets)

    # -- connecting

    def connect(self, count: int | None = None, *, at_once: int = 256, then_status: bool = False) -> Sample:
        """
        Open connections until *count* agents (default: all) are connected, *at_once* under way at a time.

        With *then_status* a connect is counted when the agent's first full status is answered.

        Raises:
            LoadError: A connection was refused or nothing happened for 20 s.
        """
        wanted = range(len(self._sockets), self.count if count is None else count)
        wave = _Wave(then_status=then_status)
        queue = iter(wanted)
        cpu, begin = time.process_time(), time.perf_counter()
        for index in islice(queue, at_once):
            wave.started[self._open(index)] = time.perf_counter_ns()
        quiet_since = time.perf_counter()
        while wave.started:
            so_far = f"{len(wave.latencies)} of {len(wanted)} connected"
            ready = self._poll.poll(1.0, 1024)
            if not ready:
                self._check_stall(quiet_since, so_far)
                continue
            quiet_since = time.perf_counter()
            for fd, event in ready:
                if event & (select.EPOLLERR | select.EPOLLHUP):
                    message = f"connection refused or reset, {so_far}"
                    raise LoadError(message)
                if self._advance(wave, fd, event):
                    wave.latencies.append(time.perf_counter_ns() - wave.started.pop(fd))
                    for index in islice(queue, 1):
                        wave.started[self._open(index)] = time.perf_counter_ns()
        return Sample(time.perf_counter() - begin, wave.latencies, time.process_time() - cpu)

    def _advance(self, wave: _Wave, fd: int, event: int) -> bool:
        """Take one connection a step further; say whether it has arrived."""
        if event & select.EPOLLOUT:
            os.write(fd, self._upgrade)
            self._poll.modify(fd, select.EPOLLIN)
            wave.upgrading.add(fd)
            return False
        index = self._agent[fd]
        if fd not in wave.upgrading:
            return self._answers(fd, index, os.read(fd, READ_BYTES))
        if not self._upgraded(fd, index):
            return False
        wave.upgrading.discard(fd)
        if wave.then_status:
            self._send(index, self.status_frame(index))
            return False
        return True

    def _open(self, index: int) -> int:
        end = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setsockopt(socket.SOL_IP, _BIND_ADDRESS_NO_PORT, 1)
        end.bind((f"127.0.0.{2 + index % _SOURCES}", 0))
        code = end.connect_ex(self._address)
        if code not in {0, errno.EINPROGRESS}:
            end.close()
            raise LoadError(os.strerror(code))
        fd = end.fileno()
        self._sockets[fd], self._agent[fd], self._fds[index] = end, index, fd
        self._poll.register(fd, select.EPOLLOUT)
        return fd

    def _upgraded(self, fd: int, index: int) -> bool:
        reader = self._readers.setdefault(index, _Reader())
        data = bytes(reader.pending) + os.read(fd, READ_BYTES)
        head, end, rest = data.partition(_HEADERS_END)
        if not end:
            if not data:
                message = "closed during the upgrade"
                raise LoadError(message)
            reader.pending[:] = data
            return False
        if b" 101 " not in head[:20]:
            raise LoadError(head.split(b"\r\n", 1)[0].decode(errors="replace"))
        reader.pending.clear()
        if rest:
            self._slow(fd, index, rest)
        else:
            del self._readers[index]
        return True

    # -- what agents say

    def heartbeat_frame(self, index: int) -> bytes:
        """Next heartbeat of an agent."""
        return self.messages.heartbeat(index, self._next(index))

    def status_frame(self, index: int) -> bytes:
        """Next full status of an agent; differs from the one before."""
        sequence = self._next(index)
        return self.messages.status(index, sequence, sequence)

    def _next(self, index: int) -> int:
        sequence = self.sequence[index] + 1
        if sequence > LAST_SEQUENCE:
            message = "an agent ran out of two-byte sequence numbers: use more agents or less time"
            raise LoadError(message)
        self.sequence[index] = sequence
        return sequence

    def _send(self, index: int, frame: bytes) -> None:
        if os.write(self._fds[index], frame) != len(frame):
            message = "the server stopped reading"
            raise LoadError(message)

    # -- loops

    def closed_loop(
        self,
        frame_of: Callable[[int], bytes],
        *,
        outstanding: int,
        seconds: float = 0.0,
        total: int = 0,
        among: int = 0,
    ) -> Sample:
        """
        Keep *outstanding* messages unanswered, for *seconds* or until *total* were answered.

        Only the first *among* agents speak; 0 = all.

        Raises:
            LoadError: A socket closed, or no answer came for 20 s.
        """
        count, fds, agent_of, read, write = among or self.count, self._fds, self._agent, os.read, os.write
        poll, clock = self._poll.poll, time.perf_counter_ns
        sent_at = [0] * self.count
        latencies = array.array("q")
        cursor, sent = 0, 0
        stop_sending_at = clock() + int(seconds * 1e9) if seconds else 1 << 62
        limit = total or 1 << 62
        cpu, begin = time.process_time(), clock()
        for _ in range(min(outstanding, count - 1 or 1, limit)):
            sent_at[cursor] = clock()
            write(fds[cursor], frame_of(cursor))
            cursor, sent = (cursor + 1) % count, sent + 1
        quiet_since = time.perf_counter()
        end = begin
        while len(latencies) < sent:
            ready = poll(1.0, 512)
            if not ready:
                self._check_stall(quiet_since, f"{len(latencies)} of {sent} answered")
                continue
            quiet_since = time.perf_counter()
            for fd, _ in ready:
                data = read(fd, READ_BYTES)
                index = agent_of[fd]
                if not (len(data) > 1 and data[0] == 0x82 and len(data) == data[1] + 2) and not self._answers(
                    fd, index, data
                ):
                    continue
                now = clock()
                if not sent_at[index]:
                    continue
                latencies.append(now - sent_at[index])
                sent_at[index] = 0
                end = now
                if now < stop_sending_at and sent < limit:
                    while sent_at[cursor]:
                        cursor = (cursor + 1) % count
                    sent_at[cursor] = now
                    write(fds[cursor], frame_of(cursor))
                    cursor, sent = (cursor + 1) % count, sent + 1
        return Sample((end - begin) / 1e9, latencies, time.process_time() - cpu)

    def open_loop(self, frame_of: Callable[[int], bytes], *, rate: int, seconds: float) -> Sample:
        """
        Send *rate* messages per second whatever the server does; latency counts from when each was due.

        Raises:
            LoadError: A socket closed, or answers are missing 20 s after the last message.
        """
        count, fds, agent_of, read, write = self.count, self._fds, self._agent, os.read, os.write
        poll, clock = self._poll.poll, time.perf_counter_ns
        due_at = [0] * count
        latencies = array.array("q")
        total = int(rate * seconds)
        period, cursor, sent, skipped = int(1e9 / rate), 0, 0, 0
        cpu, begin = time.process_time(), clock()
        quiet_since = time.perf_counter()
        while len(latencies) + skipped < total:
            due = min(total, (clock() - begin) // period + 1)
            while sent < due:
                if due_at[cursor]:
                    skipped += 1
                else:
                    due_at[cursor] = begin + sent * period
                    write(fds[cursor], frame_of(cursor))
                cursor, sent = (cursor + 1) % count, sent + 1
            ready = poll(0.0 if sent < total else 1.0, 256)
            if not ready:
                if sent == total:
                    self._check_stall(quiet_since, f"{len(latencies)} of {total} answered")
                continue
            quiet_since = time.perf_counter()
            for fd, _ in ready:
                data = read(fd, READ_BYTES)
                index = agent_of[fd]
                if not (len(data) > 1 and data[0] == 0x82 and len(data) == data[1] + 2) and not self._answers(
                    fd, index, data
                ):
                    continue
                if due_at[index]:
                    latencies.append(clock() - due_at[index])
                    due_at[index] = 0
        # A message whose agent was still unanswered a whole round later waited at least that long.
        latencies.extend([int(count * period)] * skipped)
        return Sample((clock() - begin) / 1e9, latencies, time.process_time() - cpu)

    def listen(self, until: Callable[[], bool], *, seconds: float) -> bool:
        """Hand every message to `on_message` until *until* holds; False when *seconds* passed first."""
        give_up = time.perf_counter() + seconds
        while not until():
            left = give_up - time.perf_counter()
            if left <= 0:
                return False
            for fd, _ in self._poll.poll(min(left, 0.2), 512):
                self._slow(fd, self._agent[fd], os.read(fd, 65_536))
        return True

    def live(self, until: Callable[[], bool], *, seconds: float, every: float = 30.0) -> bool:
        """As `listen`, with each agent sending a heartbeat *every* so many seconds, evenly spread."""
        step = every / self.count
        give_up = time.perf_counter() + seconds
        due, index = time.perf_counter(), 0
        while not until():
            now = time.perf_counter()
            if now > give_up:
                return False
            while due <= now:
                if self._fds[index] >= 0:
                    self._send(index, self.heartbeat_frame(index))
                index, due = (index + 1) % self.count, due + step
            for fd, _ in self._poll.poll(max(0.001, min(due - now, 0.2)), 512):
                self._slow(fd, self._agent[fd], os.read(fd, 65_536))
        return True

    def drain(self, answers: int) -> None:
        """
        Wait until *answers* messages have come, from whomever.

        Raises:
            LoadError: A socket closed, or nothing came for 20 s.
        """
        since = time.perf_counter()
        while answers > 0:
            for fd, _ in self._poll.poll(1.0, 512):
                answers -= self._answers(fd, self._agent[fd], os.read(fd, READ_BYTES))
            self._check_stall(since, f"{answers} answers are missing")

    def say(self, index: int, frame: bytes) -> None:
        """Send one frame of one agent, outside of a loop."""
        self._send(index, frame)

    def next_sequence(self, index: int) -> int:
        """Sequence number for a frame the caller builds."""
        return self._next(index)

    def drop(self, lowest: int) -> None:
        """Reset the connections of every agent from *lowest* on, all at once."""
        for index in range(lowest, self.count):
            fd = self._fds[index]
            end = self._sockets.pop(fd, None)
            if end is not None:
                self._poll.unregister(fd)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()
                del self._agent[fd]
                self._readers.pop(index, None)

    def close(self) -> None:
        """Reset every connection: nothing stays in TIME_WAIT for the next server."""
        self.drop(0)
        self._poll.close()

    # -- reading

    def _answers(self, fd: int, index: int, data: bytes) -> bool:
        """Say whether *data* ends an answer, whatever else it carries."""
        size = len(data)
        if size > 1 and data[0] == 0x82 and size == data[1] + 2 and index not in self._readers:
            return True
        return self._slow(fd, index, data)

    def _slow(self, fd: int, index: int, data: bytes) -> bool:
        if not data:
            self.lost += 1
            message = f"the server closed the connection of agent {index}"
            raise LoadError(message)
        reader = self._readers.get(index)
        if reader is None:
            reader = self._readers[index] = _Reader()
        answered = False
        for opcode, payload in reader.feed(data):
            if opcode == _BINARY:
                answered = True
                if self.on_message is not None:
                    self.on_message(index, payload)
            elif opcode == _PING:
                with suppress(BlockingIOError):
                    os.write(fd, message_frame(payload, _PONG))
            elif opcode == _CLOSE:
                message = f"the server closed the connection of agent {index}: {payload[:60]!r}"
                raise LoadError(message)
        if not reader.pending and not reader.message:
            del self._readers[index]
        return answered

    def _check_stall(self, since: float, what: str) -> None:
        if time.perf_counter() - since > _STALL_SECONDS:
            message = f"nothing came for {_STALL_SECONDS:.0f} s: {what}"
            raise LoadError(message)
