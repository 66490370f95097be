"""
Fold a batch of facts into one change per agent. Pure.

Each kind of fact is a register: of two facts the one with the greater (epoch, sequence) stands. Folding first and
comparing with the stored fence afterwards therefore gives the same as applying facts one by one, in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agent_state.agent import clean, to_signed
from contracts.ids import UID_LENGTH, is_tenant_id
from contracts.labels import MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS
from fleet.events.v1 import facts_pb2 as facts

if TYPE_CHECKING:
    from opamp.v1 import opamp_pb2 as opamp

Key = tuple[str, bytes]
"""(tenant_id, instance_uid)"""

Fence = tuple[int, int]
"""(epoch, sequence)"""

NEVER: Fence = (0, 0)
MAX_AGE = timedelta(hours=25)
"""The facts stream keeps a day; a fact that claims to be older has a wrong clock."""

HIGHEST_EPOCH = 1 << 62
"""A greater number was not counted but made up; following it would use up all there are."""

MAX_REASON_CHARACTERS = 200
MAX_CREDENTIAL_ID_CHARACTERS = 64
MAX_STAMPED_LABELS = 64
_MAX_NUMBER = (1 << 63) - 1
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)

_TRANSPORTS = frozenset((0, 1, 2))
_IGNORED = frozenset(
    {None, "connection_settings_requested", "custom_message_received", "offer_delivered"},
)
"""Kinds other services care about."""


@dataclass(slots=True)
class ConnectionDelta:
    """What a batch says of one connection."""

    opened_at: datetime
    """When Connected was said; before that is known, the time of the earliest other fact."""

    gateway_id: str
    connected_sequence: int = 0
    """0 while the connection is only implied by other facts."""

    transport: int = 0
    remote_address: str = ""
    credential_id: str = ""
    stamped: dict[str, str] | None = None
    """Labels its enrolment stamps on the agent; None = none."""

    withheld: bool = False
    closed_at: datetime | None = None
    reason: str = ""


@dataclass(slots=True)
class AgentDelta:
    """What a batch says of one agent."""

    tenant_id: str
    uid: bytes
    fence: Fence = NEVER
    agent_sequence_num: int = 0
    gateway_id: str = ""
    connections: dict[int, ConnectionDelta] = field(default_factory=dict)
    closed_epoch: int = 0
    capabilities: int = 0
    capabilities_fence: Fence = NEVER
    description: opamp.AgentDescription | None = None
    description_fence: Fence = NEVER
    custom_capabilities: opamp.CustomCapabilities | None = None
    custom_capabilities_fence: Fence = NEVER
    health: opamp.ComponentHealth | None = None
    health_fence: Fence = NEVER
    config_status: opamp.RemoteConfigStatus | None = None
    config_status_fence: Fence = NEVER
    effective_config: opamp.EffectiveConfig | None = None
    effective_config_fence: Fence = NEVER
    components: opamp.AvailableComponents | None = None
    components_fence: Fence = NEVER
    package_statuses: opamp.PackageStatuses | None = None
    package_statuses_fence: Fence = NEVER
    connection_settings_status: opamp.ConnectionSettingsStatus | None = None
    connection_settings_status_fence: Fence = NEVER

    @property
    def key(self) -> Key:
        """Which agent."""
        return self.tenant_id, self.uid

    @property
    def newest(self) -> ConnectionDelta:
        """The connection of the highest epoch."""
        return self.connections[self.fence[0]]

    def advance(self, kind: str, fence: Fence, value: object) -> None:
        """Put *value* into the register called *kind* unless it holds something newer."""
        if fence > getattr(self, f"{kind}_fence"):
            setattr(self, kind, value)
            setattr(self, f"{kind}_fence", fence)


@dataclass(slots=True)
class Folded:
    """One batch, folded."""

    deltas: list[AgentDelta]
    """By key, so that every transaction locks rows in the same order."""

    refused: int
    """Facts no gateway of ours would say: bad uid, tenant or fence."""

    highest_epoch: int = 0
    """Of all sound facts, those of deleted agents included."""

    settings_delivered: list[facts.Fact] = field(default_factory=list)
    """Offers of connection settings that reached their agents."""


def fold(batches: Iterable[facts.FactBatch], now: datetime, tombstones: Mapping[Key, int] | None = None) -> Folded:
    """
    Fold facts into one delta per agent.

    Args:
        batches: As read from the bus, any order, repeats allowed.

        now: Database time; gateway clocks are bent into the last day.

        tombstones: Epoch up to which facts of a deleted agent are ignored.
    """
    agents: dict[Key, AgentDelta] = {}
    refused = highest_epoch = 0
    buried = tombstones or {}
    delivered: list[facts.Fact] = []
    for batch in batches:
        gateway_id = clean(batch.gateway_id, MAX_REASON_CHARACTERS)
        for fact in batch.facts:
            kind = fact.WhichOneof("kind")
            if kind in _IGNORED:
                if kind == "offer_delivered" and _tells_of_settings(fact):
                    delivered.append(fact)
                continue
            if not _is_sound(fact):
                refused += 1
                continue
            highest_epoch = max(highest_epoch, fact.epoch)
            key = (fact.tenant_id, fact.instance_uid)
            if buried and fact.epoch <= buried.get(key, 0):
                continue
            agent = agents.get(key)
            if agent is None:
                agent = agents[key] = AgentDelta(*key)
            _add(agent, fact, str(kind), gateway_id, _time_of(fact, now))
    return Folded([agents[key] for key in sorted(agents)], refused, highest_epoch, delivered)


def keys_of(batches: Iterable[facts.FactBatch]) -> set[Key]:
    """List whom the batches speak of, unsound facts left out."""
    return {(fact.tenant_id, fact.instance_uid) for batch in batches for fact in batch.facts if _is_sound(fact)}


def _tells_of_settings(fact: facts.Fact) -> bool:
    return fact.offer_delivered.kind == facts.OFFER_KIND_CONNECTION_SETTINGS and _is_sound(fact)


def _is_sound(fact: facts.Fact) -> bool:
    return (
        len(fact.instance_uid) == UID_LENGTH
        and is_tenant_id(fact.tenant_id)
        and 0 < fact.epoch <= HIGHEST_EPOCH
        and 0 < fact.sequence <= _MAX_NUMBER
    )


def _time_of(fact: facts.Fact, now: datetime) -> datetime:
    try:
        said = _EPOCH_START + timedelta(microseconds=fact.time_unix_nano // 1000)
    except OverflowError:
        return now
    return min(max(said, now - MAX_AGE), now)


def _add(  # noqa: C901, PLR0912 - one line per kind of fact
    agent: AgentDelta, fact: facts.Fact, kind: str, gateway_id: str, at: datetime
) -> None:
    fence = (fact.epoch, fact.sequence)
    if fence > agent.fence:
        agent.fence = fence
        agent.agent_sequence_num = to_signed(fact.agent_sequence_num)
        agent.gateway_id = gateway_id
    connection = agent.connections.get(fact.epoch)
    if connection is None:
        connection = agent.connections[fact.epoch] = ConnectionDelta(at, gateway_id)
    elif not connection.connected_sequence:
        connection.opened_at = min(connection.opened_at, at)
    match kind:
        case "connected":
            _connect(agent, connection, fact, at)
        case "disconnected":
            _disconnect(agent, connection, fact, at)
        case "described":
            _describe(agent, fact, fence)
        case "health_reported":
            agent.advance("health", fence, fact.health_reported.health)
        case "remote_config_status_reported":
            agent.advance("config_status", fence, fact.remote_config_status_reported.status)
        case "effective_config_reported":
            agent.advance("effective_config", fence, fact.effective_config_reported.effective_config)
        case "components_reported":
            agent.advance("components", fence, fact.components_reported.components)
        case "package_statuses_reported":
            agent.advance("package_statuses", fence, fact.package_statuses_reported.statuses)
        case "connection_settings_status_reported":
            status = fact.connection_settings_status_reported.status
            agent.advance("connection_settings_status", fence, status)
        case _:
            pass


def _connect(agent: AgentDelta, connection: ConnectionDelta, fact: facts.Fact, at: datetime) -> None:
    said = fact.connected
    seen = connection.connected_sequence
    connection.opened_at = min(connection.opened_at, at) if seen else at
    if fact.sequence >= seen:
        connection.connected_sequence = fact.sequence
        connection.transport = said.transport if said.transport in _TRANSPORTS else 0
        connection.remote_address = clean(said.remote_address, MAX_REASON_CHARACTERS)
        connection.gateway_id = clean(said.gateway_id, MAX_REASON_CHARACTERS) or connection.gateway_id
        connection.credential_id = clean(said.credential_id, MAX_CREDENTIAL_ID_CHARACTERS)
        connection.stamped = _stamped(said) if said.labels else None
        connection.withheld = said.withheld
    if said.capabilities:
        agent.advance("capabilities", (fact.epoch, fact.sequence), to_signed(said.capabilities))


def _stamped(said: facts.Connected) -> dict[str, str]:
    """Take stamped labels over, bounded as every label is."""
    return {
        clean(key, MAX_KEY_CHARACTERS): clean(value, MAX_VALUE_CHARACTERS)
        for key, value in sorted(said.labels.items())[:MAX_STAMPED_LABELS]
    }


def _disconnect(agent: AgentDelta, connection: ConnectionDelta, fact: facts.Fact, at: datetime) -> None:
    """A connection ends once; should two ends be told, it ended with the first."""
    if connection.closed_at is None or at < connection.closed_at:
        connection.closed_at = at
        connection.reason = clean(fact.disconnected.reason, MAX_REASON_CHARACTERS)
    agent.closed_epoch = max(agent.closed_epoch, fact.epoch)


def _describe(agent: AgentDelta, fact: facts.Fact, fence: Fence) -> None:
    said = fact.described
    if said.HasField("description"):
        agent.advance("description", fence, said.description)
    if said.HasField("custom_capabilities"):
        agent.advance("custom_capabilities", fence, said.custom_capabilities)
    if said.capabilities:
        agent.advance("capabilities", fence, to_signed(said.capabilities))
