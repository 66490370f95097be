"""
One agent's WebSocket after the upgrade: bytes in, bytes out, no task and no timer of its own.

Heartbeats are answered in data_received without an object being made. Everything slower than that, deadlines
and pings included, is done for all sockets together by the sweeper.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from websockets.speedups import apply_mask

from contracts.framing import HEADER, BadFrameError, strip_header
from opamp_gateway import answers, frames, metrics
from opamp_gateway.errors import BadMessage, FrameViolation
from opamp_gateway.heartbeat import is_beat
from opamp_gateway.limits import earned
from opamp_gateway.offers import REPORT_FULL_STATE, Mailbox
from opamp_gateway.reception import rename, welcome
from opamp_gateway.session import WEBSOCKET, parse, wants_uid

if TYPE_CHECKING:
    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.connections import Holder
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.offers import Offering
    from opamp_gateway.session import Session
    from opamp_gateway.tokens import Credential

log = structlog.get_logger()

_PLAIN_BINARY = 0x82
_CLOSE_FRAME = 0x88
_SHORTEST = 7
_LONGEST = 131
_LENGTH_OF_SHORT = 122
"""Second byte of a masked frame of n ≤ 125 bytes is 128 + n, and the frame is n + 6 bytes long."""

_MAX_WAITING = 64
"""Messages one agent may send before its first one is answered."""

_CLOSE_SECONDS = 2.0
_TRY_AGAIN_LATER = 1013


class WebSocket(asyncio.Protocol):
    """
    One open WebSocket.

    Args:
        gateway: Whose door it came through.

        transport: Upgraded; the 101 is written.

        remote_address: The peer as host:port.

        credential: What let it in.
    """

    __slots__ = (
        "_bad",
        "_changes",
        "_credit",
        "_earned_at",
        "_gateway",
        "_mailbox",
        "_parser",
        "_paused",
        "_probe",
        "_reason",
        "_transport",
        "_waiting",
        "_waiting_bytes",
        "credential",
        "heard",
        "last_heard",
        "pinged_at",
        "remote_address",
        "session",
    )

    def __init__(
        self, gateway: Gateway, transport: asyncio.Transport, remote_address: str, credential: Credential
    ) -> None:
        now = gateway.now()
        self._gateway = gateway
        self._transport = transport
        self.remote_address = remote_address
        self.credential = credential
        self.session: Session | None = None
        self.heard = False
        self.last_heard = now
        self.pinged_at = 0.0
        self._credit = gateway.limits.message_burst
        self._earned_at = now
        self._parser: frames.FrameParser | None = None
        self._waiting: list[bytes] | None = None
        self._waiting_bytes = 0
        self._mailbox: Mailbox | None = None
        self._probe: asyncio.Future[bool] | None = None
        self._reason = ""
        self._paused = False
        self._bad = 0
        self._changes = 0
        transport.set_write_buffer_limits(high=gateway.limits.write_buffer_bytes)
        gateway.sockets.add(self)

    # What the transport tells.

    def data_received(self, data: bytes) -> None:
        """Take bytes; the next plain heartbeat of the agent is answered right here."""
        size = len(data)
        if (
            data[0] == _PLAIN_BINARY
            and _SHORTEST <= size <= _LONGEST
            and data[1] == size + _LENGTH_OF_SHORT
            and self._parser is None
            and (session := self.session) is not None
            and self._credit > 0
            and not self._reason
        ):
            payload = apply_mask(data[6:], data[2:6])
            if is_beat(session, payload):
                self._credit -= 1
                gateway = self._gateway
                gateway.tally.heartbeats += 1
                self.pinged_at = 0.0
                if not self.heard:
                    self.heard = True
                    gateway.presence.heard.append(self)
                self._transport.write(session.ack_frame)
                return
        self._feed(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the session; how the socket ended tells the reason."""
        gateway = self._gateway
        gateway.sockets.discard(self)
        gateway.closing.pop(self, None)
        gateway.slow.pop(self, None)
        gateway.unfinished.forget(self)
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(False)
        self._part(self._reason or "connection lost")
        self._reason = self._reason or "connection lost"
        self._parser = self._waiting = self._mailbox = None

    def eof_received(self) -> bool:
        """Close our half as well."""
        return False

    def pause_writing(self) -> None:
        """Stop listening to a peer that does not read; the sweeper's patience with it is limited."""
        if not self._paused:
            self._paused = True
            self._gateway.slow[self] = self._gateway.now() + self._gateway.limits.slow_reader_seconds
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Deliver what waited, and listen again."""
        if not self._paused:
            return
        self._paused = False
        self._gateway.slow.pop(self, None)
        if self._reason:
            return
        self._transport.resume_reading()
        mailbox, self._mailbox = self._mailbox, None
        while mailbox:
            for offering in mailbox.take():
                self.deliver(offering)

    # What the gateway asks of a holder.

    def deliver(self, offering: Offering) -> None:
        """Tell the agent at once, or as soon as it reads again."""
        session = self.session
        if session is None or self._reason:
            return
        if self._paused:
            self._mailbox = self._mailbox or Mailbox()
            self._mailbox.put(offering)
            return
        gateway = self._gateway
        now = gateway.now()
        if offering.kind == REPORT_FULL_STATE:
            session.forget()
            self._transport.write(offering.frame_for(session.uid))
            return
        if not session.just_offered(offering.content_hash, now):
            if offering.size > gateway.limits.max_message_bytes:
                metrics.OVERSIZE.inc()
                log.warning("offer_too_large", bytes=offering.size)
                return
            self._transport.write(offering.frame_for(session.uid))
        fact = session.delivered(offering.kind, offering.content_hash, offering.offer_id, now, gateway.stamp())
        gateway.publisher.add((fact,))

    def end(self, reason: str) -> None:
        """End the session and close the socket."""
        self.close(_CODES.get(reason, frames.NORMAL), reason)

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
        metrics.CLOSED.labels(reason).inc()
        self._part(reason)
        self._reason = reason
        self._drop_unfinished()
        self._transport.write(frames.close_frame(code, reason))
        self._gateway.closing[self] = self._gateway.now() + _CLOSE_SECONDS

    def abort(self, reason: str) -> None:
        """Drop the socket without waiting for anything."""
        if not self._reason:
            metrics.CLOSED.labels(reason).inc()
            self._part(reason)
            self._reason = reason
        self._drop_unfinished()
        self._transport.abort()

    # What reception asks of a newcomer.

    @property
    def gone(self) -> bool:
        """Whether the socket is closed or closing."""
        return bool(self._reason)

    @property
    def holder(self) -> Holder:
        """The socket itself."""
        return self

    @property
    def transport_kind(self) -> int:
        """It is a WebSocket."""
        return WEBSOCKET

    def welcomed(self, reply: bytes) -> None:
        """Send the first answer, then handle what came meanwhile."""
        self._say(reply)
        self._go_on()

    def renamed(self, reply: bytes) -> None:
        """Send an answer that opens no session."""
        self.welcomed(reply)

    # The ordinary road.

    def _feed(self, data: bytes) -> None:
        if self._reason:
            # Closing: only the peer's Close still matters, and it hardly ever comes in pieces.
            if data[0] == _CLOSE_FRAME:
                self._transport.close()
            return
        parser = self._parser
        if parser is None:
            limits = self._gateway.limits
            parser = self._parser = frames.FrameParser(limits.max_message_bytes, limits.max_frames)
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
        if self.gone:
            return
        if violation is not None:
            log.debug("frame_violation", peer=self.remote_address, code=violation.code, reason=violation.reason)
            self.close(violation.code, "protocol error")
        else:
            if parser.idle:
                self._parser = None
            self._account(anew=any(opcode in (frames.BINARY, frames.TEXT) for opcode, _ in events))

    def _account(self, *, anew: bool) -> None:
        """Tell the ledger what is held back here; over the budget, whoever holds most is sent off."""
        gateway, parser = self._gateway, self._parser
        size = self._waiting_bytes + (parser.held if parser is not None else 0)
        deadline = None if parser is None else gateway.now() + gateway.limits.message_seconds
        gateway.unfinished.note(self, size, deadline, anew=anew)
        while gateway.unfinished.total > gateway.limits.max_unfinished_bytes:
            metrics.REFUSED.labels("unfinished").inc()
            gateway.unfinished.take_largest().close(_TRY_AGAIN_LATER, "protocol error")

    def _drop_unfinished(self) -> None:
        self._parser = self._waiting = None
        self._waiting_bytes = 0
        self._gateway.unfinished.forget(self)

    def _event(self, opcode: int, payload: bytes) -> None:
        self._gateway.heard(self)
        self.pinged_at = 0.0
        if self._probe is not None:
            if not self._probe.done():
                self._probe.set_result(True)
            self._probe = None
        if not self._may_speak():
            return
        if opcode == frames.BINARY:
            self._gateway.tally.websocket_messages += 1
            if self._waiting is None:
                self._message(payload)
            elif self._may_wait(payload):
                self._waiting.append(payload)
                self._waiting_bytes += len(payload)
            else:
                self._refuse_for_now(self.session.uid if self.session else b"")
        elif opcode == frames.PING:
            self._transport.write(frames.frame(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            self._part("connection closed")
            self._reason = "connection closed"
            self._drop_unfinished()
            self._transport.write(frames.frame(frames.CLOSE, payload[:2]))
            self._transport.close()
        elif opcode == frames.TEXT:
            self.close(frames.UNSUPPORTED, "protocol error")

    def _may_wait(self, payload: bytes) -> bool:
        """Say whether one more message may wait for the first answer: so many, and one message's worth of bytes."""
        most = self._gateway.limits.max_message_bytes
        count = len(self._waiting) if self._waiting is not None else 0
        return count < _MAX_WAITING and self._waiting_bytes + len(payload) <= most

    def _may_speak(self) -> bool:
        """Spend credit; an agent that has none left is told to come back later, and closed."""
        if self._credit > 0:
            self._credit -= 1
            return True
        limits, now = self._gateway.limits, self._gateway.now()
        credit = earned(limits.messages_per_second, limits.message_burst, self._earned_at, now)
        if credit:
            self._credit = credit - 1
            self._earned_at = now
            return True
        self._refuse_for_now(self.session.uid if self.session else b"")
        return False

    def _refuse_for_now(self, uid: bytes) -> None:
        metrics.REFUSED.labels("message rate").inc()
        self._say(answers.error(uid, answers.UNAVAILABLE, "too many messages", 30.0))
        self.close(_TRY_AGAIN_LATER, "protocol error")

    def _message(self, payload: bytes) -> None:
        try:
            data = strip_header(payload, accept_headerless=True)
        except BadFrameError as error:
            self._refuse(self.session.uid if self.session else b"", str(error), "framing")
            return
        try:
            message = parse(data)
        except BadMessage as error:
            self._refuse(error.uid or (self.session.uid if self.session else b""), str(error), "message")
            return
        session = self.session
        if wants_uid(message):
            self._say(rename(message.instance_uid, self._gateway.fresh_uid()))
        elif session is None or session.uid != message.instance_uid:
            self._meet(message)
        else:
            step = session.receive(message, self._gateway.now(), self._gateway.stamp())
            self._say(step.reply)
            if step.goodbye:
                self._gateway.ended(self, *step.facts)
            else:
                self._gateway.told(step.facts, asked=step.asked)

    def _meet(self, message: opamp.AgentToServer) -> None:
        """Meet an agent: the first on this socket, or the same under another uid."""
        if self.session is not None:
            self._changes += 1
            if self._changes > self._gateway.limits.max_uid_changes:
                self.close(frames.POLICY, "protocol error")
                return
            self._part("replaced")
        self._waiting = []
        welcome(self._gateway, self, message)

    def _go_on(self) -> None:
        """Handle the messages that came while the first one was looked into."""
        waiting, self._waiting = self._waiting, None
        self._waiting_bytes = 0
        for index, payload in enumerate(waiting or ()):
            if self.gone:
                return
            self._message(payload)
            if self._is_waiting():
                # That one changed the uid and is being looked into itself.
                self._waiting = (waiting or [])[index + 1 :]
                self._waiting_bytes = sum(map(len, self._waiting))
                break
        if not self.gone:
            self._account(anew=False)

    def _is_waiting(self) -> bool:
        return self._waiting is not None

    def _refuse(self, uid: bytes, text: str, reason: str) -> None:
        metrics.BAD_MESSAGES.labels(reason).inc()
        self._say(answers.error(uid, answers.BAD_REQUEST, text))
        self._bad += 1
        if self._bad >= self._gateway.limits.max_bad_messages:
            self.close(frames.POLICY, "protocol error")

    def _say(self, reply: bytes) -> None:
        if not self._reason:
            self._transport.write(frames.head(frames.BINARY, len(reply) + 1) + HEADER + reply)

    def _part(self, reason: str) -> None:
        """End the session, if there is one, with the last fact of its epoch."""
        session = self.session
        if session is not None:
            self._gateway.ended(self, session.over(reason, self._gateway.stamp()))


_CODES = {
    "drain": frames.GOING_AWAY,
    "replaced": frames.POLICY,
    "deleted": frames.POLICY,
    "unauthorised": frames.POLICY,
    "slow reader": frames.POLICY,
    "connection lost": frames.GOING_AWAY,
}
"""Close code for each reason to end a session; anything else is NORMAL."""
