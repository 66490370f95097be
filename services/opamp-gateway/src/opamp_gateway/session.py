"""
The conversation with one agent: every protocol rule, and no I/O.

In goes a parsed AgentToServer with the time, out come the answer and the facts. Absent parts mean
"unchanged"; a part equal to what was last published makes no fact. Nothing parsed is kept: what a session
remembers of a status is an 8-byte digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

from google.protobuf.message import DecodeError

from contracts.capabilities import accepts
from contracts.ids import UID_LENGTH
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers, facts
from opamp_gateway.errors import BadMessage
from opamp_gateway.facts import Fact
from opamp_gateway.varint import delimited, number

if TYPE_CHECKING:
    from google.protobuf.message import Message

WEBSOCKET: Final = int(facts_pb2.TRANSPORT_WEBSOCKET)
HTTP: Final = int(facts_pb2.TRANSPORT_HTTP)

_Slot = Literal[
    "agent_description",
    "health",
    "effective_config",
    "remote_config_status",
    "package_statuses",
    "connection_settings_status",
    "custom_capabilities",
    "available_components",
]

DIGEST: Final = 8
"""Bytes of one digest."""

SLOTS: Final[tuple[_Slot, ...]] = (
    "agent_description",
    "health",
    "effective_config",
    "remote_config_status",
    "package_statuses",
    "connection_settings_status",
    "custom_capabilities",
    "available_components",
)
"""AgentToServer fields a session keeps a digest of, by their place in the combined digest."""

NOTHING: Final = bytes(DIGEST * len(SLOTS))
"""The combined digest of an agent of which nothing is known."""

_UNKNOWN: Final = bytes(DIGEST)
_DESCRIPTION, _CUSTOM, _COMPONENTS = 0, 6, 7
_STATUS_SLOT = 3
_PLAIN: Final = (
    (1, facts.HEALTH_REPORTED),
    (2, facts.EFFECTIVE_CONFIG_REPORTED),
    (_STATUS_SLOT, facts.REMOTE_CONFIG_STATUS_REPORTED),
    (4, facts.PACKAGE_STATUSES_REPORTED),
    (5, facts.CONNECTION_SETTINGS_STATUS_REPORTED),
)
"""Parts that become one fact each by being wrapped as field 1."""

_EVENTS: Final[tuple[tuple[Literal["connection_settings_request", "custom_message"], int], ...]] = (
    ("connection_settings_request", facts.CONNECTION_SETTINGS_REQUESTED),
    ("custom_message", facts.CUSTOM_MESSAGE_RECEIVED),
)
"""Parts that are said once and not compared with anything."""

_TURN_SHIFT: Final = 32
_FULL_STATE: Final = int(opamp.ServerToAgentFlags_ReportFullState)
_ALL_COMPONENTS: Final = int(opamp.ServerToAgentFlags_ReportAvailableComponents)
_REQUEST_UID: Final = int(opamp.AgentToServerFlags_RequestInstanceUid)
_FAILED: Final = int(opamp.RemoteConfigStatuses_FAILED)


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
    """Most components, package statuses or health children in one message."""


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


@dataclass(slots=True)
class Step:
    """What one message led to."""

    reply: bytes
    """A ServerToAgent, serialised."""

    facts: list[Fact] = field(default_factory=list)
    asked: bool = False
    """The answer asks for the full state."""

    goodbye: bool = False
    """The agent said it is leaving; its session is over."""


class Session:
    """One agent on one connection, or one polling agent."""

    __slots__ = (
        "_asked_at",
        "_components_asked",
        "_made",
        "ack_frame",
        "capabilities",
        "caps_suffix",
        "closed",
        "credential_id",
        "desired",
        "digests",
        "epoch",
        "greeted",
        "held",
        "offered_at",
        "offered_hash",
        "prefix",
        "remote_address",
        "reported_hash",
        "rules",
        "sequence_num",
        "tenant_id",
        "transport",
        "turn",
        "uid",
    )

    def __init__(
        self,
        rules: Rules,
        tenant_id: str,
        uid: bytes,
        transport: int,
        *,
        remote_address: str = "",
        credential_id: str = "",
    ) -> None:
        self.rules = rules
        self.tenant_id = tenant_id
        self.uid = uid
        self.transport = transport
        self.remote_address = remote_address
        self.credential_id = credential_id
        self.capabilities = 0
        self.sequence_num = 0
        self.epoch = 0
        self.turn = 0
        self.digests = NOTHING
        self.desired = b""
        self.reported_hash = b""
        self.offered_hash = b""
        self.offered_at = 0.0
        self.greeted = False
        self.closed = False
        self.held: list[Fact] | None = None
        self._made = 0
        self._asked_at = 0.0
        self._components_asked = False
        self.prefix = b"\x00\x0a\x10" + uid + b"\x10"
        self.ack_frame = b"\x82\x13\x00\x0a\x10" + uid
        self.caps_suffix = b""

    def remember(self, memory: Memory, *, adopt: bool = False) -> None:
        """
        Take over what the registry knows, before the first message is handled.

        Args:
            memory: The registry's entry.

            adopt: Go on with a polling session another gateway began: same epoch, one turn further, and
                no second Connected fact.
        """
        self.digests = memory.digests
        self.capabilities = memory.capabilities
        self.reported_hash = memory.reported_hash
        self.desired = memory.desired
        self.sequence_num = -1 if memory.sequence_num is None else memory.sequence_num
        if adopt:
            self.epoch = memory.epoch
            self.turn = memory.turn + 1
            self._made = 0

    def next_fact(self) -> int:
        """Number the next fact: grows within the session, and over every turn of a polling one."""
        self._made += 1
        return (self.turn << _TURN_SHIFT) + self._made

    @property
    def described(self) -> bool:
        """Say whether a description of this agent was ever published."""
        return self.digests[:DIGEST] != _UNKNOWN

    def receive(self, message: opamp.AgentToServer, now: float, time_unix_nano: int) -> Step:
        """
        Handle one message of this session's agent.

        Args:
            message: Its instance_uid is this session's.

            now: Monotonic seconds.

            time_unix_nano: Wall clock, for people.

        Returns:
            The answer, which is never missing, and the facts in order.
        """
        flags = self._follow(message, now)
        step = Step(b"", asked=bool(flags))
        if message.capabilities and message.capabilities != self.capabilities:
            changed = bool(self.greeted)
            self._set_capabilities(message.capabilities)
        else:
            changed = False
        first = not self.greeted
        if first:
            self.greeted = True
            self._set_capabilities(self.capabilities)
            if not self.turn:
                step.facts.append(self.introduce(time_unix_nano))
        try:
            flags |= self._statuses(message, step, time_unix_nano, changed=changed)
        except BadMessage as error:
            step.reply = answers.error(message.instance_uid, answers.BAD_REQUEST, str(error))
        else:
            step.reply = b"".join(
                (
                    answers.acknowledge(self.uid),
                    number(6, flags),
                    answers.CAPABILITIES if first else b"",
                )
            )
        if message.HasField("agent_disconnect"):
            step.goodbye = True
            step.facts.append(self.over("agent disconnect", time_unix_nano))
        return step

    def introduce(self, time_unix_nano: int) -> Fact:
        """Say that the agent is connected; the first fact of its epoch, said again only if that may be lost."""
        body = facts.connected(
            self.rules.gateway_id, self.transport, self.remote_address, self.capabilities, self.credential_id
        )
        return Fact(self, facts.CONNECTED, body, time_unix_nano)

    def over(self, reason: str, time_unix_nano: int) -> Fact:
        """End the session; the fact is the last of its epoch."""
        self.closed = True
        return Fact(self, facts.DISCONNECTED, facts.disconnected(reason), time_unix_nano)

    def forget(self) -> None:
        """Drop every digest, so that whatever the agent says next is published."""
        self.digests = NOTHING

    def wanted(self) -> bytes:
        """Hash of the remote config the first answer should carry; empty = none."""
        desired = self.desired
        if not desired or desired == self.reported_hash:
            return b""
        return desired if accepts(self.capabilities, facts_pb2.OFFER_KIND_REMOTE_CONFIG) else b""

    def just_offered(self, content_hash: bytes, now: float) -> bool:
        """Say whether this remote config left for the agent a moment ago, so that once more is too much."""
        return content_hash == self.offered_hash and now - self.offered_at < self.rules.offer_repeat_seconds

    def delivered(self, kind: int, content_hash: bytes, offer_id: str, now: float, time_unix_nano: int) -> Fact:
        """Note that an offer left; what the agent says of remote config from now on is news, even the same words."""
        if kind == facts_pb2.OFFER_KIND_REMOTE_CONFIG:
            self.offered_hash = content_hash
            self.offered_at = now
            self._learn(_STATUS_SLOT, _UNKNOWN)
        body = facts.offer_delivered(kind, content_hash, offer_id)
        return Fact(self, facts.OFFER_DELIVERED, body, time_unix_nano, variant=kind)

    def _follow(self, message: opamp.AgentToServer, now: float) -> int:
        """Follow sequence_num; ask for the full state after a gap, once per gap and never in a loop."""
        expected = self.sequence_num + 1
        got = message.sequence_num
        self.sequence_num = got
        has_description = message.HasField("agent_description")
        # A first message that describes its agent is complete enough, whatever it counts from.
        lost = got != expected and (self.greeted or not has_description)
        if not lost and (has_description or self.described):
            self._asked_at = 0.0
            return 0
        if self._asked_at and now - self._asked_at < self.rules.ask_again_seconds:
            return 0
        self._asked_at = now or 1e-9
        return _FULL_STATE

    def _set_capabilities(self, capabilities: int) -> None:
        self.capabilities = capabilities
        self.caps_suffix = number(4, capabilities)

    def _statuses(self, message: opamp.AgentToServer, step: Step, time_unix_nano: int, *, changed: bool) -> int:
        """
        Turn every present part that differs from what was published into a fact.

        Returns:
            Flags to set in the answer.

        Raises:
            BadMessage: Some parts were refused, and are named; all others were taken.
        """
        told = step.facts
        refused: list[str] = []
        self._identity(message, step, time_unix_nano, refused, changed=changed)
        for slot, kind in _PLAIN:
            part = self._part(message, slot, refused)
            if part is not None:
                told.append(Fact(self, kind, delimited(1, part[0]), time_unix_nano, slots=part[1]))
        if message.HasField("remote_config_status"):
            self._config_status(message.remote_config_status)
        flags = 0
        if message.HasField("available_components"):
            flags = self._components(message.available_components, step, time_unix_nano, refused)
        for name, kind in _EVENTS:
            if message.HasField(name):
                body = getattr(message, name).SerializeToString()
                if len(body) > self.rules.max_fact_bytes:
                    refused.append(f"{name} is larger than {self.rules.max_fact_bytes} bytes")
                else:
                    told.append(Fact(self, kind, delimited(1, body), time_unix_nano))
        if refused:
            raise BadMessage("; ".join(refused))
        return flags

    def _identity(
        self, message: opamp.AgentToServer, step: Step, time_unix_nano: int, refused: list[str], *, changed: bool
    ) -> None:
        """Publish description, capabilities and custom capabilities together if any of them is new."""
        description = self._part(message, _DESCRIPTION, refused)
        custom = self._part(message, _CUSTOM, refused)
        if description is None and custom is None and not changed:
            return
        together = [(description, custom)]
        if description and custom and len(description[0]) + len(custom[0]) > self.rules.max_fact_bytes:
            # Each fits on the bus, both at once might not; whoever reads them takes what is absent as unchanged.
            together = [(description, None), (None, custom)]
        for one, other in together:
            body = facts.described(
                None if one is None else one[0], self.capabilities, None if other is None else other[0]
            )
            slots = (() if one is None else one[1]) + (() if other is None else other[1])
            variant = (one is not None) + 2 * (other is not None)
            step.facts.append(Fact(self, facts.DESCRIBED, body, time_unix_nano, variant=variant, slots=slots))

    def _part(
        self, message: opamp.AgentToServer, slot: int, refused: list[str]
    ) -> tuple[bytes, tuple[tuple[int, bytes], ...]] | None:
        """Serialise one part if it is there and differs from what was last published; tell its new digest."""
        name = SLOTS[slot]
        if not message.HasField(name):
            return None
        part: Message = getattr(message, name)
        if (fault := fault_of(name, part, self.rules)) is not None:
            refused.append(fault)
            return None
        # Deterministic: map order differs from one message of the same agent to the next.
        body = part.SerializeToString(deterministic=True)
        if len(body) > self.rules.max_fact_bytes:
            refused.append(f"{name} is larger than {self.rules.max_fact_bytes} bytes")
            return None
        digest = sha256(body).digest()[:DIGEST]
        if not self._learn(slot, digest):
            return None
        return body, ((slot, digest),)

    def _learn(self, slot: int, digest: bytes) -> bool:
        """Remember a digest; False when it is the one already known."""
        known = self.digests
        at = slot * DIGEST
        if known[at : at + DIGEST] == digest:
            return False
        self.digests = known[:at] + digest + known[at + DIGEST :]
        return True

    def _config_status(self, status: opamp.RemoteConfigStatus) -> None:
        reported = self.reported_hash = status.last_remote_config_hash
        if status.status == _FAILED or (reported and reported != self.offered_hash):
            # It runs something else by now: what was offered may be offered again at once.
            self.offered_hash = b""

    def _components(
        self, components: opamp.AvailableComponents, step: Step, time_unix_nano: int, refused: list[str]
    ) -> int:
        """Publish a full inventory that is new; ask for it when only an unknown hash was said."""
        if (fault := fault_of("available_components", components, self.rules)) is not None:
            refused.append(fault)
            return 0
        body = components.SerializeToString(deterministic=True)
        if len(body) > self.rules.max_fact_bytes:
            refused.append(f"available_components is larger than {self.rules.max_fact_bytes} bytes")
            return 0
        digest = digest_of(components.hash or body)
        if components.components or not components.hash:
            if self._learn(_COMPONENTS, digest):
                slots = ((_COMPONENTS, digest),)
                step.facts.append(
                    Fact(self, facts.COMPONENTS_REPORTED, delimited(1, body), time_unix_nano, slots=slots)
                )
            return 0
        at = _COMPONENTS * DIGEST
        if self.digests[at : at + DIGEST] == digest or self._components_asked:
            return 0
        self._components_asked = True
        return _ALL_COMPONENTS


def parse(data: bytes) -> opamp.AgentToServer:
    """
    Read an AgentToServer whose uid has the right length.

    Raises:
        BadMessage: Not protobuf, or instance_uid is not 16 bytes; `uid` on it says what was received.
    """
    try:
        message = opamp.AgentToServer.FromString(data)
    except DecodeError as error:
        text = "the message is not a readable AgentToServer"
        raise BadMessage(text) from error
    if len(message.instance_uid) != UID_LENGTH:
        refused = BadMessage(f"instance_uid must be {UID_LENGTH} bytes, got {len(message.instance_uid)}")
        refused.uid = message.instance_uid
        raise refused
    return message


def wants_uid(message: opamp.AgentToServer) -> bool:
    """Say whether the agent asks to be given an instance_uid."""
    return bool(message.flags & _REQUEST_UID)


def fault_of(name: str, part: Any, rules: Rules) -> str | None:
    """Say what there is absurdly much of in one part, before anything walks it; None = nothing."""
    match name:
        case "agent_description":
            what, limit = "attributes", rules.max_attributes
            count = len(part.identifying_attributes) + len(part.non_identifying_attributes)
        case "effective_config":
            what, limit = "config files", rules.max_config_files
            count = len(part.config_map.config_map)
        case "health":
            what, limit, count = "health components", rules.max_entries, len(part.component_health_map)
        case "package_statuses":
            what, limit, count = "package statuses", rules.max_entries, len(part.packages)
        case "available_components":
            what, limit, count = "components", rules.max_entries, len(part.components)
        case _:
            return None
    return f"too many {what}: {count}, at most {limit} are taken" if count > limit else None


def digest_of(body: bytes) -> bytes:
    """Digest one part."""
    return sha256(body).digest()[:DIGEST]
