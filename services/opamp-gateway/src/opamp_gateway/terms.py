"""What a session is given, and what it gives: the rules, what is remembered of an agent, what a message led to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers
from opamp_gateway.messages import DIGEST, NOTHING
from opamp_gateway.varint import number

if TYPE_CHECKING:
    from opamp_gateway.facts import Fact

WEBSOCKET: Final = int(facts_pb2.TRANSPORT_WEBSOCKET)
HTTP: Final = int(facts_pb2.TRANSPORT_HTTP)
FULL_STATE: Final = int(opamp.ServerToAgentFlags_ReportFullState)
UNKNOWN: Final = bytes(DIGEST)
"""The digest of a part that was never published."""


@dataclass(frozen=True)
class Rules:
    """What all sessions of a gateway share."""

    gateway_id: str
    ask_again_seconds: float = 30.0
    """How soon an agent that did not answer ReportFullState may be asked again."""

    offer_repeat_seconds: float = 15.0
    """How soon one and the same remote config may leave for the same agent again."""

    max_fact_bytes: int = 900_000
    """Largest part of a message that still fits on the bus."""

    max_attributes: int = 1_000
    max_config_files: int = 100
    max_entries: int = 5_000
    max_capabilities: int = 100
    """Most of each in one message; see messages.Bounds."""

    greeting: answers.Greeting = field(default_factory=answers.Greeting)


@dataclass(frozen=True)
class Memory:
    """What the registry remembers of an agent; a cache, so any part of it may be missing."""

    gateway_id: str = ""
    epoch: int = 0
    transport: int = 0
    turn: int = 0
    sequence_num: int | None = None
    capabilities: int = 0
    digests: bytes = NOTHING
    reported_hash: bytes = b""
    desired: bytes = b""
    customs: tuple[str, ...] = ()
    credential_id: str = ""

    @property
    def described(self) -> bool:
        """Whether a description of this agent was ever published."""
        return self.digests[:DIGEST] != UNKNOWN


@dataclass(slots=True)
class Step:
    """What one message led to."""

    uid: bytes
    facts: list[Fact] = field(default_factory=list)
    flags: int = 0
    """Of ServerToAgent."""

    greeting: bytes = b""
    """What this server can do, in the first answer that is no error."""

    error: bytes = b""
    """The whole answer, if it is an error: it carries nothing else."""

    goodbye: bool = False
    """The agent said it is leaving; its session is over."""

    csr: bytes | None = None
    """It asks for a certificate."""

    doubtful: bool = False
    """It reports a remote config nobody here has heard of: what it should run is to be looked up."""

    unsettled: bool = False
    """It reports other connection settings than it was told: what it should have is to be asked."""

    settings_hash: bytes = b""
    """Of the connection settings it reports."""

    @property
    def asked(self) -> bool:
        """Whether the answer asks for the full state."""
        return bool(self.flags & FULL_STATE) and not self.error

    @property
    def bare(self) -> bool:
        """Whether the answer says nothing that a command may not stand beside."""
        return not self.error and not self.flags

    @property
    def reply(self) -> bytes:
        """A ServerToAgent, serialised."""
        return self.answer()

    def answer(self, parts: bytes = b"", flags: int = 0) -> bytes:
        """Write the ServerToAgent with more to say; an error says nothing more."""
        if self.error:
            return self.error
        return b"".join((answers.acknowledge(self.uid), number(6, self.flags | flags), self.greeting, parts))
