"""Between the messages of fleet.api.v1 and what the rest of this service speaks. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from config_service.document import Component, Document, Draft, Platform
from config_service.errors import InvalidConfiguration
from fleet.api.v1 import config_service_pb2 as api
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from config_service.selector import Candidate
    from config_service.target import Attempt, Target


def draft_of(message: api.ConfigurationDraft) -> Draft:
    """
    Read an edit; absent fields stay absent.

    Raises:
        InvalidConfiguration: parameters_json of a component is not a JSON object.
    """
    return Draft(
        display_name=message.display_name if message.HasField("display_name") else None,
        description=message.description if message.HasField("description") else None,
        content_type=message.content_type if message.HasField("content_type") else None,
        raw_config=message.raw_config if message.HasField("raw_config") else None,
        selector=dict(message.selector.match_labels) if message.HasField("selector") else None,
        priority=message.priority if message.HasField("priority") else None,
        platform=_platform_of(message.platform) if message.HasField("platform") else None,
    )


def configuration_message(
    tenant_id: str,
    name: str,
    document: Document,
    *,
    version: int = 0,
    version_id: int = 0,
    author: str = "",
    comment: str = "",
    rolled_back_to: int = 0,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
    last_applied_at: datetime | None = None,
    config_hash: bytes = b"",
) -> api.Configuration:
    """Write a version; without a body when the document has none."""
    return api.Configuration(
        tenant_id=tenant_id,
        name=name,
        display_name=document.display_name,
        description=document.description,
        content_type=document.content_type,
        raw_config=document.raw_config,
        config_hash=config_hash or document.config_hash,
        version=version,
        selector=document.selector,
        priority=document.priority,
        platform=api.Platform(
            sources=_components(document.platform.sources),
            processors=_components(document.platform.processors),
            destinations=_components(document.platform.destinations),
        ),
        created_at=_timestamp(created_at),
        updated_at=_timestamp(updated_at),
        last_applied_at=_timestamp(last_applied_at),
        author=author,
        comment=comment,
        rolled_back_to=rolled_back_to,
        version_id=version_id,
    )


def attempt_message(uid: bytes, attempt: Attempt, created_at: datetime, updated_at: datetime) -> api.Attempt:
    """Write one row of the ledger."""
    return api.Attempt(
        id=attempt.id,
        instance_uid=uid,
        configuration_name=attempt.name,
        version=attempt.version,
        config_hash=attempt.config_hash,
        attempt=attempt.number,
        status=attempt.status.value,
        error_message=attempt.error,
        cause=attempt.cause.value,
        requested_by=attempt.requested_by,
        created_at=_timestamp(created_at),
        offered_at=_timestamp(attempt.offered_at),
        applied_at=_timestamp(attempt.applied_at),
        updated_at=_timestamp(updated_at),
        confirmed=attempt.confirmed,
    )


def agent_message(target: Target, candidates: Sequence[Candidate]) -> api.AgentConfiguration:
    """Write where an agent stands and why."""
    desired = target.desired
    return api.AgentConfiguration(
        instance_uid=target.uid,
        configuration_name=desired.name if desired else "",
        version=desired.version if desired else 0,
        desired_hash=desired.config_hash if desired else b"",
        offered_hash=target.offered_hash,
        reported_hash=target.reported_hash,
        state=target.state.value,
        error_message=target.error,
        reason=target.reason.value,
        candidates=[candidate.name for candidate in candidates],
        quarantined=target.quarantined,
        assigned_name=target.assigned_name,
    )


def _platform_of(message: api.Platform) -> Platform:
    return Platform(
        sources=tuple(_components_of("sources", message.sources)),
        processors=tuple(_components_of("processors", message.processors)),
        destinations=tuple(_components_of("destinations", message.destinations)),
    )


def _components_of(group: str, messages: Iterable[api.Component]) -> Iterable[Component]:
    for index, message in enumerate(messages):
        where = f"platform.{group}[{index}].parameters"
        try:
            parameters = json.loads(message.parameters_json or "{}")
        except (ValueError, RecursionError):
            raise InvalidConfiguration([Problem(where, "must be a JSON object")]) from None
        if not isinstance(parameters, dict):
            raise InvalidConfiguration([Problem(where, "must be a JSON object")])
        yield Component(message.name, message.type, parameters)


def _components(components: Sequence[Component]) -> list[api.Component]:
    return [
        api.Component(
            name=component.name,
            type=component.type,
            parameters_json=json.dumps(component.parameters, ensure_ascii=False, separators=(",", ":")),
        )
        for component in components
    ]


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
