"""A polling agent: its session outlives its requests, and what is to be told to it waits for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from opamp_gateway import metrics
from opamp_gateway.limits import earned
from opamp_gateway.offers import REPORT_COMPONENTS, REPORT_FULL_STATE, Mailbox

if TYPE_CHECKING:
    from opamp_gateway.gateway import Gateway
    from opamp_gateway.offers import Offering
    from opamp_gateway.session import Session, Step

log = structlog.get_logger()


class Poll:
    """One polling agent."""

    __slots__ = ("_credit", "_earned_at", "_gateway", "heard", "last_heard", "looked_at", "mailbox", "session")

    companions = None
    """It carries nobody."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.session: Session | None = None
        self.heard = False
        self.last_heard = gateway.now()
        self.looked_at = self.last_heard
        """When the registry was last asked about the agent."""

        self.mailbox: Mailbox | None = None
        self._credit = gateway.limits.message_burst
        self._earned_at = self.last_heard

    def deliver(self, offering: Offering) -> bool:
        """Keep *offering* for the next poll."""
        session = self.session
        if session is None:
            return False
        self.mailbox = self.mailbox or Mailbox()
        if not self.mailbox.put(offering):
            return False
        if offering.kind == REPORT_FULL_STATE:
            session.forget()
        elif offering.kind == REPORT_COMPONENTS:
            session.forget_components()
        # Refused if the agent polls elsewhere by now: then this session ends and the next offer is told so.
        self._gateway.registry.note(session)
        return True

    def inform(self, reply: bytes) -> None:
        """Do nothing: a polling agent is told only what waits for its next poll."""

    def end(self, reason: str) -> None:
        """End the session; there is no connection to close."""
        session = self.session
        if session is not None:
            self._gateway.ended(self, session.over(reason, self._gateway.stamp()))

    async def answers(self, seconds: float) -> bool:  # noqa: ARG002 - the holder's protocol
        """A polling agent cannot be asked."""
        return False

    def may_speak(self) -> bool:
        """Spend credit, as a WebSocket does."""
        if self._credit > 0:
            self._credit -= 1
            return True
        limits, now = self._gateway.limits, self._gateway.now()
        credit = earned(limits.messages_per_second, limits.message_burst, self._earned_at, now)
        if not credit:
            return False
        self._credit = credit - 1
        self._earned_at = now
        return True

    def answer(self, step: Step, parts: bytes) -> bytes:
        """
        Write the answer to a message, with whatever waits for the agent and may go with it.

        Args:
            step: What the message led to.

            parts: What goes with it in any case.
        """
        session, gateway = self.session, self._gateway
        if session is None or not self.mailbox or step.error:
            return step.answer(parts)
        now = gateway.now()
        room = gateway.limits.max_answer_bytes - len(step.reply) - len(parts)
        flags = 0
        more = [parts]
        for offering in self.mailbox.take(alone=step.bare and not parts):
            if not session.takes(offering.kind, offering.capability):
                # It could when this was offered; it says now that it cannot.
                continue
            flags |= offering.flag
            if offering.flag:
                continue
            if not session.just_offered(offering.kind, offering.content_hash, now):
                room -= len(offering.part)
                if room < 0:
                    metrics.OVERSIZE.inc()
                    log.warning("offer_too_large", bytes=offering.size)
                    continue
                more.append(offering.part)
            fact = session.delivered(offering.kind, offering.content_hash, offering.offer_id, now, gateway.stamp())
            gateway.publisher.add((fact,))
        if not self.mailbox:
            self.mailbox = None
        return step.answer(b"".join(more), flags)
