"""
What agent-state says to the world after commit: one domain event per transition, by way of the outbox.

Rows are written in the transaction of the change, while the agent's row is locked; so events of one agent stand
in order, and each transition is said exactly once however often its facts arrive.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, cast

from contracts.subjects import agent_event
from fleet.events.v1 import agent_pb2
from servicekit.outbox import OutboxEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent_state.agent import Identity
    from agent_state.agent_store import Change, Deleted
    from agent_state.folding import Fence, Key
    from agent_state.settings_reconcile import Standing
    from fleet.events.v1 import facts_pb2


def events_of(changes: Iterable[Change], described: Mapping[Key, Identity], now: datetime) -> list[OutboxEvent]:
    """
    Tell what a batch of facts changed.

    Args:
        changes: What the batch did to the agent rows.

        described: Agents whose description is not what it was.

        now: Database time.
    """
    events: list[OutboxEvent] = []
    for change in changes:
        before, after = change.before, change.after
        was_connected = before is not None and before.link == "connected"
        is_connected = after.link == "connected"
        if is_connected and not was_connected:
            events.append(online(change, now))
        identity = described.get((after.tenant_id, after.uid))
        if identity is not None:
            event = _event(after.tenant_id, after.uid, after.epoch, after.sequence, now)
            event.described.name = identity.name
            event.described.version = identity.version
            event.described.labels.update(identity.labels)
            events.append(_entry("described", event))
        if after.health.state != "unknown" and (before is None or before.health != after.health):
            event = _event(after.tenant_id, after.uid, after.epoch, after.sequence, now)
            event.health_changed.healthy = after.health.state == "healthy"
            event.health_changed.last_error = after.health.error
            event.health_changed.status = after.health.status
            events.append(_entry("health_changed", event))
        if not is_connected and (was_connected or before is None):
            if before is None:
                events.append(online(change, now))
            ended_at = after.disconnected_at or now
            lasted = max(0.0, (ended_at - after.connected_at).total_seconds())
            events.append(
                offline((after.tenant_id, after.uid), (after.epoch, after.sequence), after.reason, lasted, now)
            )
    return events


def online(change: Change, now: datetime) -> OutboxEvent:
    """Say that an agent is connected."""
    after = change.after
    event = _event(after.tenant_id, after.uid, after.epoch, after.sequence, now)
    event.online.gateway_id = after.gateway_id
    event.online.transport = cast("facts_pb2.Transport", after.transport)
    event.online.first_seen = change.before is None
    return _entry("online", event)


def back_online(key: Key, fence: Fence, gateway_id: str, transport: int, now: datetime) -> OutboxEvent:
    """Say that an agent given up for lost was heard from on the same connection."""
    event = _event(*key, *fence, now)
    event.online.gateway_id = gateway_id
    event.online.transport = cast("facts_pb2.Transport", transport)
    return _entry("online", event)


def offline(key: Key, fence: Fence, reason: str, duration_seconds: float, now: datetime) -> OutboxEvent:
    """Say that an agent is not connected any more."""
    event = _event(*key, *fence, now)
    event.offline.reason = reason
    event.offline.duration_seconds = duration_seconds
    return _entry("offline", event)


def deleted(key: Key, agent: Deleted, now: datetime) -> OutboxEvent:
    """Say that an agent was forgotten."""
    event = _event(*key, agent.epoch, agent.sequence, now)
    event.deleted.SetInParent()
    return _entry("deleted", event)


def enrolled(key: Key, token_id: str, now: datetime) -> OutboxEvent:
    """Say that an enrolment token let an agent in for the first time."""
    event = _event(*key, 0, 0, now)
    event.enrolled.enrolment_token_id = token_id
    return _entry("enrolled", event)


def decided(key: Key, approval: str, author: str, comment: str, now: datetime) -> OutboxEvent:
    """Say what was decided about an agent: approved, rejected or revoked."""
    event = _event(*key, 0, 0, now)
    match approval:
        case "approved":
            event.approved.author, event.approved.comment = author, comment
        case "rejected":
            event.rejected.author, event.rejected.comment = author, comment
        case _:
            event.revoked.author, event.revoked.comment = author, comment
    return _entry(approval, event)


def credential_revoked(key: Key, credential_id: str, author: str, comment: str, now: datetime) -> OutboxEvent:
    """Say that one credential of an agent may not be used any more."""
    event = _event(*key, 0, 0, now)
    event.revoked.author, event.revoked.comment = author, comment
    event.revoked.credential_id = credential_id
    return _entry("revoked", event)


def connection_settings_ended(standing: Standing, epoch: int, now: datetime) -> OutboxEvent:
    """Say what became of the connection settings meant for an agent: applied, or failed."""
    event = _event(standing.tenant_id, standing.uid, epoch, 0, now)
    if standing.state == "applied":
        event.connection_settings_applied.settings_hash = standing.desired_hash
        event.connection_settings_applied.policies.extend(standing.policies)
        return _entry("connection_settings_applied", event)
    event.connection_settings_failed.settings_hash = standing.desired_hash
    event.connection_settings_failed.policies.extend(standing.policies)
    event.connection_settings_failed.error_message = standing.reported_error
    return _entry("connection_settings_failed", event)


def _event(tenant_id: str, uid: bytes, epoch: int, sequence: int, now: datetime) -> agent_pb2.AgentEvent:
    return agent_pb2.AgentEvent(
        event_id=uuid.uuid4().hex,
        tenant_id=tenant_id,
        instance_uid=uid,
        epoch=epoch,
        sequence=sequence,
        time_unix_nano=int(now.timestamp() * 1_000_000) * 1000,
    )


def _entry(what: str, event: agent_pb2.AgentEvent) -> OutboxEvent:
    subject = agent_event(what, event.tenant_id, event.instance_uid)
    return OutboxEvent(subject, event.SerializeToString(), event.event_id)
