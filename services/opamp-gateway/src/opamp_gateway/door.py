"""
The door: reads the request head, keeps WebSocket upgrades in the lean path, hands everything else on.

One port and one path serve both transports. A plain HTTP request goes, with the bytes it came in, to aiohttp's
server protocol; the door is then out of the way. Who dawdles over the head is sent off by the sweeper.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import structlog

from contracts.ids import format_uid, parse_uid
from opamp_gateway import head as heads
from opamp_gateway import metrics
from opamp_gateway.errors import BadHead
from opamp_gateway.tokens import OPEN, token_hash_of
from opamp_gateway.websocket import WebSocket
from servicekit.errors import ServiceError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from opamp_gateway.gateway import Gateway
    from opamp_gateway.head import Head
    from opamp_gateway.tokens import Credential

log = structlog.get_logger()

UID_HEADER = "opamp-instance-uid"


class Door(asyncio.Protocol):
    """
    One peer until it is known what it wants.

    Args:
        gateway: Whose door.

        plain_http: Makes the protocol that takes over a plain HTTP request.
    """

    __slots__ = ("_buffer", "_busy", "_gateway", "_plain_http", "_transport")

    def __init__(self, gateway: Gateway, plain_http: Callable[[], asyncio.Protocol]) -> None:
        self._gateway = gateway
        self._plain_http = plain_http
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock."""
        self._transport = cast("asyncio.Transport", transport)
        gateway = self._gateway
        gateway.doors[self] = gateway.now() + gateway.limits.handshake_seconds

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the peer."""
        self._gateway.doors.pop(self, None)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Gather the head; with its last byte it is decided where this goes."""
        self._buffer = buffer = self._buffer + data if self._buffer else data
        if self._busy:
            return
        end = buffer.find(heads.END)
        if end < 0 or end > self._gateway.limits.max_head_bytes:
            if len(buffer) > self._gateway.limits.max_head_bytes:
                self._refuse(431, "the request head is too large", gate="head")
            return
        end += len(heads.END)
        try:
            head = heads.parse(buffer[:end])
        except BadHead as error:
            self._refuse(error.status, error.reason, gate="head")
            return
        if head.is_upgrade:
            self._upgrade(head, end)
        else:
            self._hand_on()

    def expire(self) -> None:
        """Send off a peer that took too long."""
        metrics.REFUSED.labels("handshake").inc()
        if self._transport is not None:
            self._transport.abort()

    def _hand_on(self) -> None:
        """Let aiohttp serve this peer from its first byte on."""
        transport = self._transport
        if transport is None:
            return
        self._gateway.doors.pop(self, None)
        protocol = self._plain_http()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._buffer)

    def _upgrade(self, head: Head, end: int) -> None:
        gateway = self._gateway
        if head.path != gateway.limits.path:
            self._refuse(404, f"agents are served at {gateway.limits.path}", gate="path")
            return
        try:
            accept = heads.check_upgrade(head)
        except BadHead as error:
            extra = {"Sec-WebSocket-Version": "13"} if error.status == 426 else {}  # noqa: PLR2004 - Upgrade Required
            self._refuse(error.status, error.reason, extra, gate="upgrade")
            return
        peer = self._peer(head)
        who = _stated_uid(head) or peer.rpartition(":")[0] or peer
        refused = gateway.admission.ask(who, len(gateway.sockets), gateway.now(), gateway.chance())
        if refused is not None:
            retry = {"Retry-After": str(refused.retry_after_seconds)}
            self._refuse(503, "too many connects just now", retry, gate=refused.gate)
            return
        if gateway.tokens is None:
            self._let_in(accept, end, peer, who, OPEN)
            return
        token_hash = token_hash_of(head.headers)
        if token_hash is None:
            self._refuse(401, "an enrolment token is needed", {"WWW-Authenticate": "Bearer"}, gate="token")
            return
        credential = gateway.tokens.known(token_hash)
        if credential is not None:
            self._let_in(accept, end, peer, who, credential)
            return
        self._busy = True
        if not gateway.errands.run(self._check(token_hash, accept, end, peer, who), "token"):
            self._refuse(503, "too many connects just now", {"Retry-After": "30"}, gate="token")

    async def _check(self, token_hash: bytes, accept: str, end: int, peer: str, who: str) -> None:
        """Ask whose token it is; meanwhile the peer waits within the handshake's deadline."""
        if self._gateway.tokens is None:
            return
        try:
            credential = await self._gateway.tokens.ask(token_hash)
        except Unauthenticated:
            self._refuse(401, "this token lets nobody in", {"WWW-Authenticate": "Bearer"}, gate="token")
        except ServiceError:
            wait = 5 + round(25 * self._gateway.chance())
            self._refuse(503, "tokens cannot be checked just now", {"Retry-After": str(wait)}, gate="token")
        else:
            self._let_in(accept, end, peer, who, credential)

    def _let_in(self, accept: str, end: int, peer: str, who: str, credential: Credential) -> None:
        gateway, transport = self._gateway, self._transport
        if transport is None or transport.is_closing():
            return
        gateway.doors.pop(self, None)
        gateway.admission.remember(who)
        transport.write(heads.switching(accept))
        socket = WebSocket(gateway, transport, peer, credential)
        transport.set_protocol(socket)
        rest = self._buffer[end:]
        self._buffer = b""
        if rest:
            socket.data_received(rest)

    def _peer(self, head: Head) -> str:
        name = self._transport.get_extra_info("peername") if self._transport else None
        address, port = (name[0], name[1]) if isinstance(name, tuple) else ("unix", 0)
        return heads.peer_of(
            address, port, head.headers.get("x-forwarded-for", ""), self._gateway.limits.trusted_proxies
        )

    def _refuse(self, status: int, text: str, headers: dict[str, str] | None = None, *, gate: str) -> None:
        metrics.REFUSED.labels(gate).inc()
        self._busy = True
        self._buffer = b""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(heads.refusal(status, text, headers or {}))
            self._transport.close()


def _stated_uid(head: Head) -> str:
    """Read who knocks, as everybody writes it; anything but a uid is not worth remembering."""
    try:
        return format_uid(parse_uid(head.headers.get(UID_HEADER, "").strip()))
    except ValueError:
        return ""
