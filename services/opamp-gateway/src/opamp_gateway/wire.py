"""
One WebSocket connection after the upgrade: bytes to messages and back, control frames, closing, patience.

Nothing here knows agents. It makes no task and no timer: deadlines and pings are the sweeper's, for all at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from contracts.framing import HEADER
from opamp_gateway import deflate, frames, metrics
from opamp_gateway.errors import FrameViolation
from opamp_gateway.limits import earned

if TYPE_CHECKING:
    from opamp_gateway.gateway import Gateway

log = structlog.get_logger()

TRY_AGAIN_LATER = 1013
_SERVICE_RESTART = 1012
_CLOSE_FRAME = 0x88
_CLOSE_SECONDS = 2.0


class Wire:
    """
    The connection itself: an asyncio.Protocol by its methods, not by descent, so that it can be compiled.

    Args:
        gateway: Whose door it came through.

        transport: Upgraded; the 101 is written.

        remote_address: The peer as host:port.

        window_bits: Of permessage-deflate, as agreed; 0 = not agreed.
    """

    __slots__ = (
        "_credit",
        "_earned_at",
        "_gateway",
        "_parser",
        "_probe",
        "_reason",
        "_transport",
        "_waiting",
        "_waiting_bytes",
        "_window_bits",
        "heard",
        "last_heard",
        "paused",
        "pinged_at",
        "remote_address",
    )

    def __init__(
        self, gateway: Gateway, transport: asyncio.Transport, remote_address: str, window_bits: int = 0
    ) -> None:
        now = gateway.now()
        self._gateway = gateway
        self._transport = transport
        self.remote_address = remote_address
        self.heard = False
        self.last_heard = now
        self.pinged_at = 0.0
        self.paused = False
        """The peer does not read: nothing more is written until it does."""

        self._window_bits = window_bits
        self._credit = gateway.limits.message_burst
        self._earned_at = now
        self._parser: frames.FrameParser | None = None
        self._waiting: list[bytes] | None = None
        self._waiting_bytes = 0
        self._probe: asyncio.Future[bool] | None = None
        self._reason = ""
        transport.set_write_buffer_limits(high=gateway.limits.write_buffer_bytes)

    @property
    def gone(self) -> bool:
        """Whether the socket is closed or closing."""
        return bool(self._reason)

    # What whoever speaks over it provides.

    def _message(self, payload: bytes) -> None:
        """Take one binary message."""
        raise NotImplementedError

    def _part(self, reason: str) -> None:
        """End what hangs on the connection."""
        raise NotImplementedError

    def _flush(self) -> None:
        """Say what waited while the peer did not read."""
        raise NotImplementedError

    def _linger(self, payload: bytes) -> bool:
        """Put the answer to a Close off for a moment, if there is a reason; say so."""
        raise NotImplementedError

    def _agents(self) -> int:
        """Tell how many share the right to speak."""
        return 1

    # What the transport tells.

    def eof_received(self) -> bool:
        """Close our half as well."""
        return False

    def pause_writing(self) -> None:
        """Stop listening to a peer that does not read; the sweeper's patience with it is limited."""
        if not self.paused:
            self.paused = True
            self._gateway.slow[self] = self._gateway.now() + self._gateway.limits.slow_reader_seconds  # type: ignore[index]
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Deliver what waited, and listen again."""
        if not self.paused:
            return
        self.paused = False
        self._gateway.slow.pop(self, None)  # type: ignore[call-overload]
        if self._reason:
            return
        self._transport.resume_reading()
        self._flush()

    # What the gateway asks of a socket.

    async def answers(self, seconds: float) -> bool:
        """Ping and say whether the peer gave a sign of life in time."""
        if self._reason:
            return False
        if self._probe is None:
            self._probe = asyncio.get_running_loop().create_future()
            self._transport.write(frames.frame(frames.PING, b""))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._probe)
        except TimeoutError:
            return False

    def ping(self) -> None:
        """Ask for a sign of life; the sweeper waits for it."""
        self.pinged_at = self._gateway.now()
        self._transport.write(frames.frame(frames.PING, b""))

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with *code*; the peer has a moment to say it too."""
        if self._reason:
            return
        metrics.CLOSED.labels(_label(reason)).inc()
        self._part(reason)
        self._reason = reason
        self._drop_unfinished()
        self._transport.write(frames.close_frame(code, reason))
        self._gateway.closing[self] = self._gateway.now() + _CLOSE_SECONDS  # type: ignore[index]

    def abort(self, reason: str) -> None:
        """Drop the socket without waiting for anything."""
        if not self._reason:
            metrics.CLOSED.labels(_label(reason)).inc()
            self._part(reason)
            self._reason = reason
        self._drop_unfinished()
        self._transport.abort()

    # Reading and writing.

    def _feed(self, data: bytes) -> None:
        if self._reason:
            # Closing: only the peer's Close still matters, and it hardly ever comes in pieces.
            if data[0] == _CLOSE_FRAME:
                self._transport.close()
            return
        parser = self._parser
        if parser is None:
            limits = self._gateway.limits
            parser = self._parser = frames.FrameParser(
                limits.max_message_bytes, limits.max_frames, compressed=bool(self._window_bits)
            )
        events: list[frames.Event] = []
        violation: FrameViolation | None = None
        try:
            parser.feed(data, events)
        except FrameViolation as error:
            violation = error
        for opcode, payload in events:
            if self.gone:
                return
            self._event(opcode, payload)
        if not self.gone:
            self._fed(parser, events, violation)

    def _fed(self, parser: frames.FrameParser, events: list[frames.Event], violation: FrameViolation | None) -> None:
        """Close what was broken, or keep what is half received."""
        if violation is not None:
            log.debug("frame_violation", peer=self.remote_address, code=violation.code, reason=violation.reason)
            metrics.VIOLATIONS.labels(str(violation.code)).inc()
            self.close(violation.code, "protocol error")
            return
        if parser.idle:
            self._parser = None
        if self._parser is not None or self._waiting_bytes or self._gateway.unfinished.holds(self):  # type: ignore[arg-type]
            self._account(anew=any(opcode in (frames.BINARY, frames.TEXT) for opcode, _ in events))

    def _event(self, opcode: int, payload: bytes) -> None:
        self._alive()
        if not self._may_speak():
            return
        if opcode == frames.BINARY:
            if self._waiting is None:
                self._message(payload)
            elif self._may_wait(payload):
                self._waiting.append(payload)
                self._waiting_bytes += len(payload)
            else:
                self._refuse_for_now()
        elif opcode == frames.PING:
            self._transport.write(frames.frame(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            if not self._linger(payload):
                self._part("connection closed")
                self._farewell(payload)
        elif opcode == frames.TEXT:
            self.close(frames.UNSUPPORTED, "protocol error")

    def _alive(self) -> None:
        """Take a sign of life."""
        self._gateway.heard(self)  # type: ignore[arg-type]
        self.pinged_at = 0.0
        if self._probe is not None:
            if not self._probe.done():
                self._probe.set_result(True)
            self._probe = None

    def _farewell(self, payload: bytes) -> None:
        """Answer the peer's Close."""
        self._reason = "connection closed"
        self._drop_unfinished()
        self._transport.write(frames.frame(frames.CLOSE, payload[:2]))
        self._transport.close()

    def _write(self, reply: bytes) -> bool:
        """Send a ServerToAgent; False when nothing was sent: too large, or nobody is there."""
        if self._reason:
            return False
        size = len(reply) + 1
        if size > self._gateway.limits.max_outgoing_bytes:
            metrics.OVERSIZE.inc()
            log.warning("answer_too_large", bytes=size)
            return False
        if self._window_bits and size >= deflate.WORTH_IT:
            self._transport.write(frames.deflated(frames.BINARY, HEADER + reply, self._window_bits))
        else:
            self._transport.write(b"".join((frames.head(frames.BINARY, size), HEADER, reply)))
        return True

    # Bounds.

    def _account(self, *, anew: bool) -> None:
        """Tell the ledger what is held back here; over the budget, whoever holds most is sent off."""
        gateway, parser = self._gateway, self._parser
        size = self._waiting_bytes + (parser.held if parser is not None else 0)
        deadline = None if parser is None else gateway.now() + gateway.limits.message_seconds
        gateway.unfinished.note(self, size, deadline, anew=anew)  # type: ignore[arg-type]
        while gateway.unfinished.total > gateway.limits.max_unfinished_bytes:
            metrics.REFUSED.labels("unfinished").inc()
            gateway.unfinished.take_largest().close(TRY_AGAIN_LATER, "protocol error")

    def _drop_unfinished(self) -> None:
        self._parser = self._waiting = None
        self._waiting_bytes = 0
        self._gateway.unfinished.forget(self)  # type: ignore[arg-type]

    def _may_wait(self, payload: bytes) -> bool:
        """Say whether one more message may wait for an answer: so many, and one message's worth of bytes."""
        most = self._gateway.limits.max_message_bytes
        count = len(self._waiting) if self._waiting is not None else 0
        return count < _MAX_WAITING and self._waiting_bytes + len(payload) <= most

    def _may_speak(self) -> bool:
        """Spend credit; an agent that has none left is told to come back later, and closed."""
        if self._credit > 0:
            self._credit -= 1
            return True
        limits, now, agents = self._gateway.limits, self._gateway.now(), self._agents()
        credit = earned(limits.messages_per_second * agents, limits.message_burst * agents, self._earned_at, now)
        if credit:
            self._credit = credit - 1
            self._earned_at = now
            return True
        self._refuse_for_now()
        return False

    def _refuse_for_now(self) -> None:
        raise NotImplementedError


_MAX_WAITING = 64
"""Messages one socket may bring while an answer is looked for."""

CODES = {
    "drain": frames.GOING_AWAY,
    "replaced": frames.POLICY,
    "deleted": frames.POLICY,
    "unauthorised": frames.POLICY,
    "slow reader": frames.POLICY,
    "connection lost": frames.GOING_AWAY,
    "approved": _SERVICE_RESTART,
}
"""Close code for each reason to end a session; anything else is NORMAL."""

_REASONS = frozenset({*CODES, "protocol error", "connection closed", "agent disconnect"})


def _label(reason: str) -> str:
    """Make a metric's label of a reason; others may send any text."""
    return reason if reason in _REASONS else "other"
