"""Custom messages, commands, and what needs a capability the agent lacks."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.door import FILES
from opampctl.conformance.as_server.scenarios import configuration, packages, settings
from opampctl.conformance.as_server.scene import Halt

if TYPE_CHECKING:
    from opampctl.conformance.as_server.scene import Scene

_RESTARTS = opamp.AgentCapabilities_AcceptsRestartCommand
_UNKNOWN = "org.example.unheard-of"


@scenario("C-231 C-234 C-235")
async def custom_messages(scene: Scene) -> None:
    """What is sent keeps to the newest list of the server; what is unknown does no harm."""
    met = await scene.meet()
    meeting = scene.meeting
    await scene.tell(opamp.ServerToAgent(custom_message=_custom(_UNKNOWN)))
    await scene.still_there("C-234", meeting, "a custom message nobody understands")
    own = list(met.message.custom_capabilities.capabilities)
    if not own:
        raise Halt("the agent has no custom capabilities")
    await scene.tell(opamp.ServerToAgent(custom_message=_custom(own[0])))
    await scene.quiet(0)
    await scene.tell(_announcing(own[0]))
    mark = await scene.tell(opamp.ServerToAgent(custom_message=_custom(own[0])))
    answer = await scene.hear(lambda each: "custom_message" in each.parts, mark)
    if answer is None:
        raise Halt("the agent sends no custom messages")
    scene.judge("C-235", answer.message.custom_message.capability == own[0], "it is of another capability")
    await scene.tell(_announcing(_UNKNOWN))
    await scene.full_report()
    mark = await scene.tell(opamp.ServerToAgent(custom_message=_custom(own[0])))
    await scene.quiet(mark)
    late = [each for each in scene.log.since(mark) if each.message.custom_message.capability == own[0]]
    scene.judge("C-231", not late, "a capability the server dropped from its list is still used")


@scenario("C-226 C-227 C-228")
async def restart(scene: Scene) -> None:
    """A restart command is done and nothing beside it; without the capability it is passed over."""
    met = await scene.meet()
    await scene.full_report()
    meeting, began = scene.meeting, met.message.health.start_time_unix_nano
    offered = configuration.good(scene)
    order = opamp.ServerToAgent(remote_config=offered)
    order.command.SetInParent()
    if not scene.has(_RESTARTS):
        plain = opamp.ServerToAgent()
        plain.command.SetInParent()
        await scene.tell(plain)
        await scene.still_there("C-227", meeting, "a command it cannot do")
        raise Halt("the agent does not state AcceptsRestartCommand")
    scene.door.restarting = True
    life = scene.log.life
    mark = await scene.tell(order)

    def restarted() -> bool:
        said = scene.log.since(mark)
        started = any(each.message.health.start_time_unix_nano > began for each in said if "health" in each.parts)
        again = meeting is not None and any(each.line != meeting.number for each in said)
        return scene.log.life > life or again or started

    done = await scene.log.until(restarted, scene.patience.effect)
    scene.judge("C-226 C-228", done, "nothing restarts")
    if not done:
        raise Halt("nothing restarts")
    report = await scene.full_report()
    heeded = report.message.remote_config_status.last_remote_config_hash == offered.config_hash
    scene.judge("C-226", not heeded, "what stands beside the command is done as well")


@scenario("C-082")
async def what_it_cannot_do(scene: Scene) -> None:
    """Offers that need a capability the agent lacks are passed over, and what stands beside them is done."""
    await scene.meet()
    await scene.full_report()
    message = opamp.ServerToAgent(flags=opamp.ServerToAgentFlags_ReportFullState)
    beta = packages.package("unwanted")
    lacking = False
    if not scene.has(opamp.AgentCapabilities_AcceptsPackages):
        message.packages_available.CopyFrom(packages.offer(scene, beta))
        lacking = True
    if not scene.has(opamp.AgentCapabilities_AcceptsRemoteConfig):
        message.remote_config.CopyFrom(configuration.good(scene))
        lacking = True
    if not scene.has(opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings):
        message.connection_settings.CopyFrom(settings.offer(scene, settings.MOVED))
        lacking = True
    if not lacking:
        raise Halt("the agent can do everything")
    fetches, knocks = len(scene.log.fetches), len(scene.log.knocks)
    mark = await scene.tell(message)
    await scene.expect(
        "C-082",
        lambda each: "agent_description" in each.parts,
        "the flag beside such an offer is not heeded",
        since=mark,
    )
    await scene.quiet(mark)
    fetched = any(each.path.startswith(FILES) for each in scene.log.fetches[fetches:])
    moved = any(each.path == settings.MOVED for each in scene.log.knocks[knocks:])
    applied = any(
        each.message.remote_config_status.last_remote_config_hash == message.remote_config.config_hash
        and each.message.remote_config_status.status == opamp.RemoteConfigStatuses_APPLIED
        for each in scene.log.since(mark)
        if message.HasField("remote_config")
    )
    scene.judge("C-082", not (fetched or moved or applied), "an offer is taken although its capability is not stated")


def _custom(capability: str) -> opamp.CustomMessage:
    return opamp.CustomMessage(capability=capability, type="conformance", data=secrets.token_bytes(16))


def _announcing(*names: str) -> opamp.ServerToAgent:
    return opamp.ServerToAgent(custom_capabilities=opamp.CustomCapabilities(capabilities=names))
