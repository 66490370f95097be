"""
One agent's WebSocket after the upgrade, or several agents' behind a proxy.

Heartbeats are answered in data_received without an object being made. What a connection is, apart from who speaks
over it, is in wire.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from websockets.speedups import apply_mask

from contracts.framing import BadFrameError, strip_header
from opamp_gateway import admission, answers, frames, inquiries, metrics
from opamp_gateway.errors import BadMessage
from opamp_gateway.heartbeat import is_beat
from opamp_gateway.messages import parse, wants_uid
from opamp_gateway.offers import REPORT_COMPONENTS, REPORT_FULL_STATE, Mailbox
from opamp_gateway.passengers import Passenger
from opamp_gateway.reception import rename, welcome
from opamp_gateway.session import WEBSOCKET
from opamp_gateway.wire import CODES, TRY_AGAIN_LATER, Wire

if TYPE_CHECKING:
    import asyncio

    from opamp.v1 import opamp_pb2 as opamp
    from opamp_gateway.connections import Holder
    from opamp_gateway.credentials import Credential
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.offers import Offering
    from opamp_gateway.session import Session, Step

log = structlog.get_logger()

_PLAIN_BINARY = 0x82
_SHORTEST = 7
_LONGEST = 131
_NUMBER_SECONDS, _NUMBER_LOOKS = 0.01, 30
_LENGTH_OF_SHORT = 122
"""Second byte of a masked frame of n ≤ 125 bytes is 128 + n, and the frame is n + 6 bytes long."""


class WebSocket(Wire):
    """
    One open WebSocket.

    Args:
        gateway: Whose door it came through.

        transport: Upgraded; the 101 is written.

        remote_address: The peer as host:port.

        credential: What let it in.

        window_bits: Of permessage-deflate, as agreed; 0 = not agreed.
    """

    __slots__ = ("_bad", "_changes", "_mailbox", "as_of", "companions", "credential", "session")

    def __init__(
        self,
        gateway: Gateway,
        transport: asyncio.Transport,
        remote_address: str,
        credential: Credential,
        window_bits: int = 0,
    ) -> None:
        super().__init__(gateway, transport, remote_address, window_bits)
        self.credential = credential
        self.as_of = gateway.changes.count
        """The newest change of anybody's rights when what let it in was judged."""

        self.session: Session | None = None
        self.companions: dict[bytes, Passenger] | None = None
        """Further agents, by uid; None = there never were any."""

        self._mailbox: Mailbox | None = None
        self._bad = 0
        self._changes = 0
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
            and self._waiting is None
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

    # What the gateway asks of a holder.

    def deliver(self, offering: Offering) -> bool:
        """Tell the agent at once, or as soon as it reads again."""
        session = self.session
        if session is None or self._reason:
            return False
        if self.paused:
            self._mailbox = self._mailbox or Mailbox()
            return self._mailbox.put(offering)
        return self.tell(session, offering)

    def tell(self, session: Session, offering: Offering) -> bool:
        """Write an offer to one of the socket's agents, which takes it as it is now, or it is not told."""
        gateway = self._gateway
        now = gateway.now()
        if not session.takes(offering.kind, offering.capability):
            return False
        if offering.kind == REPORT_FULL_STATE:
            session.forget()
        elif offering.kind == REPORT_COMPONENTS:
            session.forget_components()
        if not session.just_offered(offering.kind, offering.content_hash, now):
            if offering.size > gateway.limits.max_outgoing_bytes:
                metrics.OVERSIZE.inc()
                log.warning("offer_too_large", bytes=offering.size)
                return False
            if self._window_bits:
                self._write(offering.payload_for(session.uid)[1:])
            else:
                self._transport.write(offering.frame_for(session.uid))
        if not offering.flag:
            fact = session.delivered(offering.kind, offering.content_hash, offering.offer_id, now, gateway.stamp())
            gateway.publisher.add((fact,))
        return True

    def inform(self, reply: bytes) -> None:
        """Send a ServerToAgent."""
        self._write(reply)

    def end(self, reason: str) -> None:
        """End the session and close the socket, unless it carries others."""
        if self.companions:
            self.leave(self, reason)
        else:
            self.close(CODES.get(reason, frames.NORMAL), reason)

    # What passengers ask of their socket.

    def board(self, passenger: Passenger, session: Session) -> None:
        """Carry a further agent from now on."""
        self.companions = self.companions or {}
        self.companions[session.uid] = passenger
        self._gateway.heard(self)

    def leave(self, holder: Holder, reason: str) -> None:
        """End the session of one agent; the socket stays open for the others."""
        session = holder.session
        if session is None:
            return
        if self.companions is not None:
            self.companions.pop(session.uid, None)
        self._gateway.ended(holder, session.over(reason, self._gateway.stamp()))

    # What reception asks of a newcomer.

    @property
    def holder(self) -> Holder:
        """The socket itself."""
        return self

    @property
    def transport_kind(self) -> int:
        """It is a WebSocket."""
        return WEBSOCKET

    def welcomed(self, session: Session, step: Step, parts: bytes) -> None:
        """Send the first answer, then handle what came meanwhile."""
        if not self._answer_later(session, step, parts):
            self._write(step.answer(parts))
            self._go_on()

    def renamed(self, answer: tuple[bytes, bytes]) -> None:
        """Send an answer that opens no session."""
        self.put_off(answer[0])

    def put_off(self, reply: bytes) -> None:
        """Send an error; the agent may try again over this socket."""
        self._write(reply)
        self._go_on()

    def refused(self, uid: bytes, sentence: str) -> None:
        """Say why, and close; agents that came in over this socket stay."""
        self._write(answers.error(uid, answers.BAD_REQUEST, sentence))
        if self.session is None and not self.companions:
            self.close(frames.POLICY, "unauthorised")
            return
        self._count_bad("refused")
        self._go_on()

    # The ordinary road.

    def _message(self, payload: bytes) -> None:
        session = self.session
        if session is not None and is_beat(session, payload):
            # It came compressed, in pieces, or with others.
            self._gateway.tally.heartbeats += 1
            self._write(session.ack_frame[3:])
            return
        self._gateway.tally.websocket_messages += 1
        uid = session.uid if session is not None else b""
        try:
            data = strip_header(payload, accept_headerless=True)
        except BadFrameError as error:
            self._refuse(uid, str(error), "framing")
            return
        try:
            message = parse(data)
        except BadMessage as error:
            self._refuse(error.uid or uid, str(error), "message")
            return
        if wants_uid(message):
            self._write(rename(self._gateway, message.instance_uid)[0])
        elif session is not None and session.uid == message.instance_uid:
            self._hear(self, session, message)
        elif self.companions and (passenger := self.companions.get(message.instance_uid)) is not None:
            if passenger.session is not None:
                self._hear(passenger, passenger.session, message)
        else:
            self._meet(message)

    def _hear(self, holder: Holder, session: Session, message: opamp.AgentToServer) -> None:
        """Let one of the socket's agents speak."""
        gateway = self._gateway
        step = session.receive(message, gateway.now(), gateway.stamp())
        if step.goodbye:
            self._write(step.reply)
            if self.companions is not None and holder is not self:
                self.companions.pop(session.uid, None)
            gateway.ended(holder, *step.facts)
            return
        gateway.told(step.facts, asked=step.asked)
        if not self._answer_later(session, step, b""):
            self._write(step.reply)

    def _answer_later(self, session: Session, step: Step, parts: bytes) -> bool:
        """Ask first where an answer needs it; what comes meanwhile waits in order. False = nothing to ask."""
        if not inquiries.are_due(session, step) or session.closed:
            return False
        before, self._waiting = self._waiting, self._waiting or []
        if self._gateway.errands.run(self._inquire(session, step, parts), "inquiry"):
            return True
        self._waiting = before
        if step.csr is not None:
            step.error = answers.error(step.uid, answers.UNAVAILABLE, "busy", 30.0)
        return False

    async def _inquire(self, session: Session, step: Step, parts: bytes) -> None:
        try:
            parts += await inquiries.make(self._gateway, session, step)
        finally:
            # Also when it took too long: the agent is answered.
            if not self.gone:
                self._write(step.answer(parts))
                self._go_on()

    def _meet(self, message: opamp.AgentToServer) -> None:
        """Meet an agent: the first on this socket, the same under another uid, or one more."""
        gateway, uid, session = self._gateway, message.instance_uid, self.session
        self._waiting = []
        if session is None and not self.companions:
            welcome(gateway, self, message)
            return
        renamed = gateway.renamed
        first = renamed.first_of(uid)
        if session is not None and first != uid and first == renamed.first_of(session.uid):
            self._changes += 1
            if self._changes > gateway.limits.max_uid_changes:
                self.close(frames.POLICY, "protocol error")
                return
            # OpAMP "ServerToAgent.agent_identification": the old uid is no second agent.
            gateway.ended(self, session.over("replaced", gateway.stamp()))
            welcome(gateway, self, message)
            return
        if self.credential.bound_uid and admission.is_foreign(gateway, self.credential, uid):
            admission.audit_foreign(self.credential, uid, self.remote_address)
            self._write(answers.error(uid, answers.BAD_REQUEST, admission.OTHER_AGENT))
            self.close(frames.POLICY, "unauthorised")
            return
        refused = gateway.admission.ask(uid.hex(), len(gateway.connections), gateway.now(), gateway.chance())
        if refused is not None or self._agents() >= gateway.limits.max_agents_per_socket:
            wait = refused.retry_after_seconds if refused is not None else gateway.admission.retry_after_seconds
            metrics.REFUSED.labels(refused.gate if refused is not None else "agents per socket").inc()
            self.put_off(answers.error(uid, answers.UNAVAILABLE, "too many agents just now", float(wait)))
            return
        welcome(gateway, self if session is None else Passenger(self), message)

    def _go_on(self) -> None:
        """Handle the messages that came while an answer was looked for."""
        waiting, self._waiting = self._waiting, None
        self._waiting_bytes = 0
        for index, payload in enumerate(waiting or ()):
            if self.gone:
                return
            self._message(payload)
            if self._is_waiting():
                # That one must be looked into itself.
                self._waiting = (waiting or [])[index + 1 :]
                self._waiting_bytes = sum(map(len, self._waiting))
                break
        if waiting and not self.gone:
            self._account(anew=False)

    def _is_waiting(self) -> bool:
        return self._waiting is not None

    def _agents(self) -> int:
        return 1 + len(self.companions or ())

    def _refuse(self, uid: bytes, text: str, reason: str) -> None:
        self._write(answers.error(uid, answers.BAD_REQUEST, text))
        self._count_bad(reason)

    def _count_bad(self, reason: str) -> None:
        metrics.BAD_MESSAGES.labels(reason).inc()
        self._bad += 1
        if self._bad >= self._gateway.limits.max_bad_messages:
            self.close(frames.POLICY, "protocol error")

    def _refuse_for_now(self) -> None:
        metrics.REFUSED.labels("message rate").inc()
        uid = self.session.uid if self.session is not None else b""
        self._write(answers.error(uid, answers.UNAVAILABLE, "too many messages", 30.0))
        self.close(TRY_AGAIN_LATER, "protocol error")

    def _flush(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        while mailbox is not None and len(mailbox):
            for offering in mailbox.take():
                self.deliver(offering)
        for passenger in list((self.companions or {}).values()):
            passenger.flush()

    def _linger(self, payload: bytes) -> bool:
        """Wait for the number of a connection that is very young: what its agent said would be lost without it."""
        session, gateway = self.session, self._gateway
        if session is None or session.epoch or not gateway.epochs.works:
            return False
        if not gateway.errands.run(self._close_numbered(session, payload), "close"):
            return False
        self._reason = "connection closed"
        return True

    async def _close_numbered(self, session: Session, payload: bytes) -> None:
        try:
            for _ in range(_NUMBER_LOOKS):
                if session.epoch or session.closed:
                    break
                await self._gateway.clock.sleep(_NUMBER_SECONDS)
        finally:
            self._part("connection closed")
            if not self._transport.is_closing():
                self._farewell(payload)

    def _part(self, reason: str) -> None:
        """End every session of the socket with the last fact of its epoch."""
        gateway = self._gateway
        if self.companions is not None:
            for passenger in list(self.companions.values()):
                self.leave(passenger, reason)
        session = self.session
        if session is not None:
            gateway.ended(self, session.over(reason, gateway.stamp()))
