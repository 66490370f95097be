"""
A request head, read just far enough to tell a WebSocket upgrade from everything else. Pure.

Whatever is no upgrade is handed on with its bytes untouched, so only what is needed for an upgrade is checked
here; it is checked strictly.
"""

from __future__ import annotations

import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha1
from ipaddress import IPv4Network, IPv6Network

from opamp_gateway.errors import BadHead

END = b"\r\n\r\n"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
PROOFS = frozenset({"authorization", "secret-key", "opamp-instance-uid"})
"""Headers that say who knocks: of two different ones, nobody can tell which was meant."""

_ONCE = PROOFS | {"sec-websocket-key", "sec-websocket-version", "host"}
_PARTS = 3

_sha1 = partial(sha1, usedforsecurity=False)

REASONS = {
    101: "Switching Protocols",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    408: "Request Timeout",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


# Compiled, a field's annotation is looked up at run time: what it names is imported for good, not for checking only.
@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a request."""

    method: str
    path: str
    """Without query."""

    headers: Mapping[str, str]
    """Names in lower case; of a repeated header all values, joined by commas."""

    @property
    def is_upgrade(self) -> bool:
        """Whether this asks for a WebSocket, well or badly."""
        return self.method == "GET" and _names("websocket", self.headers.get("upgrade", ""))


def parse(data: bytes, also_once: str = "") -> Head:
    """
    Read a head, END included.

    Args:
        data: The bytes.

        also_once: One more header that may come once, in lower case; empty = none.

    Raises:
        BadHead: It is not HTTP/1.1, or repeats a header that may come once.
    """
    text = data[: -len(END)].decode("latin-1")
    lines = text.split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != _PARTS or parts[2] not in ("HTTP/1.1", "HTTP/1.0") or not parts[0].isalpha():
        raise BadHead(400, "this is not an HTTP/1.1 request")
    if "\0" in text or text.count("\n") != len(lines) - 1:
        raise BadHead(400, "the head holds a bare line feed or a zero byte")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadHead(400, "a header line is malformed")
        name = name.lower()
        value = value.strip(" \t")
        if name in headers:
            if name in _ONCE or name == also_once:
                raise BadHead(400, f"the header {name} may come once")
            value = f"{headers[name]},{value}"
        headers[name] = value
    return Head(parts[0], parts[1].partition("?")[0], headers)


def check_upgrade(head: Head) -> str:
    """
    Check an upgrade as RFC 6455 §4.2.1 asks.

    Returns:
        The value of Sec-WebSocket-Accept.

    Raises:
        BadHead: With the status to answer.
    """
    headers = head.headers
    if "content-length" in headers or "transfer-encoding" in headers:
        raise BadHead(400, "an upgrade has no body")
    if not _names("upgrade", headers.get("connection", "")):
        raise BadHead(400, "Connection: Upgrade is missing")
    if headers.get("sec-websocket-version", "") != "13":
        raise BadHead(426, "only WebSocket version 13 is spoken here")
    key = headers.get("sec-websocket-key", "")
    try:
        size = len(binascii.a2b_base64(key, strict_mode=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != _KEY_BYTES:
        raise BadHead(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    digest = _sha1(key.encode() + _GUID).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def switching(accept: str, extension: str = "") -> bytes:
    """Write the answer that completes an upgrade, with the extension that was agreed."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: "
        + accept.encode()
        + (b"\r\nSec-WebSocket-Extensions: " + extension.encode() if extension else b"")
        + END
    )


def refusal(status: int, text: str, headers: Mapping[str, str]) -> bytes:
    """Write an answer that refuses and closes."""
    body = text.encode()
    lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    lines += ["Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join(lines).encode() + END + body


def peer_of(peer: str, port: int, forwarded: str, trusted: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """
    Tell who is really there: the right-most hop of X-Forwarded-For that is no trusted proxy of ours.

    Args:
        peer: Address of the socket.

        port: Its port; a forwarded address has none.

        forwarded: The header's value; believed only from a trusted proxy.

        trusted: Networks of our proxies.
    """
    if forwarded and trusted and is_in(peer, trusted):
        for hop in reversed(forwarded.split(",")):
            address = hop.strip()
            if not _is_address(address):
                break
            if not is_in(address, trusted):
                return address
    return f"[{peer}]:{port}" if ":" in peer else f"{peer}:{port}"


def address_of(peer: str) -> str:
    """Tell the address of a peer as `peer_of` names it, without its port."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    return peer if peer.count(":") > 1 else peer.partition(":")[0]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_in(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Say whether *address* is one and belongs to one of *networks*."""
    if not _is_address(address):
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in networks)


def _names(token: str, value: str) -> bool:
    """Say whether a comma-separated header value holds *token*."""
    value = value.lower()
    return value == token or token in (part.strip() for part in value.split(","))
