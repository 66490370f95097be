"""config-service's configurations, versions and attempts become views; drafts become messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from api_gateway.compose.values import moment, uid_text
from api_gateway.models import configurations as views
from fleet.api.v1 import config_service_pb2 as messages

if TYPE_CHECKING:
    from contracts.ids import AgentUid


def configuration_view(configuration: messages.Configuration) -> views.Configuration:
    """Compose one configuration."""
    return {
        "name": configuration.name,
        "display_name": configuration.display_name,
        "description": configuration.description,
        "content_type": configuration.content_type,
        "raw_config": configuration.raw_config,
        "config_hash": configuration.config_hash.hex(),
        "version": configuration.version,
        "last_applied_at": moment(configuration.last_applied_at),
        "selector": dict(configuration.selector),
        "priority": configuration.priority,
        "platform": _platform_view(configuration.platform),
        "created_by": configuration.author,
        "change_description": configuration.comment,
        "created_at": moment(configuration.created_at),
        "updated_at": moment(configuration.updated_at),
    }


def configuration_page_view(
    reply: messages.ListConfigurationsReply, *, limit: int, offset: int
) -> views.ConfigurationPage:
    """Compose a page of configurations."""
    return {
        "configurations": [configuration_view(configuration) for configuration in reply.configurations],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def version_view(version: messages.Configuration) -> views.ConfigurationHistory:
    """Compose one version; its created_at is when the version was made."""
    return {
        "id": version.version_id,
        "configuration_name": version.name,
        "version": version.version,
        "content_type": version.content_type,
        "raw_config": version.raw_config,
        "config_hash": version.config_hash.hex(),
        "selector": dict(version.selector),
        "priority": version.priority,
        "platform": _platform_view(version.platform),
        "display_name": version.display_name,
        "description": version.description,
        "change_description": version.comment,
        "created_by": version.author,
        "rolled_back_to": version.rolled_back_to or None,
        "created_at": moment(version.updated_at),
    }


def version_page_view(reply: messages.ListVersionsReply, *, limit: int, offset: int) -> views.ConfigurationHistoryPage:
    """Compose a page of versions."""
    return {
        "histories": [version_view(version) for version in reply.versions],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def attempt_view(attempt: messages.Attempt) -> views.ApplyHistory:
    """Compose one attempt."""
    return {
        "id": attempt.id,
        "agent_id": uid_text(attempt.instance_uid),
        "configuration_name": attempt.configuration_name,
        "version": attempt.version,
        "config_hash": attempt.config_hash.hex(),
        "status": attempt.status,
        "error_message": attempt.error_message,
        "attempt": attempt.attempt,
        "cause": attempt.cause,
        "requested_by": attempt.requested_by,
        "confirmed": attempt.confirmed,
        "offered_at": moment(attempt.offered_at),
        "applied_at": moment(attempt.applied_at),
        "created_at": moment(attempt.created_at),
        "updated_at": moment(attempt.updated_at),
    }


def attempt_page_view(reply: messages.ListAttemptsReply, *, limit: int, offset: int) -> views.ApplyHistoryPage:
    """Compose a page of attempts."""
    return {
        "histories": [attempt_view(attempt) for attempt in reply.attempts],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
        "status_counts": dict(reply.status_counts),
    }


def push_view(name: str, reply: messages.PushConfigurationReply) -> views.PushResult:
    """Compose the outcome of a push; lists are never null."""
    failures: list[views.PushFailure] = [
        {"agent_id": uid_text(failure.instance_uid), "reason": failure.reason} for failure in reply.failed
    ]
    affected = [uid_text(uid) for uid in reply.affected_uids]
    total = len(affected) + len(failures)
    return {
        "message": f"configuration {name} pushed to {len(affected)} of {total} agents"
        if total
        else f"no connected agent should run configuration {name}",
        "affected_agents": affected,
        "failed_agents": [failure["agent_id"] for failure in failures],
        "total": total,
        "failed": len(failures),
        "failures": failures,
    }


def status_view(name: str, reply: messages.GetConfigurationStatusReply) -> views.ConfigurationStatus:
    """Compose where a configuration's agents stand."""
    return {
        "name": name,
        "desired": reply.desired,
        "connected": reply.connected,
        "state_counts": dict(reply.by_state),
    }


def draft_message(draft: views.ConfigurationDraft) -> messages.ConfigurationDraft:
    """Write what a person sent as a message; what was left out stays absent, which keeps its value."""
    message = messages.ConfigurationDraft()
    for field in ("display_name", "description", "content_type", "raw_config", "priority"):
        value = getattr(draft, field)
        if value is not None:
            setattr(message, field, value)
    if draft.selector is not None:
        message.selector.SetInParent()
        message.selector.match_labels.update(draft.selector)
    if draft.platform is not None:
        message.platform.SetInParent()
        message.platform.sources.extend(_component_messages(draft.platform.sources))
        message.platform.processors.extend(_component_messages(draft.platform.processors))
        message.platform.destinations.extend(_component_messages(draft.platform.destinations))
    return message


def push_message(tenant_id: str, name: str, uids: Sequence[AgentUid], author: str) -> messages.PushConfigurationRequest:
    """Write a push; every agent once, in the order first named."""
    return messages.PushConfigurationRequest(
        tenant_id=tenant_id, name=name, instance_uids=list(dict.fromkeys(uids)), author=author
    )


def _component_messages(components: Sequence[views.PlatformComponent]) -> list[messages.Component]:
    return [
        messages.Component(
            name=component.name, type=component.type, parameters_json=orjson.dumps(component.parameters).decode()
        )
        for component in components
    ]


def _platform_view(platform: messages.Platform) -> views.Platform:
    return {
        "sources": [_component_view(component) for component in platform.sources],
        "processors": [_component_view(component) for component in platform.processors],
        "destinations": [_component_view(component) for component in platform.destinations],
    }


def _component_view(component: messages.Component) -> views.PlatformPart:
    return {"name": component.name, "type": component.type, "parameters": _parameters(component.parameters_json)}


def _parameters(text: str) -> dict[str, Any]:
    if not text:
        return {}
    parameters = orjson.loads(text)
    return parameters if isinstance(parameters, dict) else {"value": parameters}
