"""agent-state's agents and config-service's verdicts become Agent, AgentDetail and their lists."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from api_gateway.compose.values import attributes, moment, moment_of_nanos, uid_text
from api_gateway.models import agents as views
from contracts import capabilities
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2

if TYPE_CHECKING:
    from fleet.api.v1 import agent_state_pb2, config_service_pb2

MAX_DEPTH = 32
"""Trees an agent reports are cut below this: its depth is the agent's choice, our stack is not."""

_TRANSPORTS: dict[int, str] = {
    facts_pb2.TRANSPORT_WEBSOCKET: "websocket",
    facts_pb2.TRANSPORT_HTTP: "http",
}

Names = Mapping[bytes, "config_service_pb2.AgentConfiguration"]


def agent_view(
    agent: agent_state_pb2.Agent, configuration: config_service_pb2.AgentConfiguration | None
) -> views.Agent:
    """Compose one agent; *configuration* is None when config-service did not tell."""
    return {
        "id": uid_text(agent.instance_uid),
        "name": agent.name,
        "type": agent.os_type,
        "architecture": agent.architecture,
        "hostname": agent.hostname,
        "version": agent.version,
        "status": agent.status,
        "link": agent.link,
        "health_state": agent.health_state,
        "health_error": agent.health_error,
        "config_state": agent.config_state,
        "config_error": agent.config_error,
        "last_seen_at": moment(agent.last_seen_at),
        "last_connected_at": moment(agent.last_connected_at),
        "last_disconnected_at": moment(agent.last_disconnected_at),
        "disconnect_reason": agent.disconnect_reason,
        "labels": dict(agent.labels),
        "stamped_labels": dict(agent.stamped_labels),
        "approval": agent.approval or "approved",
        "enrolment_token_id": agent.enrolment_token_id,
        "ephemeral_seconds": agent.ephemeral_seconds,
        "configuration_name": (configuration.configuration_name or None) if configuration else None,
        "protocol": "opamp",
        "transport": _TRANSPORTS.get(agent.transport, ""),
        "remote_addr": agent.remote_address,
        "gateway_id": agent.gateway_id,
        "sequence_number": agent.agent_sequence_num,
        "capabilities": list(_capability_names(agent.capabilities)),
        "remote_config_hash": agent.remote_config_hash.hex(),
        "created_at": moment(agent.created_at),
        "updated_at": moment(agent.updated_at),
    }


def agent_detail_view(
    agent: agent_state_pb2.Agent, configuration: config_service_pb2.AgentConfiguration | None
) -> views.AgentDetail:
    """Compose one agent with everything it reported."""
    return {
        **agent_view(agent, configuration),
        "identifying_attributes": attributes(agent.description.identifying_attributes),
        "non_identifying_attributes": attributes(agent.description.non_identifying_attributes),
        "health": _health_view(agent.health) if agent.HasField("health") else None,
        "effective_config": _effective_view(agent.effective_config) if agent.HasField("effective_config") else None,
        "components": _components_view(agent.components.components),
        "custom_capabilities": list(agent.custom_capabilities.capabilities),
        "package_statuses": [_package_view(status) for _, status in sorted(agent.package_statuses.packages.items())],
        "configuration": agent_configuration_view(configuration) if configuration else None,
    }


def agent_page_view(
    reply: agent_state_pb2.ListAgentsReply, configurations: Names, *, limit: int, offset: int
) -> views.AgentPage:
    """Compose a page of agents; *configurations* may lack any of them."""
    return {
        "agents": [agent_view(agent, configurations.get(agent.instance_uid)) for agent in reply.agents],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def agent_status_view(agent: agent_state_pb2.Agent) -> views.AgentStatus:
    """Compose the state of one agent."""
    return {
        "id": uid_text(agent.instance_uid),
        "status": agent.status,
        "link": agent.link,
        "health_state": agent.health_state,
        "health_error": agent.health_error,
        "config_state": agent.config_state,
        "config_error": agent.config_error,
        "last_seen_at": moment(agent.last_seen_at),
        "last_connected_at": moment(agent.last_connected_at),
        "last_disconnected_at": moment(agent.last_disconnected_at),
        "disconnect_reason": agent.disconnect_reason,
    }


def summary_view(reply: agent_state_pb2.GetStatusSummaryReply) -> views.StatusSummary:
    """Compose the summary: online and offline split the fleet by connection, so they add up to total."""
    offline = reply.by_status.get("offline", 0)
    return {
        "total": reply.total,
        "online": reply.total - offline,
        "offline": offline,
        "error": reply.by_status.get("error", 0),
        "status_counts": {status: reply.by_status.get(status, 0) for status in ("online", "offline", "error")},
        "link_counts": dict(reply.by_link),
        "health_counts": dict(reply.by_health_state),
        "config_counts": dict(reply.by_config_state),
    }


def connection_view(connection: agent_state_pb2.Connection) -> views.ConnectionHistory:
    """Compose one connection."""
    return {
        "id": connection.id,
        "agent_id": uid_text(connection.instance_uid),
        "connected_at": moment(connection.connected_at),
        "disconnected_at": moment(connection.disconnected_at),
        "duration_seconds": connection.duration_seconds,
        "disconnect_reason": connection.disconnect_reason,
        "remote_addr": connection.remote_address,
        "gateway_id": connection.gateway_id,
        "transport": _TRANSPORTS.get(connection.transport, ""),
        "epoch": connection.epoch,
        "created_at": moment(connection.connected_at),
        "updated_at": moment(connection.updated_at),
    }


def connection_page_view(
    reply: agent_state_pb2.ListConnectionsReply, *, limit: int, offset: int
) -> views.ConnectionHistoryPage:
    """Compose a page of connections."""
    return {
        "histories": [connection_view(connection) for connection in reply.connections],
        "total": reply.page.total,
        "limit": limit,
        "offset": offset,
        "next_cursor": reply.page.next_cursor or None,
    }


def agent_configuration_view(configuration: config_service_pb2.AgentConfiguration) -> views.AgentConfiguration:
    """Compose why an agent gets what it gets."""
    return {
        "agent_id": uid_text(configuration.instance_uid),
        "configuration_name": configuration.configuration_name or None,
        "version": configuration.version or None,
        "state": configuration.state or "none",
        "reason": configuration.reason or "none",
        "error_message": configuration.error_message,
        "quarantined": configuration.quarantined,
        "assigned_name": configuration.assigned_name or None,
        "candidates": list(configuration.candidates),
        "desired_hash": configuration.desired_hash.hex(),
        "offered_hash": configuration.offered_hash.hex(),
        "reported_hash": configuration.reported_hash.hex(),
    }


def _health_view(health: opamp_pb2.ComponentHealth, depth: int = MAX_DEPTH) -> views.ComponentHealth:
    parts = health.component_health_map.items() if depth else ()
    return {
        "healthy": health.healthy,
        "status": health.status,
        "last_error": health.last_error,
        "start_time": moment_of_nanos(health.start_time_unix_nano),
        "status_time": moment_of_nanos(health.status_time_unix_nano),
        "components": {name: _health_view(part, depth - 1) for name, part in sorted(parts)},
    }


def _components_view(
    components: Mapping[str, opamp_pb2.ComponentDetails], depth: int = MAX_DEPTH
) -> dict[str, views.ComponentDetails]:
    if not depth:
        return {}
    return {
        name: {
            "metadata": attributes(component.metadata),
            "components": _components_view(component.sub_component_map, depth - 1),
        }
        for name, component in sorted(components.items())
    }


def _effective_view(effective: opamp_pb2.EffectiveConfig) -> views.EffectiveConfig:
    files = effective.config_map.config_map
    return {"config_map": {name: _file_view(file) for name, file in sorted(files.items())}}


def _file_view(file: opamp_pb2.AgentConfigFile) -> views.ConfigFile:
    try:
        body, encoding = file.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(file.body).decode(), "base64"
    return {"content_type": file.content_type, "body": body, "encoding": encoding}


def _package_view(status: opamp_pb2.PackageStatus) -> views.PackageStatus:
    names = opamp_pb2.PackageStatusEnum.DESCRIPTOR.values_by_number
    known = names.get(status.status)
    return {
        "name": status.name,
        "agent_has_version": status.agent_has_version,
        "server_offered_version": status.server_offered_version,
        "status": _snake(known.name.removeprefix("PackageStatusEnum_")) if known else str(status.status),
        "error_message": status.error_message,
    }


@lru_cache(maxsize=256)
def _capability_names(bits: int) -> tuple[str, ...]:
    """Agents of a fleet share a few sets of capabilities; a page of a thousand asks for the same names."""
    return tuple(capabilities.names(bits))


def _snake(name: str) -> str:
    """InstallPending becomes install_pending."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
