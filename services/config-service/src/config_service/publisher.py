"""What config-service says to the rest of the world, through the outbox: after commit, at least once, in order."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from config_service.attempt import AttemptStatus
from contracts import subjects
from fleet.events.v1 import agent_pb2, config_pb2
from servicekit import outbox
from servicekit.outbox import OutboxEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from config_service.target import Attempt, Target
    from servicekit.postgres import Connection

_NANOSECONDS = 1_000_000_000


async def say_config(connection: Connection, what: str, event: config_pb2.ConfigEvent, now: datetime) -> None:
    """Write one event about a configuration; *what* is created, changed, deleted or pushed."""
    event.event_id = str(uuid.uuid4())
    event.time_unix_nano = int(now.timestamp() * _NANOSECONDS)
    subject = subjects.config_event(what, event.tenant_id)
    await outbox.add(connection, [OutboxEvent(subject, event.SerializeToString(), event.event_id)])


async def say_outcomes(connection: Connection, outcomes: Sequence[tuple[Target, Attempt]], now: datetime) -> None:
    """Write config_applied and config_failed events for attempts that just came out so."""
    await outbox.add(connection, [_outcome(target, attempt, now) for target, attempt in outcomes])


def is_outcome(attempt: Attempt) -> bool:
    """Say whether the world hears of an attempt in this status."""
    return attempt.status in (AttemptStatus.APPLIED, AttemptStatus.FAILED, AttemptStatus.ROLLED_BACK_BY_AGENT)


def _outcome(target: Target, attempt: Attempt, now: datetime) -> OutboxEvent:
    epoch, sequence = target.fences.get("status", (target.epoch, 0))
    event = agent_pb2.AgentEvent(
        event_id=str(uuid.uuid4()),
        tenant_id=target.tenant_id,
        instance_uid=target.uid,
        epoch=epoch,
        sequence=sequence,
        time_unix_nano=int(now.timestamp() * _NANOSECONDS),
    )
    if attempt.status is AttemptStatus.APPLIED:
        what = "config_applied"
        event.config_applied.configuration_name = attempt.name
        event.config_applied.version = attempt.version
        event.config_applied.config_hash = attempt.config_hash
    else:
        what = "config_failed"
        event.config_failed.configuration_name = attempt.name
        event.config_failed.version = attempt.version
        event.config_failed.config_hash = attempt.config_hash
        event.config_failed.error_message = attempt.error
    return OutboxEvent(
        subjects.agent_event(what, target.tenant_id, target.uid), event.SerializeToString(), event.event_id
    )
