"""The full state when it is asked for, the components, and a uid the server gives."""

from __future__ import annotations

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.scene import Scene, new_uid

_FULL_STATE = opamp.ServerToAgentFlags_ReportFullState
_COMPONENTS = opamp.ServerToAgentFlags_ReportAvailableComponents
_STRANGE_FLAG = 1 << 40
_PROMISED = {
    opamp.AgentCapabilities_ReportsHealth: "health",
    opamp.AgentCapabilities_ReportsEffectiveConfig: "effective_config",
    opamp.AgentCapabilities_ReportsRemoteConfig: "remote_config_status",
    opamp.AgentCapabilities_ReportsPackageStatuses: "package_statuses",
    opamp.AgentCapabilities_ReportsAvailableComponents: "available_components",
}


@scenario("C-066 C-067 C-103 C-137")
async def full_state(scene: Scene) -> None:
    """Asked for everything, the agent tells everything."""
    met = await scene.meet()
    mark = await scene.tell(opamp.ServerToAgent(flags=_FULL_STATE))
    said = await scene.expect("C-066", lambda each: "agent_description" in each.parts, "no full state came", since=mark)
    missing = [part for bit, part in _PROMISED.items() if scene.has(bit) and part not in said.parts]
    if "custom_capabilities" in met.parts and "custom_capabilities" not in said.parts:
        missing.append("custom_capabilities")
    if not said.message.capabilities:
        missing.append("capabilities")
    scene.judge("C-066", not missing, f"the full state lacks {', '.join(missing)}")
    for row, bit in (
        ("C-103", opamp.AgentCapabilities_ReportsHealth),
        ("C-137", opamp.AgentCapabilities_ReportsPackageStatuses),
    ):
        if scene.has(bit):
            scene.judge(row, _PROMISED[bit] in said.parts, f"the capability is stated and {_PROMISED[bit]} is missing")
    mark = await scene.tell(opamp.ServerToAgent(flags=_FULL_STATE | _COMPONENTS | _STRANGE_FLAG))
    await scene.expect(
        "C-067",
        lambda each: "agent_description" in each.parts,
        "the flag is not seen among others",
        since=mark,
    )


@scenario("C-244")
async def components(scene: Scene) -> None:
    """Asked for the components, the agent tells them."""
    await scene.meet()
    scene.need(opamp.AgentCapabilities_ReportsAvailableComponents)
    mark = await scene.tell(opamp.ServerToAgent(flags=_COMPONENTS))
    said = await scene.expect(
        "C-244", lambda each: each.message.available_components.components, "no components came", since=mark
    )
    scene.judge("C-244", said.message.available_components.hash, "the components came without their hash")


@scenario("C-062")
async def new_uid_is_used(scene: Scene) -> None:
    """A uid given by the server, unasked, is in every message from then on."""
    await scene.meet()
    given = new_uid()
    await scene.tell(opamp.ServerToAgent(agent_identification=opamp.AgentIdentification(new_instance_uid=given)))
    mark = await scene.tell(opamp.ServerToAgent(flags=_FULL_STATE), uid=given)
    said = await scene.hear(lambda each: "agent_description" in each.parts, mark)
    if said is None:
        await scene.tell(opamp.ServerToAgent(flags=_FULL_STATE))
        said = await scene.hear(lambda each: "agent_description" in each.parts, mark)
    scene.judge("C-062", said is not None and said.message.instance_uid == given, "the agent goes on as it was")
