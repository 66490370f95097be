"""Configurations as the API shows and takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api_gateway.compose import configurations as compose
from api_gateway.models import configurations as views
from contracts.ids import AgentUid
from fleet.api.v1 import config_service_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

UID = bytes(range(16))
ID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
Conforms = Callable[[Any, Any], None]


def configuration() -> messages.Configuration:
    """Make a configuration with everything set."""
    return messages.Configuration(
        name="edge",
        display_name="Edge",
        content_type="yaml",
        raw_config="a: 1",
        config_hash=b"\x01\xff",
        version=3,
        version_id=30,
        selector={"env": "prod"},
        priority=5,
        platform=messages.Platform(sources=[messages.Component(name="s", type="t", parameters_json='{"a": [1]}')]),
        author="jo",
        comment="why",
        rolled_back_to=1,
    )


def test_a_configuration_has_every_name_of_the_original(conforms: Conforms) -> None:
    """And who made this version, and why."""
    view = compose.configuration_view(configuration())

    conforms(views.Configuration, view)
    assert set(view) >= {
        "name", "display_name", "description", "content_type", "raw_config", "config_hash", "version",
        "last_applied_at", "selector", "platform", "created_at", "updated_at",
    }  # fmt: skip
    assert view["config_hash"] == "01ff"
    assert view["platform"] == {
        "sources": [{"name": "s", "type": "t", "parameters": {"a": [1]}}],
        "processors": [],
        "destinations": [],
    }
    assert (view["created_by"], view["change_description"]) == ("jo", "why")


def test_a_version_has_every_name_of_the_original(conforms: Conforms) -> None:
    """created_by and change_description are filled, as they never were."""
    reply = messages.ListVersionsReply(versions=[configuration()], page=PageReply(total=3, next_cursor="c"))

    view = compose.version_page_view(reply, limit=1, offset=0)

    conforms(views.ConfigurationHistoryPage, view)
    first = view["histories"][0]
    assert set(first) >= {
        "id", "configuration_name", "version", "content_type", "raw_config", "config_hash", "selector", "platform",
        "change_description", "created_by", "created_at",
    }  # fmt: skip
    assert (first["id"], first["rolled_back_to"], view["next_cursor"]) == (30, 1, "c")


def test_an_attempt_has_every_name_of_the_original(conforms: Conforms) -> None:
    """And the version it was about, with counts by status."""
    attempt = messages.Attempt(
        id=1, instance_uid=UID, configuration_name="edge", version=3, status="failed", error_message="no"
    )

    view = compose.attempt_page_view(
        messages.ListAttemptsReply(attempts=[attempt], page=PageReply(total=1), status_counts={"failed": 1}),
        limit=20,
        offset=0,
    )

    conforms(views.ApplyHistoryPage, view)
    first = view["histories"][0]
    assert set(first) >= {
        "id", "agent_id", "configuration_name", "config_hash", "status", "error_message", "applied_at", "created_at",
        "updated_at",
    }  # fmt: skip
    assert (first["agent_id"], first["applied_at"], view["status_counts"]) == (ID, None, {"failed": 1})


def test_a_push_tells_who_failed_and_why(conforms: Conforms) -> None:
    """Lists are never null, reasons are never swallowed."""
    reply = messages.PushConfigurationReply(
        affected_uids=[UID], failed=[messages.PushFailure(instance_uid=bytes(16), reason="not connected")]
    )

    view = compose.push_view("edge", reply)

    conforms(views.PushResult, view)
    assert view["message"] == "configuration edge pushed to 1 of 2 agents"
    assert (view["affected_agents"], view["total"], view["failed"]) == ([ID], 2, 1)
    assert view["failures"][0]["reason"] == "not connected"


def test_a_push_to_nobody_says_so(conforms: Conforms) -> None:
    """Zero of zero reads oddly."""
    view = compose.push_view("edge", messages.PushConfigurationReply())

    conforms(views.PushResult, view)
    assert view["message"] == "no connected agent should run configuration edge"
    assert (view["affected_agents"], view["failed_agents"]) == ([], [])


def test_a_list_and_a_status(conforms: Conforms) -> None:
    """The remaining views."""
    reply = messages.ListConfigurationsReply(configurations=[configuration()], page=PageReply(total=1))

    conforms(views.ConfigurationPage, compose.configuration_page_view(reply, limit=20, offset=0))
    conforms(
        views.ConfigurationStatus,
        compose.status_view("edge", messages.GetConfigurationStatusReply(desired=3, by_state={"applied": 2})),
    )


def test_what_is_left_out_of_a_draft_stays_absent() -> None:
    """An omitted field keeps its value; in the original it was blanked."""
    message = compose.draft_message(views.ConfigurationChange.model_validate({"description": ""}))

    assert message.HasField("description")
    for field in ("display_name", "content_type", "raw_config", "selector", "priority", "platform"):
        assert not message.HasField(field), field


def test_null_keeps_and_empty_empties() -> None:
    """The difference between not saying and saying nothing."""
    kept = compose.draft_message(views.ConfigurationChange.model_validate({"selector": None, "platform": None}))
    emptied = compose.draft_message(views.ConfigurationChange.model_validate({"selector": {}, "platform": {}}))

    assert not kept.HasField("selector")
    assert not kept.HasField("platform")
    assert emptied.HasField("selector")
    assert emptied.HasField("platform")


def test_a_draft_carries_everything() -> None:
    """Selector, priority, components with their parameters."""
    draft = views.NewConfiguration.model_validate(
        {
            "name": "edge",
            "selector": {"env": "prod"},
            "priority": -3,
            "platform": {"destinations": [{"name": "d", "type": "otlp", "parameters": {"endpoint": "x"}}]},
            "change_description": "first",
        }
    )

    message = compose.draft_message(draft)

    assert dict(message.selector.match_labels) == {"env": "prod"}
    assert message.priority == -3
    assert message.platform.destinations[0].parameters_json == '{"endpoint":"x"}'
    assert draft.comment == "first"


def test_parameters_that_are_no_object_still_show() -> None:
    """A view never fails over its data."""
    odd = messages.Configuration(
        platform=messages.Platform(processors=[messages.Component(parameters_json="[1]"), messages.Component()])
    )

    parts = compose.configuration_view(odd)["platform"]["processors"]

    assert [part["parameters"] for part in parts] == [{"value": [1]}, {}]


def test_an_agent_named_twice_is_pushed_once() -> None:
    """By query and by body, say."""
    message = compose.push_message("default", "edge", [AgentUid(UID), AgentUid(bytes(16)), AgentUid(UID)], "jo")

    assert list(message.instance_uids) == [UID, bytes(16)]
