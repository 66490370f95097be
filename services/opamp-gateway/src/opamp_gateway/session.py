"""
The conversation with one agent: every protocol rule, and no I/O.

In goes a parsed AgentToServer with the time, out come the answer and the facts. Absent parts mean
"unchanged"; a part equal to what was last published makes no fact. Nothing parsed is kept: what a session
remembers of a status is an 8-byte digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from contracts.capabilities import accepts
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway import answers, facts
from opamp_gateway.errors import BadMessage
from opamp_gateway.facts import Fact
from opamp_gateway.messages import CUSTOM, DIGEST, NOTHING, SLOTS, STATUS, digest_of, fault_of, shared
from opamp_gateway.terms import FULL_STATE, HTTP, UNKNOWN, WEBSOCKET, Memory, Rules, Step
from opamp_gateway.varint import delimited, number

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["HTTP", "WEBSOCKET", "Memory", "Rules", "Session", "Step"]

_WITH_MAPS: Final = frozenset({"health", "effective_config", "package_statuses"})
_DESCRIPTION, _COMPONENTS = 0, 7
_SETTINGS_SLOT = 5
_PLAIN: Final = (
    (1, facts.HEALTH_REPORTED),
    (2, facts.EFFECTIVE_CONFIG_REPORTED),
    (STATUS, facts.REMOTE_CONFIG_STATUS_REPORTED),
    (4, facts.PACKAGE_STATUSES_REPORTED),
    (_SETTINGS_SLOT, facts.CONNECTION_SETTINGS_STATUS_REPORTED),
)
"""Parts that become one fact each by being wrapped as field 1."""

_EVEN_WITHHELD: Final = (facts_pb2.OFFER_KIND_REPORT_FULL_STATE, facts_pb2.OFFER_KIND_CLOSE)
"""What an agent is told though it waits for approval."""

_SAID_ONCE: Final = {
    facts.CONNECTION_SETTINGS_REQUESTED: "connection_settings_request",
    facts.CUSTOM_MESSAGE_RECEIVED: "custom_message",
}
"""Parts that are not compared with anything."""

_TURN_SHIFT: Final = 32
_UNSET: Final = int(opamp.RemoteConfigStatuses_UNSET)
_APPLIED: Final = int(opamp.RemoteConfigStatuses_APPLIED)
_FAILED: Final = int(opamp.RemoteConfigStatuses_FAILED)
_ASKS: Final = 5
"""Gaps in a row that are each answered with ReportFullState; after that it is asked now and then."""

_NOT_YET: Final = bytes(200)
"""No message begins so: the fast path is closed until the agent was told what this server can do."""

_FRESH_STARTS: Final = (0, 1)
"""Where an agent that begins anew begins to count."""

_MAX_CSR: Final = 16 * 1024


class Session:
    """One agent on one connection, or one polling agent."""

    __slots__ = (
        "_asked_at",
        "_asks",
        "_made",
        "_settings",
        "ack_frame",
        "came_after",
        "capabilities",
        "caps_suffix",
        "closed",
        "credential_id",
        "customs",
        "desired",
        "digests",
        "epoch",
        "greeted",
        "held",
        "labels",
        "offered_at",
        "offered_hash",
        "prefix",
        "remote_address",
        "reported_hash",
        "rules",
        "sequence_num",
        "served",
        "settled",
        "tenant_id",
        "transport",
        "turn",
        "uid",
        "withheld",
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
        labels: tuple[tuple[str, str], ...] = (),
        withheld: bool = False,
    ) -> None:
        self.rules = rules
        self.tenant_id = tenant_id
        self.uid = uid
        self.transport = transport
        self.remote_address = remote_address
        self.credential_id = credential_id
        self.labels = labels
        self.withheld = withheld
        self.customs: tuple[str, ...] = ()
        self.capabilities = 0
        self.sequence_num = 0
        self.epoch = 0
        self.came_after = 0
        """Epoch of the connection that was known when this one was opened."""

        self.turn = 0
        self.digests = NOTHING
        self.desired = b""
        self.reported_hash = b""
        self.offered_hash = b""
        self.offered_at = 0.0
        self.served = b""
        self.settled = False
        self.greeted = False
        self.closed = False
        self.held: list[Fact] | None = None
        self._made = 0
        self._asked_at = 0.0
        self._asks = 0
        self._settings: tuple[bytes, float] | None = None
        self.prefix = _NOT_YET
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
        self.came_after = memory.epoch
        self.digests = memory.digests
        self.capabilities = memory.capabilities
        self.reported_hash = memory.reported_hash
        self.desired = memory.desired
        self.customs = memory.customs
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
        return self.digests[:DIGEST] != UNKNOWN

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
        step = Step(message.instance_uid, flags=self._follow(message, now))
        changed = self.greeted and message.capabilities not in (0, self.capabilities)
        if message.capabilities:
            self._set_capabilities(message.capabilities)
        if not self.greeted:
            self.greeted = True
            self._set_capabilities(self.capabilities)
            if not self.turn:
                step.facts.append(self.introduce(time_unix_nano))
        try:
            self._statuses(message, step, time_unix_nano, changed=changed)
        except BadMessage as error:
            step.error = answers.error(message.instance_uid, answers.BAD_REQUEST, str(error))
            step.csr = None
            self._asked_at = 0.0
        else:
            if self.prefix is _NOT_YET:
                # An error answer may carry no capabilities: the first one that is none does.
                self.prefix = b"\x00\x0a\x10" + self.uid + b"\x10"
                step.greeting = self.rules.greeting.part
        if message.HasField("agent_disconnect"):
            step.goodbye = True
            step.facts.append(self.over("agent disconnect", time_unix_nano))
        return step

    def greet_again(self) -> None:
        """Tell with the next answer what this server can do: that has changed."""
        self.prefix = _NOT_YET

    def introduce(self, time_unix_nano: int) -> Fact:
        """Say that the agent is connected; the first fact of its epoch, said again only if that may be lost."""
        body = facts.connected(
            self.rules.gateway_id,
            self.transport,
            self.remote_address,
            self.capabilities,
            self.credential_id,
            labels=self.labels,
            withheld=self.withheld,
        )
        return Fact(self, facts.CONNECTED, body, time_unix_nano)

    def over(self, reason: str, time_unix_nano: int) -> Fact:
        """End the session; the fact is the last of its epoch."""
        self.closed = True
        return Fact(self, facts.DISCONNECTED, facts.disconnected(reason), time_unix_nano)

    def forget(self) -> None:
        """Drop every digest, so that whatever the agent says next is published."""
        self.digests = NOTHING

    def forget_components(self) -> None:
        """Drop the digest of the components, so that they are published when the agent tells them again."""
        self._learn(_COMPONENTS, UNKNOWN)

    def takes(self, kind: int, capability: str = "") -> bool:
        """
        Say whether an offer of *kind* may be sent to the agent as it is now.

        Args:
            kind: An OfferKind.

            capability: Of a custom message.
        """
        if self.withheld and kind not in _EVEN_WITHHELD:
            return False
        if kind == facts_pb2.OFFER_KIND_CUSTOM_MESSAGE:
            return capability in self.customs
        return accepts(self.capabilities, kind)

    def wanted(self) -> bytes:
        """Hash of the remote config the first answer should carry; empty = none."""
        desired = self.desired
        if not desired or desired == self.reported_hash:
            return b""
        return desired if self.takes(facts_pb2.OFFER_KIND_REMOTE_CONFIG) else b""

    def lately_served(self, now: float) -> bytes:
        """Tell the remote config that left for the agent so lately that the registry may not know it yet."""
        return self.served if now - self.offered_at < self.rules.offer_repeat_seconds else b""

    def just_offered(self, kind: int, content_hash: bytes, now: float) -> bool:
        """Say whether this very thing left for the agent a moment ago, so that once more is too much."""
        if kind == facts_pb2.OFFER_KIND_REMOTE_CONFIG:
            offered, at = self.offered_hash, self.offered_at
        elif kind == facts_pb2.OFFER_KIND_CONNECTION_SETTINGS and self._settings is not None:
            offered, at = self._settings
        else:
            return False
        return content_hash == offered and now - at < self.rules.offer_repeat_seconds

    def delivered(self, kind: int, content_hash: bytes, offer_id: str, now: float, time_unix_nano: int) -> Fact:
        """Note that an offer left; what the agent says of remote config from now on is news, even the same words."""
        if kind == facts_pb2.OFFER_KIND_REMOTE_CONFIG:
            self.offered_hash = self.served = content_hash
            self.settled = False
            self.offered_at = now
            self._learn(STATUS, UNKNOWN)
        elif kind == facts_pb2.OFFER_KIND_CONNECTION_SETTINGS:
            self._settings = (content_hash, now)
            self._learn(_SETTINGS_SLOT, UNKNOWN)
        body = facts.offer_delivered(kind, content_hash, offer_id)
        return Fact(self, facts.OFFER_DELIVERED, body, time_unix_nano, variant=kind)

    def _follow(self, message: opamp.AgentToServer, now: float) -> int:
        """
        Follow sequence_num; ask for the full state after each gap, but not for ever.

        An agent that does not count (always 0), or begins anew and tells everything, has lost nothing.
        """
        last, got = self.sequence_num, message.sequence_num
        self.sequence_num = got
        described = message.HasField("agent_description")
        lost = got != last + 1 and not got == last == 0
        if lost and not self.greeted and described and (last < 0 or got in _FRESH_STARTS):
            lost = False
        if not lost:
            self._asks = 0
            if described or self.described:
                self._asked_at = 0.0
                return 0
        elif self._asks < _ASKS:
            self._asks += 1
            self._asked_at = now or 1e-9
            return FULL_STATE
        if self._asked_at and now - self._asked_at < self.rules.ask_again_seconds:
            return 0
        self._asked_at = now or 1e-9
        return FULL_STATE

    def _set_capabilities(self, capabilities: int) -> None:
        self.capabilities = capabilities
        self.caps_suffix = number(4, capabilities)

    def _statuses(self, message: opamp.AgentToServer, step: Step, time_unix_nano: int, *, changed: bool) -> None:
        """
        Turn every present part that differs from what was published into a fact.

        Raises:
            BadMessage: Some parts were refused, and are named; all others were taken.
        """
        told = step.facts
        refused: list[str] = []
        self._identity(message, step, time_unix_nano, refused, changed=changed)
        for slot, kind in _PLAIN:
            if not message.HasField(SLOTS[slot]):
                continue
            part = self._part(message, slot, refused)
            if part is not None:
                told.append(Fact(self, kind, delimited(1, part[0]), time_unix_nano, slots=part[1]))
        if message.HasField("remote_config_status"):
            self._config_status(message.remote_config_status, step)
        if message.HasField("connection_settings_status"):
            reported = message.connection_settings_status.last_connection_settings_hash
            # Before anything was offered in this session, its first message was asked about as a whole.
            step.unsettled = self._settings is not None and reported != self._settings[0]
            step.settings_hash = reported
        if message.HasField("available_components"):
            self._components(message.available_components, step, time_unix_nano, refused)
        if message.HasField("connection_settings_request"):
            self._request(message.connection_settings_request, step, time_unix_nano, refused)
        if message.HasField("custom_message"):
            self._event(message.custom_message, facts.CUSTOM_MESSAGE_RECEIVED, step, time_unix_nano, refused)
        if refused:
            raise BadMessage("; ".join(refused))

    def _event(self, part: Message, kind: int, step: Step, time_unix_nano: int, refused: list[str]) -> bool:
        """Publish a part that is said once and not compared with anything; False when it is too large."""
        body = part.SerializeToString()
        if len(body) > self.rules.max_fact_bytes:
            refused.append(f"{_SAID_ONCE[kind]} is larger than {self.rules.max_fact_bytes} bytes")
            return False
        step.facts.append(Fact(self, kind, delimited(1, body), time_unix_nano))
        return True

    def _request(
        self, request: opamp.ConnectionSettingsRequest, step: Step, time_unix_nano: int, refused: list[str]
    ) -> None:
        """Take a request for a certificate; a request for nothing is no fault."""
        if not request.HasField("opamp"):
            return
        csr = request.opamp.certificate_request.csr
        if not csr:
            refused.append("connection_settings_request.opamp needs a certificate_request with a csr")
        elif len(csr) > _MAX_CSR:
            refused.append(f"the csr is larger than {_MAX_CSR} bytes")
        elif self._event(
            request,
            facts.CONNECTION_SETTINGS_REQUESTED,
            step,
            time_unix_nano,
            refused,
        ):
            step.csr = csr

    def _identity(
        self, message: opamp.AgentToServer, step: Step, time_unix_nano: int, refused: list[str], *, changed: bool
    ) -> None:
        """Publish description, capabilities and custom capabilities together if any of them is new."""
        description = custom = None
        if message.HasField("agent_description"):
            description = self._part(message, _DESCRIPTION, refused)
        if message.HasField("custom_capabilities"):
            custom = self._part(message, CUSTOM, refused)
            if custom is not None:
                self.customs = shared(message.custom_capabilities.capabilities)
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
        """Serialise one part that is there, if it differs from what was last published; tell its new digest."""
        name = SLOTS[slot]
        part: Message = getattr(message, name)
        if (fault := fault_of(name, part, self.rules)) is not None:
            refused.append(fault)
            return None
        # Map order differs from one message of the same agent to the next; sorting costs, so only where it matters.
        body = part.SerializeToString(deterministic=True) if name in _WITH_MAPS else part.SerializeToString()
        if len(body) > self.rules.max_fact_bytes:
            refused.append(f"{name} is larger than {self.rules.max_fact_bytes} bytes")
            return None
        digest = digest_of(body)
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

    def _config_status(self, status: opamp.RemoteConfigStatus, step: Step) -> None:
        reported = self.reported_hash = status.last_remote_config_hash
        if reported == self.served and status.status == _APPLIED:
            # Should it report anything else from now on, it has lost what it had, and may be told again.
            self.settled = True
        if reported not in (self.offered_hash, self.desired) and status.status != _FAILED:
            # Words without a hash are about what was offered, unless they say that there never was anything.
            step.doubtful = bool(reported) or status.status == _UNSET
        if status.status == _FAILED or (reported and reported != self.offered_hash):
            # It runs something else by now: what was offered may be offered again at once.
            self.offered_hash = b""

    def _components(
        self, components: opamp.AvailableComponents, step: Step, time_unix_nano: int, refused: list[str]
    ) -> None:
        """
        Publish which components there are, or the mere hash that stands for them, if that is new.

        Whether somebody knows the list behind a hash is not known here: agent-state asks one agent of the fleet.
        """
        if (fault := fault_of("available_components", components, self.rules)) is not None:
            refused.append(fault)
            return
        body = components.SerializeToString(deterministic=True)
        if len(body) > self.rules.max_fact_bytes:
            refused.append(f"available_components is larger than {self.rules.max_fact_bytes} bytes")
            return
        at = _COMPONENTS * DIGEST
        known = self.digests[at : at + DIGEST]
        whole = digest_of(b"whole" + (components.hash or body))
        digest = whole
        if components.hash and not components.components:
            if known == whole:
                # The list was told under this hash before.
                return
            digest = digest_of(components.hash)
        if self._learn(_COMPONENTS, digest):
            slots = ((_COMPONENTS, digest),)
            step.facts.append(Fact(self, facts.COMPONENTS_REPORTED, delimited(1, body), time_unix_nano, slots=slots))
