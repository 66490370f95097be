"""
The door: reads the request head, keeps WebSocket upgrades in the lean path, hands everything else on.

One port and one path serve both transports. A plain HTTP request goes, with the bytes it came in, to aiohttp's
server protocol; the door is then out of the way. Who dawdles over the head is sent off by the sweeper.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, cast

import structlog

from contracts.ids import format_uid, parse_uid
from opamp_gateway import admission, metrics
from opamp_gateway import head as heads
from opamp_gateway.certificates import BadCertificate
from opamp_gateway.credentials import OPEN, proof_of
from opamp_gateway.deflate import negotiate
from opamp_gateway.errors import BadHead
from opamp_gateway.presented import certificate_of
from opamp_gateway.websocket import WebSocket
from servicekit.errors import ServiceError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from opamp_gateway.credentials import Credential, Proof
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.head import Head

log = structlog.get_logger()

UID_HEADER = "opamp-instance-uid"
_EARLY_BYTES = 64 * 1024
_BEARER = {"WWW-Authenticate": "Bearer"}


class _Knock(NamedTuple):
    """An upgrade that was asked for well."""

    accept: str
    """Value of Sec-WebSocket-Accept."""

    end: int
    """Where the head ends in what was received."""

    peer: str
    extensions: str
    uid: bytes
    """The agent it names; empty = none that can be read."""

    as_of: int
    """The newest change of anybody's rights before it was asked who this is."""


class Door:
    """
    One peer until it is known what it wants; an asyncio.Protocol by its methods, so that it can be compiled.

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

    def eof_received(self) -> bool:
        """Let a peer that says no more be closed."""
        return False

    def data_received(self, data: bytes) -> None:
        """Gather the head; with its last byte it is decided where this goes."""
        if self._busy:
            self._wait_with(data)
            return
        self._buffer = buffer = self._buffer + data if self._buffer else data
        end = buffer.find(heads.END)
        if end < 0 or end > self._gateway.limits.max_head_bytes:
            if len(buffer) > self._gateway.limits.max_head_bytes:
                self._refuse(431, "the request head is too large", gate="head")
            return
        end += len(heads.END)
        try:
            head = heads.parse(buffer[:end], self._gateway.limits.certificate_header)
        except BadHead as error:
            self._refuse(error.status, error.reason, gate="head")
            return
        if head.is_upgrade:
            self._upgrade(head, end)
        else:
            self._hand_on()

    def _wait_with(self, data: bytes) -> None:
        """Keep what a peer says before it is answered: little, for its socket is not read meanwhile."""
        if self._transport is None or self._transport.is_closing():
            return
        self._buffer += data
        if len(self._buffer) > self._gateway.limits.max_head_bytes + _EARLY_BYTES:
            self._refuse(431, "too much was sent before the answer", gate="head")

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
        uid = _stated_uid(head)
        extensions = head.headers.get("sec-websocket-extensions", "")
        knock = _Knock(accept, end, self._peer(head), extensions, uid, gateway.changes.count)
        who = (format_uid(uid) if uid else "") or knock.peer.rpartition(":")[0] or knock.peer
        refused = gateway.admission.ask(who, len(gateway.sockets), gateway.now(), gateway.chance())
        if refused is not None:
            retry = {"Retry-After": str(refused.retry_after_seconds)}
            self._refuse(503, "too many connects just now", retry, gate=refused.gate)
            return
        if gateway.tokens is None:
            self._let_in(knock, who, OPEN)
            return
        try:
            certificate = certificate_of(gateway, self._transport, head.headers, self._address()[0])
        except BadCertificate as error:
            self._refuse(401, str(error), _BEARER, gate="token")
            return
        named = gateway.renamed.first_of(uid)
        proof = proof_of(head.headers, heads.address_of(knock.peer), certificate, named)
        if not proof.secret:
            text = "an enrolment token, a credential or a client certificate is needed"
            self._refuse(401, text, _BEARER, gate="token")
            return
        credential = gateway.tokens.known(proof)
        if credential is not None:
            self._let_in(knock, who, credential)
            return
        self._busy = True
        if self._transport is not None:
            self._transport.pause_reading()
        if not gateway.errands.run(self._check(proof, knock, who), "token"):
            self._refuse(503, "too many connects just now", {"Retry-After": "30"}, gate="token")

    async def _check(self, proof: Proof, knock: _Knock, who: str) -> None:
        """Ask who this is; meanwhile the peer waits within the handshake's deadline."""
        if self._gateway.tokens is None:
            return
        try:
            credential = await self._gateway.tokens.ask(proof)
        except Unauthenticated as error:
            self._refuse(401, error.public, _BEARER, gate="token")
        except ServiceError as error:
            wait = 30 + round(30 * self._gateway.chance())
            self._refuse(503, error.public, {"Retry-After": str(wait)}, gate="token")
        else:
            self._let_in(knock, who, credential)

    def _let_in(self, knock: _Knock, who: str, credential: Credential) -> None:
        gateway, transport = self._gateway, self._transport
        if transport is None or transport.is_closing():
            return
        if credential.bound_uid and admission.is_known_foreign(gateway, credential, knock.uid):
            # A refused upgrade slows the agent down, a closed socket does not.
            self._refuse(401, admission.OTHER_AGENT, _BEARER, gate="binding")
            return
        gateway.doors.pop(self, None)
        gateway.admission.remember(who)
        agreed = negotiate(knock.extensions) if knock.extensions and gateway.limits.compression else None
        extension, window_bits = agreed or ("", 0)
        transport.write(heads.switching(knock.accept, extension))
        socket = WebSocket(gateway, transport, knock.peer, credential, window_bits)
        socket.as_of = knock.as_of
        transport.set_protocol(cast("asyncio.BaseProtocol", socket))
        if self._busy:
            transport.resume_reading()
        rest = self._buffer[knock.end :]
        self._buffer = b""
        if rest:
            socket.data_received(rest)

    def _address(self) -> tuple[str, int]:
        name = self._transport.get_extra_info("peername") if self._transport else None
        return (name[0], name[1]) if isinstance(name, tuple) else ("unix", 0)

    def _peer(self, head: Head) -> str:
        forwarded = head.headers.get("x-forwarded-for", "")
        return heads.peer_of(*self._address(), forwarded, self._gateway.limits.trusted_proxies)

    def _refuse(self, status: int, text: str, headers: dict[str, str] | None = None, *, gate: str) -> None:
        metrics.REFUSED.labels(gate).inc()
        self._busy = True
        self._buffer = b""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(heads.refusal(status, text, headers or {}))
            self._transport.close()


def _stated_uid(head: Head) -> bytes:
    """Read which agent knocks; empty = none that can be read."""
    try:
        return parse_uid(head.headers.get(UID_HEADER, "").strip())
    except ValueError:
        return b""
