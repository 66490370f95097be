"""Agents as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import agents as compose
from api_gateway.models import agents as views
from fleet.api.v1 import agent_state_pb2 as messages
from fleet.api.v1 import config_service_pb2 as configs
from fleet.api.v1.page_pb2 import PageReply
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2

UID = bytes(range(16))
ID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Conforms = Callable[[Any, Any], None]

ORIGINAL_NAMES = {
    "id", "name", "type", "architecture", "hostname", "version", "status", "last_seen_at", "last_connected_at",
    "last_disconnected_at", "disconnect_reason", "labels", "configuration_name", "protocol", "sequence_number",
    "created_at", "updated_at",
}  # fmt: skip


def stamp(moment: datetime) -> Timestamp:
    """Write a time as protobuf does."""
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def agent() -> messages.Agent:
    """Make an agent with everything set."""
    return messages.Agent(
        tenant_id="default",
        instance_uid=UID,
        name="collector",
        version="1.2.3",
        hostname="host-1",
        os_type="linux",
        architecture="amd64",
        status="error",
        link="connected",
        health_state="healthy",
        config_state="failed",
        config_error="line 3: no such receiver",
        last_seen_at=stamp(NOON),
        last_connected_at=stamp(NOON),
        labels={"env": "prod"},
        transport=facts_pb2.TRANSPORT_WEBSOCKET,
        remote_address="192.0.2.1:4444",
        gateway_id="gw-1",
        epoch=7,
        agent_sequence_num=42,
        capabilities=opamp_pb2.AgentCapabilities_ReportsStatus | opamp_pb2.AgentCapabilities_AcceptsRemoteConfig,
        remote_config_hash=b"\xab\xcd",
        created_at=stamp(NOON),
        updated_at=stamp(NOON),
    )


def test_an_agent_has_every_name_of_the_original_and_more(conforms: Conforms) -> None:
    """Clients of the original find what they know."""
    view = compose.agent_view(agent(), configs.AgentConfiguration(instance_uid=UID, configuration_name="edge"))

    conforms(views.Agent, view)
    assert set(view) >= ORIGINAL_NAMES
    assert view["id"] == ID
    assert view["type"] == "linux"
    assert view["protocol"] == "opamp"
    assert view["sequence_number"] == 42
    assert view["configuration_name"] == "edge"
    assert view["last_seen_at"] == NOON
    assert view["last_disconnected_at"] is None
    assert view["capabilities"] == ["ReportsStatus", "AcceptsRemoteConfig"]
    assert view["remote_config_hash"] == "abcd"
    assert view["transport"] == "websocket"
    assert (view["link"], view["config_state"], view["config_error"]) == (
        "connected",
        "failed",
        "line 3: no such receiver",
    )


def test_without_config_service_the_rest_still_stands(conforms: Conforms) -> None:
    """The name is null, not missing."""
    view = compose.agent_view(agent(), None)

    conforms(views.Agent, view)
    assert view["configuration_name"] is None


def test_nothing_matches_is_null_too() -> None:
    """An empty name is no name."""
    assert compose.agent_view(agent(), configs.AgentConfiguration())["configuration_name"] is None


def test_a_detail_shows_what_the_agent_reported(conforms: Conforms) -> None:
    """Attributes, health tree, effective configuration, components, packages."""
    full = agent()
    item = full.description.identifying_attributes.add(key="service.name")
    item.value.string_value = "collector"
    full.health.healthy = True
    full.health.component_health_map["receiver"].last_error = "refused"
    full.effective_config.config_map.config_map["a.yaml"].body = b"a: 1"
    full.effective_config.config_map.config_map["b.bin"].body = b"\xff\xfe"
    full.components.components["receivers"].sub_component_map["otlp"].SetInParent()
    full.custom_capabilities.capabilities.append("x.y")
    full.package_statuses.packages["p"].status = opamp_pb2.PackageStatusEnum_InstallPending
    full.package_statuses.packages["p"].name = "p"
    full.package_statuses.packages["q"].status = 99  # type: ignore[assignment] # from a newer agent

    view = compose.agent_detail_view(full, configs.AgentConfiguration(instance_uid=UID, state="failed", version=3))

    conforms(views.AgentDetail, view)
    assert view["identifying_attributes"] == {"service.name": "collector"}
    assert view["health"] is not None
    assert view["health"]["components"]["receiver"]["last_error"] == "refused"
    assert view["effective_config"] == {
        "config_map": {
            "a.yaml": {"content_type": "", "body": "a: 1", "encoding": "utf-8"},
            "b.bin": {"content_type": "", "body": "//4=", "encoding": "base64"},
        }
    }
    assert view["components"]["receivers"]["components"] == {"otlp": {"metadata": {}, "components": {}}}
    assert [status["status"] for status in view["package_statuses"]] == ["install_pending", "99"]
    assert view["configuration"] is not None
    assert view["configuration"]["version"] == 3


def test_what_was_never_reported_is_null(conforms: Conforms) -> None:
    """Unknown is not the same as empty."""
    view = compose.agent_detail_view(agent(), None)

    conforms(views.AgentDetail, view)
    assert view["health"] is None
    assert view["effective_config"] is None
    assert view["configuration"] is None


def test_a_bottomless_health_tree_is_cut() -> None:
    """An agent chooses the depth of its tree, not of our stack."""
    full = agent()
    node = full.health
    for _ in range(80):
        node = node.component_health_map["x"]
    node.healthy = True

    view = compose.agent_detail_view(full, None)["health"]

    depth = 0
    while view is not None and view["components"]:
        view = view["components"]["x"]
        depth += 1
    assert depth == compose.MAX_DEPTH


def test_a_page_says_where_the_next_one_begins(conforms: Conforms) -> None:
    """Null on the last one."""
    reply = messages.ListAgentsReply(agents=[agent()], page=PageReply(total=7, next_cursor="abc"))

    view = compose.agent_page_view(reply, {}, limit=1, offset=3)

    conforms(views.AgentPage, view)
    assert (view["total"], view["limit"], view["offset"], view["next_cursor"]) == (7, 1, 3, "abc")
    assert compose.agent_page_view(messages.ListAgentsReply(), {}, limit=1, offset=0)["next_cursor"] is None


def test_online_and_offline_add_up_to_the_total(conforms: Conforms) -> None:
    """Error agents are connected: they were missing from both counts in the original."""
    reply = messages.GetStatusSummaryReply(total=100, by_status={"online": 75, "offline": 20, "error": 5})

    view = compose.summary_view(reply)

    conforms(views.StatusSummary, view)
    assert (view["online"], view["offline"], view["error"]) == (80, 20, 5)
    assert view["status_counts"] == {"online": 75, "offline": 20, "error": 5}


def test_an_empty_fleet_has_a_summary_too() -> None:
    """Every status is counted, also at zero."""
    view = compose.summary_view(messages.GetStatusSummaryReply())

    assert view["status_counts"] == {"online": 0, "offline": 0, "error": 0}


def test_a_connection_keeps_the_names_of_the_original(conforms: Conforms) -> None:
    """histories[], remote_addr, duration_seconds; open connections have no end."""
    connection = messages.Connection(
        id=1, instance_uid=UID, epoch=9, connected_at=stamp(NOON), remote_address="192.0.2.1:1", duration_seconds=1.5
    )

    view = compose.connection_page_view(
        messages.ListConnectionsReply(connections=[connection], page=PageReply(total=1)), limit=20, offset=0
    )

    conforms(views.ConnectionHistoryPage, view)
    first = view["histories"][0]
    assert set(first) >= {
        "id", "agent_id", "connected_at", "disconnected_at", "duration_seconds", "disconnect_reason", "remote_addr",
        "created_at", "updated_at",
    }  # fmt: skip
    assert (first["agent_id"], first["disconnected_at"], first["created_at"]) == (ID, None, NOON)


def test_the_state_of_an_agent(conforms: Conforms) -> None:
    """A small answer for those who poll."""
    view = compose.agent_status_view(agent())

    conforms(views.AgentStatus, view)
    assert view["status"] == "error"


def test_why_an_agent_gets_what_it_gets(conforms: Conforms) -> None:
    """Nothing matches: null, none, none."""
    conforms(views.AgentConfiguration, compose.agent_configuration_view(configs.AgentConfiguration()))
    view = compose.agent_configuration_view(
        configs.AgentConfiguration(instance_uid=UID, configuration_name="a", candidates=["a", "b"], reason="selector")
    )

    assert (view["candidates"], view["reason"], view["state"]) == (["a", "b"], "selector", "none")
