"""
The parts of one gateway in one place, and what happens to a session apart from talk: opened, numbered, ended.

Every part is handed in, so a benchmark or a test makes a gateway without any server.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fleet.api.v1.identity_pb2 import (
    AdmitAgentReply,
    AdmitAgentRequest,
    RequestCertificateReply,
    RequestCertificateRequest,
)
from opamp_gateway import metrics
from opamp_gateway.certificates import Trust
from opamp_gateway.changes import Changes
from opamp_gateway.connections import Caller, Connections, Holder, Socket
from opamp_gateway.content import ContentShelf
from opamp_gateway.epochs import EpochDesk
from opamp_gateway.errands import Errands
from opamp_gateway.facts import CUSTOM_MESSAGE_RECEIVED, Fact, Speaker
from opamp_gateway.identity_desk import IdentityDesk
from opamp_gateway.limits import Admission, Limits
from opamp_gateway.presence import Presence
from opamp_gateway.publisher import Publisher
from opamp_gateway.refusals import Refusals
from opamp_gateway.registry import Book
from opamp_gateway.renamed import Renamed
from opamp_gateway.session import HTTP, Rules, Session, Step
from opamp_gateway.unfinished import Unfinished
from servicekit.clock import Clock


@dataclass(slots=True)
class Tally:
    """Counts the hot path makes; the sweeper adds them to the metrics."""

    heartbeats: int = 0
    websocket_messages: int = 0
    opened: int = 0
    ended: int = 0
    full_state_asked: int = 0
    body_bytes: int = 0
    """Bytes of request bodies that are being received."""


# Compiled, a field's annotation is looked up at run time: what it names is imported for good, not for checking only.
@dataclass(slots=True)
class Gateway:
    """One gateway process."""

    rules: Rules
    limits: Limits
    clock: Clock
    registry: Book
    publisher: Publisher
    epochs: EpochDesk
    presence: Presence
    content: ContentShelf
    admission: Admission
    tokens: IdentityDesk | None
    """None = the door is open to everybody."""

    rival: Callable[[str, str, bytes, int], Awaitable[bool]]
    """Asks another gateway to give up a connection; True = its agent is alive there and stays."""

    chance: Callable[[], float]
    """0 … 1, for jitter."""

    fresh_uid: Callable[[], bytes]
    """Makes a UUID version 7."""

    admit: Callable[[AdmitAgentRequest], Awaitable[AdmitAgentReply]] | None = None
    """Asks agent-state about a first message; None = whoever passed the door is in."""

    certify: Callable[[RequestCertificateRequest], Awaitable[RequestCertificateReply]] | None = None
    """Asks agent-state for a certificate; None = there is no authority."""

    spread: Callable[[Speaker, bytes], object] | None = None
    """Says a custom message (the body of CustomMessageReceived) to those who listen, at once."""

    on_rival: Callable[[Holder, Session], None] | None = None
    """Told of a socket whose agent another gateway holds under a higher epoch."""

    trust: Trust = field(default_factory=Trust)
    changes: Changes = field(default_factory=Changes)
    refusals: Refusals = field(default_factory=Refusals)
    renamed: Renamed = field(default_factory=Renamed)
    connections: Connections = field(default_factory=Connections)
    errands: Errands = field(default_factory=Errands)
    sockets: set[Socket] = field(default_factory=set)
    """Every open WebSocket, its agent known or not."""

    doors: dict[Caller, float] = field(default_factory=dict)
    """Peers that have not finished their request head, with their deadlines; oldest first."""

    closing: dict[Socket, float] = field(default_factory=dict)
    """WebSockets that were told to close, with when patience ends."""

    slow: dict[Socket, float] = field(default_factory=dict)
    """WebSockets whose peer does not read, with when patience ends."""

    unfinished: Unfinished = field(default_factory=Unfinished)
    """What WebSockets have begun to say."""

    tally: Tally = field(default_factory=Tally)

    def now(self) -> float:
        """Tell monotonic seconds."""
        return self.clock.monotonic()

    @staticmethod
    def stamp() -> int:
        """Tell the wall clock in nanoseconds; for people."""
        return time.time_ns()

    def heard(self, holder: Holder) -> None:
        """Note a sign of life."""
        if not holder.heard:
            holder.heard = True
            self.presence.heard.append(holder)

    def told(self, facts: list[Fact], *, asked: bool) -> None:
        """Take the facts of a step of an open session."""
        if asked:
            self.tally.full_state_asked += 1
        if self.spread is not None:
            for fact in facts:
                if fact.kind == CUSTOM_MESSAGE_RECEIVED:
                    self.spread(fact.session, fact.body)
        self.publisher.add(facts)

    def opened(self, holder: Holder, session: Session, step: Step) -> None:
        """Take a session in: its agent is owned by *holder* from here on."""
        holder.session = session
        self.tally.opened += 1
        if step.goodbye:
            # Gone before it was counted in: without an epoch it leaves no trace.
            self.publisher.discard(session)
            holder.session = None
            self.tally.ended += 1
            return
        self.connections.put(holder)
        self.heard(holder)
        self.told(step.facts, asked=step.asked)
        if session.epoch:
            self.numbered(session)
        else:
            self.epochs.wait(session)

    def numbered(self, session: Session) -> None:
        """Let everything go that waited for a session's epoch."""
        self.publisher.release(session)
        self.registry.claim(session)

    def ended(self, holder: Holder, *facts: Fact) -> None:
        """Let a session go; *facts* hold its Disconnected, or nothing when another gateway has it now."""
        session = holder.session
        if session is None:
            return
        session.closed = True
        self.connections.remove(holder)
        holder.session = None
        self.tally.ended += 1
        if session.epoch:
            self.publisher.add(facts)
            if facts:
                self.registry.release(session)

    def superseded(self, tenant_id: str, uid: bytes, epoch: int, turn: int, *, claim: bool) -> None:
        """
        Let a session go that somebody else has under a higher fence: nobody reads its facts any more.

        A polling agent's next poll here adopts what the other gateway left. Two sockets with one uid that were
        opened at the same moment at two gateways come to light here, when the later claim is refused: see
        rivalry.py. If it was the earlier one that was taken over, the other side finds out.
        """
        holder = self.connections.get(tenant_id, uid)
        session = holder.session if holder is not None else None
        if holder is None or session is None or (session.epoch, session.turn) != (epoch, turn):
            return
        if session.transport != HTTP:
            if claim and self.on_rival is not None:
                self.on_rival(holder, session)
            return
        metrics.SUPERSEDED.inc()
        self.ended(holder)

    def stored(self, facts: list[Fact]) -> None:
        """Remember what is safely on the bus."""
        self.registry.learn(facts)
