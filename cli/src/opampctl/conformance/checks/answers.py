"""S-039 to S-046: every message is answered, and bears the uid of its agent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import known
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import EVERYTHING, config_of
from opampctl.conformance.verdict import require

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe

_SERVER_CAPABILITIES = 7
_HEALTH_ONLY = int(
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_ReportsHealth
    | opamp.AgentCapabilities_ReportsEffectiveConfig
)


@check("S-039")
async def every_kind_of_message_is_answered(probe: Probe) -> None:
    """Status, poll, custom message, empty parts, requests: each is answered, on both transports."""
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        for what, message in kinds_of_message(agent):
            answer = await line.ask(message)
            require(answer.message.instance_uid == agent.uid, f"{transport}, {what}: the answer names another agent")


@check("S-040")
async def nothing_to_say_is_the_uid(probe: Probe) -> None:
    """The answer to a heartbeat is the uid, at most with capabilities."""
    for transport in Transport:
        agent = probe.persona()
        line = await probe.line(transport)
        await line.ask(agent.full())
        await line.ask(agent.message())
        answer = await line.ask(agent.message())
        more = sorted(set(answer.numbers) - {1, _SERVER_CAPABILITIES})
        require(1 in answer.numbers, f"{transport}: the answer has no uid")
        require(not more, f"{transport}: the answer to a heartbeat has fields {more}")


@check("S-041")
async def failure_is_answered_with_an_error(probe: Probe) -> None:
    """A report that cannot be processed is answered with error_response."""
    bad = opamp.AgentToServer(instance_uid=os.urandom(15), sequence_num=0, capabilities=1)
    line = await probe.websocket()
    require((await line.ask(bad)).refused, "WebSocket: a uid of 15 bytes brought no error")
    answer = await probe.polling().post(bad)
    require(answer.refused, f"HTTP: a uid of 15 bytes brought no error (HTTP {answer.status})")


@check("S-042")
async def success_is_answered_without_an_error(probe: Probe) -> None:
    """No sound report brings error_response."""
    for transport in Transport:
        agent = probe.persona(EVERYTHING)
        line = await probe.line(transport)
        for message in (agent.full(), agent.message(), agent.full()):
            answer = await line.ask(message)
            text = answer.message.error_response.error_message
            require(not answer.refused, f"{transport}: a sound report brought an error: {text}")


@check("S-043")
async def every_field_counts(probe: Probe) -> None:
    """Description, health and effective config of one message are all taken."""
    agent = probe.persona(_HEALTH_ONLY)
    line = await probe.websocket()
    await line.ask(
        agent.message(
            agent_description=agent.description(),
            health=opamp.ComponentHealth(healthy=False, last_error="out of reach", status="failing"),
            effective_config=config_of({"all.yaml": b"fields: counted\n"}),
            available_components=opamp.AvailableComponents(hash=b"h"),
            custom_capabilities=opamp.CustomCapabilities(capabilities=["org.example.counting"]),
        )
    )
    await known(probe, agent)
    view = await probe.look(agent, lambda view: view.get("effective_config") and view.get("last_error"))
    require(view.get("name") == agent.name, "the description was not taken")
    require(view.get("last_error") == "out of reach", "the health was not taken")
    require("all.yaml" in (view.get("effective_config") or {}), "the effective config was not taken")


@check("S-044")
async def first_report_is_answered(probe: Probe) -> None:
    """The first report of a new agent, whole or bare, is answered."""
    for transport in Transport:
        for whole in (True, False):
            agent = probe.persona()
            line = await probe.line(transport)
            await line.ask(agent.full() if whole else agent.message())


@check("S-045")
async def uid_is_echoed(probe: Probe) -> None:
    """Sixteen bytes of any kind come back as they are, and wrong ones come back in the error."""
    for transport in Transport:
        for uid in (os.urandom(16), b"\xff" * 8 + os.urandom(8), bytes(8) + os.urandom(8)):
            agent = probe.persona(uid=uid)
            line = await probe.line(transport)
            for message in (agent.full(), agent.message()):
                require((await line.ask(message)).message.instance_uid == uid, f"{transport}: another uid came back")
    wrong = os.urandom(15)
    line = await probe.websocket()
    answer = await line.ask(opamp.AgentToServer(instance_uid=wrong, capabilities=1))
    require(answer.message.instance_uid == wrong, "the error bears another uid than the message")


@invariant("S-046", broken="a message without uid")
def every_message_has_a_uid(record: Record) -> bool | None:
    """No message lacks a uid; where none was readable, nobody can demand one."""
    if record.heard.refused or not record.uids:
        return None
    return bool(record.heard.message.instance_uid)


def kinds_of_message(agent: Persona) -> list[tuple[str, opamp.AgentToServer]]:
    """Make one message of every kind, in an order an agent might send them."""
    return [
        ("a full report", agent.full()),
        ("a heartbeat", agent.message()),
        ("a poll without capabilities", _bare(agent)),
        ("health", agent.message(health=opamp.ComponentHealth(healthy=True))),
        ("an effective config", agent.message(effective_config=config_of({"": b"a"}))),
        ("a config status", agent.message(remote_config_status=opamp.RemoteConfigStatus())),
        ("package statuses", agent.message(package_statuses=opamp.PackageStatuses())),
        ("custom capabilities", agent.message(custom_capabilities=opamp.CustomCapabilities())),
        (
            "a custom message",
            agent.message(custom_message=opamp.CustomMessage(capability="org.example.none", type="t", data=b"d")),
        ),
        ("components", agent.message(available_components=opamp.AvailableComponents(hash=b"1"))),
        ("a settings status", agent.message(connection_settings_status=opamp.ConnectionSettingsStatus())),
        ("a settings request", agent.message(connection_settings_request=opamp.ConnectionSettingsRequest())),
    ]


def _bare(agent: Persona) -> opamp.AgentToServer:
    agent.sequence += 1
    return opamp.AgentToServer(instance_uid=agent.uid, sequence_num=agent.sequence)
