"""Agents made up for checks."""

from __future__ import annotations

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.persona import ACCEPTS_CONFIG, EVERYTHING, Persona, fresh_uid


def test_fresh_uid_is_a_version_7() -> None:
    """Sixteen bytes, version 7, the right variant, and new each time."""
    uid = fresh_uid()

    assert (len(uid), uid[6] >> 4, uid[8] >> 6) == (16, 7, 2)
    assert fresh_uid() != uid


def test_messages_are_counted_from_zero() -> None:
    """Each message has the next number."""
    agent = Persona("a")

    assert [agent.full().sequence_num, agent.message().sequence_num] == [0, 1]


def test_full_report_keeps_what_capabilities_promise() -> None:
    """Every part an agent says it reports is in its full report, no other."""
    humble, rich = Persona("a").full(), Persona("b", EVERYTHING).full()

    assert {field.name for field, _ in humble.ListFields()} == {"instance_uid", "agent_description", "capabilities"}
    assert rich.HasField("health")
    assert rich.HasField("effective_config")
    assert rich.HasField("remote_config_status")


def test_withdrawn_capability_is_remembered() -> None:
    """What was ever stated is known after it was withdrawn."""
    agent = Persona("a", ACCEPTS_CONFIG)
    agent.capabilities = 1

    assert agent.message().capabilities == 1
    assert agent.ever == ACCEPTS_CONFIG


def test_agent_names_its_uid() -> None:
    """The uid is among the identifying attributes, so that selectors find the agent; odd ones are shown as hex."""
    agent = Persona("a")
    said = {each.key: each.value.string_value for each in agent.description().identifying_attributes}

    assert said["service.instance.id"] == agent.text
    assert Persona("b", uid=b"odd").text == b"odd".hex()
    assert opamp.AgentToServer.FromString(agent.message().SerializeToString()).instance_uid == agent.uid
