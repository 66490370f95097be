"""Just enough NATS to publish from a thread that has no event loop."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 10.0


class RawNats:
    """
    One blocking connection.

    Raises:
        OSError: Not reachable, refused, or silent for 10 s.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 4222), _TIMEOUT_SECONDS)
        self._buffer = b""
        self._line()  # INFO
        options = {"verbose": False, "pedantic": False, "user": parts.username, "pass": parts.password}
        self._socket.sendall(f"CONNECT {json.dumps(options)}\r\n".encode())
        self.flush()

    def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Say *payload* on *subject*."""
        self._socket.sendall(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n")

    def request(self, subject: str, payload: bytes) -> bytes:
        """Ask and wait for the answer."""
        inbox = f"_INBOX.bench.{id(payload)}"
        self._socket.sendall(f"SUB {inbox} 1\r\nUNSUB 1 1\r\n".encode())
        self.publish(subject, payload, inbox)
        while True:
            line = self._line()
            if line.startswith(b"MSG "):
                size = int(line.split()[-1])
                return self._bytes(size + 2)[:-2]
            if line.startswith(b"HMSG "):
                raise OSError(line.decode(errors="replace"))

    def flush(self) -> None:
        """Wait until the server has taken everything said so far."""
        self._socket.sendall(b"PING\r\n")
        while (line := self._line()) != b"PONG":
            if line.startswith(b"-ERR"):
                raise OSError(line.decode(errors="replace"))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        if line == b"PING":
            self._socket.sendall(b"PONG\r\n")
            return self._line()
        return line

    def _bytes(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            message = "the NATS server hung up"
            raise OSError(message)
        self._buffer += data
